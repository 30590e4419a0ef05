"""What the bundle of a run tells of its held-out images (never of test sets), for later."""

import numpy as np

from adapt.ensembling.candidates import Candidate
from adapt.ensembling.line import same_encoders
from adapt.evaluation.unlabelled.reference import (
    feature_count,
    points_to_keep,
    reference_of,
    sampled,
)
from adapt.models.bundle.reference import Reference
from adapt.models.bundle.tensors import weights_hash
from adapt.models.classifier import Classifier
from adapt.recipe.data import RunData
from adapt.training.context import Context
from adapt.training.features.encode import image_features
from adapt.training.features.pixels import prepare

NO_FEATURES = "all held-out images were in the training of the encoder that ships (folds)"


def held_out_statistics(
    context: Context, data: RunData, start: Classifier, shipped: Classifier, chosen: Candidate
) -> Reference | None:
    """Statistics of the images that the choice was made on.

    With folds each image is answered by the model that did not see it; the encoder that ships saw
    all of them, so that features are kept only where no training changed it.

    Args:
        context: Of the run.
        data: Its images.
        start: The zero-shot model.
        shipped: The model that ships.
        chosen: The candidate that it is, with outputs on held-out images.

    Returns:
        The statistics; None where images have several labels, which `adapt monitor` does not know.
    """
    if data.fit.several_labels:
        return None
    held, val = chosen.held, data.fit.val
    points = {
        alpha: (held.logits[alpha], held.temperature(alpha))
        for alpha in points_to_keep(sorted(held.logits), chosen.alpha)
    }
    images = data.fit.train if val is None else val
    features: np.ndarray | str = NO_FEATURES
    if val is not None or same_encoders(start, shipped):
        backbone = shipped.backbone
        rows = sampled(len(images), feature_count(backbone.width))
        pixels = prepare(images.subset(rows), backbone.preprocessing, context.runtime)
        features = context.stages.arrays(
            "reference",
            lambda: [weights_hash(shipped.state_dict()), pixels.keys],
            lambda: {"features": image_features(backbone, pixels, context.runtime).numpy()},
        )["features"]
    return reference_of(
        "folds" if val is None else "val",
        held.targets,
        held.logits[chosen.alpha],
        chosen.temperature,
        features,
        (chosen.alpha, points),
    )
