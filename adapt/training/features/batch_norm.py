"""Statistics of batch norms, measured anew on images, as after averaging weights (SWA)."""

import torch
from torch import nn

from adapt.errors import ModelError
from adapt.models.classifier import Classifier
from adapt.training.features.pixels import Pixels
from adapt.training.runtime import inference_device, placed_on
from adapt.training.settings import Runtime

BatchNorm = nn.modules.batchnorm._BatchNorm


def check_batch_norms(classifier: Classifier) -> None:
    """Check that there is something to measure.

    Raises:
        ModelError: When the image encoder has no batch norm that keeps statistics.
    """
    if not _norms(classifier):
        raise ModelError(
            "ensemble.batch_norm - no effect - the image encoder of "
            f"{classifier.backbone.spec.arch} has no batch norms - set it to average"
        )


def measure_batch_norms(classifier: Classifier, pixels: Pixels, runtime: Runtime) -> Classifier:
    """Put means and variances of these images in place of the running statistics; returns itself.

    Averaged weights make other activations than any of the models did, so the average of their
    statistics is not that of the average (arXiv:1803.05407, section 3.3). Statistics of batches are
    averaged over the images.

    Args:
        classifier: Changed in place, but for its weights.
        pixels: Training images, as the model sees them when it predicts.
        runtime: Device and batch size.

    Raises:
        ModelError: See `check_batch_norms`.
    """
    check_batch_norms(classifier)
    norms, seen = _norms(classifier), 0
    momenta = [norm.momentum for norm in norms]
    classifier.eval()
    device = inference_device(runtime)
    with placed_on(classifier, device), torch.no_grad():
        for norm in norms:
            norm.reset_running_stats()
            norm.train()
        for batch in pixels.batches(runtime.images, device):
            seen += len(batch)
            for norm in norms:
                norm.momentum = len(batch) / seen
            classifier.features(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return classifier.eval()


def _norms(classifier: Classifier) -> list[BatchNorm]:
    modules = classifier.backbone.image_encoder.modules()
    return [m for m in modules if isinstance(m, BatchNorm) and m.track_running_stats]
