"""What the logits of a classifier mean: one label of each image, or several, or none.

`Labelling` is one label: a softmax over the classes. `SeveralLabels` decides on each class by
itself: a sigmoid, whose zero-shot logit compares the prompts of a class with those of its absence.
"""

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from adapt.common.typed import misfit
from adapt.data.labels.label_sets import joined
from adapt.errors import DataError
from adapt.models.prediction.uncertainty import Uncertainty, Verdicts

THRESHOLD = 0.5
"""Of the probability of a class, where none was chosen."""


@dataclass(frozen=True)
class Labelling:
    """One label of each image: the classes share one probability."""

    @property
    def several(self) -> bool:
        """Whether an image may have several labels, or none."""
        return False

    def probabilities(self, scaled: Tensor) -> Tensor:
        """Probabilities (B, K) of logits that were divided by the temperature."""
        return torch.softmax(scaled, dim=-1)

    @property
    def negations_of_classes(self) -> list[list[str]] | None:
        """Prompts that say that a class is absent, for each class; None where there are none."""
        return None

    @property
    def thresholds_of_classes(self) -> list[float] | None:
        """Probability of each class from which an image has its label; None of one label."""
        return None

    def verdicts(
        self,
        own: Uncertainty | None,
        probabilities: npt.ArrayLike,
        logits: npt.ArrayLike,
        temperature: float,
    ) -> Verdicts:
        """What is said of B images beside their probabilities.

        Args:
            own: Thresholds of the classifier.
            probabilities: Shape (B, K).
            logits: Shape (B, K).
            temperature: Of the classifier.
        """
        return (own or Uncertainty()).verdicts(probabilities, logits, temperature)

    def label(self, best: str, chosen: Sequence[str]) -> str:
        """The label of an image: the most probable class.

        Args:
            best: The most probable class.
            chosen: The classes of `Verdicts.sets`, most probable first.

        >>> Labelling().label("cat", ["cat", "dog"])
        'cat'
        """
        return best

    def facts(self) -> Any:
        """What a manifest holds of it; None for one label, of which nothing needs to be said."""
        return None

    def check_classes(self, classes: int) -> None:
        """Check that it fits a classifier of `classes` classes.

        Raises:
            DataError: When something per class is not as many.
        """


@dataclass(frozen=True)
class SeveralLabels(Labelling):
    """Any number of labels of each image: each class has a probability of its own.

    The probability of class k is sigmoid(logit / temperature + offset of k), and an image has the
    label when that is at least its threshold.

    Raises:
        DataError: When a number is out of range, or a class has no negation.
    """

    negations: list[list[str]]
    """Prompts that say that a class is absent, for each of the K classes."""
    offsets: tuple[float, ...] = ()
    """Added to the logits over temperature, one for each class; zeros where empty."""
    thresholds: tuple[float, ...] = ()
    """Probability from which an image has the label; 0.5 for all where empty."""

    def __post_init__(self) -> None:
        for name in ("offsets", "thresholds"):
            values = tuple(float(value) for value in getattr(self, name))
            object.__setattr__(self, name, values)
            if len(values) not in (0, len(self.negations)):
                given = f"{len(values)} for {len(self.negations)} classes"
                raise DataError(f"several_labels.{name} - not one per class - {given} - give one")
            if not all(map(math.isfinite, values)):
                advice = "give numbers"
                raise DataError(f"several_labels.{name} - not finite - {values} - {advice}")
        if not all(0 <= value <= 1 for value in self.thresholds):
            given = f"{self.thresholds}"
            advice = "give numbers from 0 to 1"
            raise DataError(f"several_labels.thresholds - out of range - {given} - {advice}")
        if not all(self.negations):
            advice = "give prompts that say that the class is absent"
            raise DataError(f"several_labels.negations - a class has none - [] - {advice}")

    @property
    def several(self) -> bool:
        """True."""
        return True

    def with_decision(
        self, offsets: Sequence[float], thresholds: Sequence[float]
    ) -> "SeveralLabels":
        """The same with other offsets and thresholds, (K,) each."""
        return replace(self, offsets=tuple(offsets), thresholds=tuple(thresholds))

    def probabilities(self, scaled: Tensor) -> Tensor:
        """Probabilities (B, K), each class by itself."""
        if self.offsets:
            scaled = scaled + torch.tensor(self.offsets, dtype=scaled.dtype, device=scaled.device)
        return torch.sigmoid(scaled)

    @property
    def negations_of_classes(self) -> list[list[str]]:
        """The negations."""
        return self.negations

    @property
    def thresholds_of_classes(self) -> list[float]:
        """The thresholds, 0.5 where none were chosen."""
        return list(self.thresholds) or [THRESHOLD] * len(self.negations)

    def verdicts(
        self,
        own: Uncertainty | None,
        probabilities: npt.ArrayLike,
        logits: npt.ArrayLike,
        temperature: float,
    ) -> Verdicts:
        """Which labels each image has, as `Verdicts.sets`; nothing abstains or is unknown."""
        checked = np.asarray(probabilities, dtype=np.float64)
        nothing = np.zeros(len(checked), np.bool_)
        limits = np.asarray(self.thresholds_of_classes)
        return Verdicts(nothing, np.asarray(checked >= limits), nothing)

    def label(self, best: str, chosen: Sequence[str]) -> str:
        """The labels joined by `|` in the order of their names; an empty text where there is none.

        >>> SeveralLabels([["no cat"], ["no dog"]]).label("dog", ["dog", "cat"])
        'cat|dog'
        """
        return joined(sorted(chosen))

    def facts(self) -> dict[str, Any]:
        """What a manifest holds; `labelling_of` reads it back."""
        return {
            "negations": self.negations,
            "offsets": list(self.offsets),
            "thresholds": list(self.thresholds),
        }

    def check_classes(self, classes: int) -> None:
        """Check that there are negations for each class."""
        if len(self.negations) != classes:
            given = f"{len(self.negations)} for {classes} classes"
            advice = "give a list for each class"
            raise DataError(f"several_labels.negations - not one per class - {given} - {advice}")


ONE_LABEL = Labelling()
FIELDS: dict[str, Any] = {
    "negations": list[list[str]],
    "offsets": list[float],
    "thresholds": list[float],
}


def labelling_of(facts: Any) -> Labelling:
    """Read what `facts` gave, strictly.

    Args:
        facts: From JSON; None for one label.

    Raises:
        DataError: When it is something else.

    >>> labelling_of(None) is ONE_LABEL
    True
    """
    if facts is None:
        return ONE_LABEL
    if not isinstance(facts, dict) or facts.keys() != FIELDS.keys():
        given, advice = f"{facts!r:.60}", f"give a mapping with {', '.join(FIELDS)}"
        raise DataError(f"several_labels - not as it is written - {given} - {advice}")
    for name, hint in FIELDS.items():
        if problem := misfit(hint, facts[name], f"several_labels.{name}"):
            raise DataError(f"{problem} - give what was written")
    with contextlib.suppress(OverflowError):  # JSON can hold whole numbers that no float can
        return SeveralLabels(**facts)
    raise DataError("several_labels - not finite - a number too large - give what was written")
