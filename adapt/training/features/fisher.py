"""The diagonal Fisher information of a classifier's weights (arXiv:2111.09832, section 2)."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from adapt.common.progress import track
from adapt.models.classifier import Classifier
from adapt.models.heads import text_weights
from adapt.training.features.pixels import Pixels
from adapt.training.parameters import reach_text_head
from adapt.training.runtime import EXACT, inference_device, inference_kernels, placed_on
from adapt.training.settings import Runtime

LABELS = 4
"""Most labels of an image whose gradients are taken: each costs a backward pass."""
DIGITS = 13
"""Hexadecimal digits of a hash that a float64 holds exactly."""


def fisher_information(
    classifier: Classifier, pixels: Pixels, names: Collection[str], runtime: Runtime
) -> dict[str, Tensor]:
    """How much each weight matters to what a classifier says of its images.

    For each weight the mean over the images, and the expectation over the label distribution of
    the model itself, of the squared derivative of the log-probability of the label. Labels of the
    images play no part. Up to `LABELS` classes the expectation is exact, as in the authors' code;
    with more it is estimated without bias, see `label_weights`. A head that comes from text is
    followed into the text encoder, if weights of it are asked for: every label then costs a
    backward pass through all prompts.

    Args:
        classifier: Its weights stay as they are.
        pixels: Images, as the model sees them when it predicts.
        names: The weights to look at, as in its state dict; others cost nothing.
        runtime: Device.

    Returns:
        A tensor of the shape of each weight, on the CPU; weights that the probabilities do not
        depend on are left out.
    """
    device, used = inference_device(runtime), set[str]()
    classifier.eval()
    with (
        placed_on(classifier, device),
        inference_kernels(device, EXACT),
        _gradients_of(classifier, names) as parameters,
    ):
        totals = {name: torch.zeros_like(weight) for name, weight in parameters.items()}
        from_text = reach_text_head(classifier, parameters)
        head = text_weights(classifier.backbone, classifier.prompts) if from_text else None
        batches = pixels.batches(runtime.images, device) if parameters else iter(())
        images = (image for batch in batches for image in batch.split(1))
        keys = pixels.keys if parameters else []
        for image, key in zip(track(images, "Fisher information", len(keys)), keys, strict=True):
            features = classifier.features(image)
            logits = classifier.head(features) if head is None else features @ head.T
            of_labels = logits[0].log_softmax(-1)
            chances = of_labels.detach().cpu().double().exp().numpy()
            weights = label_weights(chances, LABELS, int(key[:DIGITS], 16) / 16**DIGITS)
            for label in np.flatnonzero(weights):
                gradients = torch.autograd.grad(
                    of_labels[label],
                    list(parameters.values()),
                    retain_graph=True,
                    allow_unused=True,
                )
                for name, gradient in zip(parameters, gradients, strict=True):
                    if gradient is not None:
                        used.add(name)
                        totals[name].addcmul_(gradient, gradient, value=float(weights[label]))
    return {name: (totals[name] / len(pixels)).cpu() for name in totals if name in used}


def label_weights(chances: np.ndarray, most: int, point: float) -> np.ndarray:
    """Weights of labels by which a sum over few labels has the expectation over all.

    With more than `most` classes, labels are drawn as often as they matter: in proportion to their
    probability times the squared length of their gradient in the logits, by systematic sampling.
    Drawn by probability alone, a rare label with a large gradient would seldom be drawn and then
    outweigh all other images.

    Args:
        chances: Probabilities (K,).
        most: Labels at most.
        point: From 0 to below 1; over its uniform distribution the mean weights are `chances`.

    Returns:
        Shape (K,), at most `most` of them above zero.

    >>> label_weights(np.array([0.5, 0.5]), 4, 0.3).tolist()
    [0.5, 0.5]
    >>> label_weights(np.array([0.8, 0.1, 0.1]), 1, 0.3).round(2).tolist()
    [0.0, 0.23, 0.0]
    """
    lengths = 1 - 2 * chances + float((chances**2).sum())  # |one-hot - chances|^2
    shares = chances * lengths
    if len(chances) <= most or not shares.sum() > 0:
        return chances
    shares /= shares.sum()
    places = np.searchsorted(shares.cumsum(), (np.arange(most) + point) / most, side="right")
    counts = np.bincount(places.clip(max=len(chances) - 1), minlength=len(chances))
    drawn = np.divide(chances, shares, out=np.zeros_like(chances), where=counts > 0)
    return np.asarray(counts * drawn / most)


@contextmanager
def _gradients_of(
    classifier: Classifier, names: Collection[str]
) -> Iterator[dict[str, nn.Parameter]]:
    """The parameters of these names, which alone require gradients for a while."""
    before = {weight: weight.requires_grad for weight in classifier.parameters()}
    wanted = {name: weight for name, weight in classifier.named_parameters() if name in names}
    try:
        for name, weight in classifier.named_parameters():
            weight.requires_grad_(name in wanted)
        yield wanted
    finally:
        for weight, required in before.items():
            weight.requires_grad_(required)
