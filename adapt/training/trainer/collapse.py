"""Whether a model still tells images apart: their features and its answers over one pass."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

LEAST_VARIANCE = 1e-4
"""Of unit features. Photos have 0.3 to 0.6 in CLIP and near copies 0.01; rounding in bfloat16 makes
1e-5 of equal ones."""
LEAST_WRONG = 10
"""Images that one answer to all has to be wrong about before it is told of: fewer may be chance."""


def _as_they_are(sums: Tensor) -> Tensor:
    return sums


class CollapseDetector:
    """Adds up features and answers on the device, so that no step waits for a number.

    >>> answers = CollapseDetector(["cat", "dog"])
    >>> features, targets = torch.eye(4).repeat(6, 1), torch.tensor([0, 1]).repeat(12)
    >>> answers.add(torch.tensor([[2.0, 1.0]]).repeat(24, 1), targets, features)
    >>> answers.take("val")
    0.75
    >>> answers.collapse
    "the model gives one answer, 'cat', to all 24 val images, also to 12 of other classes"
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = class_names
        self.collapse: str | None = None
        """What to say of the last pass; nothing where images are told apart."""
        self.sums: Tensor | None = None
        """Of the answers, the targets and the features of this pass so far."""

    def add(self, logits: Tensor, target: Tensor, features: Tensor | None = None) -> None:
        """Some images.

        Args:
            logits: What the model says (B, K). Where it is of fewer classes, or of pairs, it is not
                looked at.
            target: Class numbers (B,); fractions (B, K) are not looked at either.
            features: Unit features (B, D); in every call of a pass, or in none.
        """
        classes = len(self.class_names)
        if logits.shape[1] != classes or target.ndim != 1:
            return
        parts = [torch.bincount(labels, minlength=classes) for labels in (logits.argmax(1), target)]
        if features is not None:
            parts.append(features.float().sum(0))
        sums = torch.cat([part.float() for part in parts])
        self.sums = sums if self.sums is None else self.sums.to(sums.device) + sums

    def take(
        self, what: str, over_devices: Callable[[Tensor], Tensor] = _as_they_are
    ) -> float | None:
        """The variance of the features, if they were given, and a new beginning.

        That is the mean squared distance of unit features from their mean: 0 where all are equal,
        1 where they point everywhere.

        Args:
            what: The images, for `collapse`.
            over_devices: From the sums of this device to those of all.
        """
        self.collapse, sums, self.sums = None, self.sums, None
        if sums is None:
            return None
        answers, targets, features = (
            over_devices(sums)
            .cpu()
            .tensor_split([len(self.class_names), 2 * len(self.class_names)])
        )
        images, answer = int(targets.sum()), int(answers.argmax())
        wrong = images - int(targets[answer])
        if int(answers[answer]) == images and wrong >= LEAST_WRONG:
            self.collapse = (
                f"the model gives one answer, {self.class_names[answer]!r}, to all {images} {what} "
                f"images, also to {wrong} of other classes"
            )
        if not len(features):
            return None
        variance = max(0.0, 1 - float((features / images).square().sum()))
        if variance < LEAST_VARIANCE and images - int(targets.max()) >= LEAST_WRONG:
            self.collapse = (
                f"the features of the {images} {what} images are nearly equal (variance "
                f"{variance:.1g}): the image encoder has collapsed"
            )
        return variance
