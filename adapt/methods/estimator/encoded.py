"""What `FewShotClassifier` starts from, and the features that it makes of its inputs."""

from collections.abc import Sequence

import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from adapt.data.decoding.open import open_image
from adapt.errors import DataError
from adapt.methods.estimator.inputs import read_numbers, read_rows
from adapt.models.classifier import Classifier
from adapt.models.heads import linear_head
from adapt.models.prediction.inputs import ImageLike, is_one, listed

CLIP_SCALE = 100.0
"""exp(logit scale) of the CLIPs of OpenAI; what unit text features are multiplied by."""
SAME = 0.01
"""By how much lengths of text features may differ, as a fraction of their mean."""
BATCH = 64
Inputs = Sequence[ImageLike] | npt.ArrayLike


class TextHead:
    """The directions of the classes, where there is no CLIP.

    Args:
        text_features: Shape (K, D).
        classes: K.

    Raises:
        DataError: When there are other rows than one per class, or they are no directions.
    """

    def __init__(self, text_features: npt.ArrayLike, classes: int) -> None:
        text = torch.from_numpy(read_numbers(text_features, "text_features"))
        if text.ndim != 2 or len(text) != classes or not torch.isfinite(text).all():
            raise DataError(
                f"text_features - do not fit - shape {tuple(text.shape)} for {classes} classes - "
                "give one finite row for each label, in sorted order"
            )
        lengths = text.norm(dim=1)
        low, high, mean = float(lengths.min()), float(lengths.max()), float(lengths.mean())
        if low == 0:
            raise DataError("text_features - a row of zeros - length 0 - give a direction")
        if max(mean - low, high - mean) > SAME * mean:
            raise DataError(
                f"text_features - rows of unequal length - {low:.4g} to {high:.4g} - give unit "
                "rows, or all of one length: exp(logit scale)"
            )
        scale = CLIP_SCALE if abs(mean - 1) <= SAME else mean
        self.head = linear_head((scale * F.normalize(text, dim=1)).float())

    @classmethod
    def from_weight(cls, weight: Tensor) -> "TextHead":
        """The one whose head has this weight (K, D), bit for bit."""
        other = cls.__new__(cls)
        other.head = linear_head(weight)
        return other


def stacked(before: Tensor, features: Tensor) -> Tensor:
    """Features of before and now, which must be equally wide.

    Raises:
        DataError: When they are not.
    """
    if before.shape[1] != features.shape[1]:
        given = f"{features.shape[1]}, {before.shape[1]} before"
        raise DataError(f"text_features - another width - {given} - call fit with all features")
    return torch.cat([before, features])


def encode(start: "Classifier | TextHead", inputs: Inputs) -> Tensor:
    """Unit features (N, D).

    Raises:
        DataError: When there is no input, or one where a list is needed.
    """
    if isinstance(start, TextHead):
        return read_rows(inputs, start.head.in_features)
    if is_one(inputs):
        shape = f" of shape {tuple(inputs.shape)}" if hasattr(inputs, "shape") else ""
        given = f"{type(inputs).__name__}{shape}"
        raise DataError(f"images - one, not a list - {given} - give a list of images")
    backbone, parts = start.backbone, []
    items = list(listed(inputs))
    with torch.inference_mode():
        for first in range(0, len(items), BATCH):
            images = [open_image(item) for item in items[first : first + BATCH]]
            pixels = torch.stack([backbone.preprocessing(image) for image in images])
            parts.append(backbone.encode_image(pixels).float())
    if not parts:
        raise DataError("images - empty - 0 given - give at least one")
    return torch.cat(parts)
