"""When a classifier should abstain, which classes it cannot rule out, and what it does not know.

The thresholds are chosen on val by `adapt.evaluation`, stored in the bundle and applied by
`Classifier.predict`. The rules themselves are here, so that the scores in a report and the answers
of a shipped model come from the same lines.
"""

import contextlib
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from adapt.common.arrays import BoolArray, FloatArray
from adapt.errors import DataError, did_you_mean
from adapt.models.prediction.conformal import (
    LEAST_AMBIGUOUS,
    RAPS,
    SetRule,
    draws_of,
    prediction_sets,
)

DETECTORS = ("msp", "energy")
"""Detectors of unknowns that need nothing but the logits, so that a bundle can hold them."""


def energy(logits: npt.ArrayLike, temperature: float = 1.0) -> FloatArray:
    """Negative free energy T * logsumexp(logits / T): high for what is known.

    Args:
        logits: Shape (N, K).
        temperature: T, above 0.

    Returns:
        Shape (N,), in units of the logits.

    Paper: Energy-based Out-of-distribution Detection, arXiv:2010.03759.

    >>> energy([[0.0, 0.0]], temperature=2.0).round(4).tolist()
    [1.3863]
    """
    # By torch and not by scipy, which a machine that only predicts need not have.
    scaled = torch.from_numpy(np.asarray(logits, dtype=np.float64) / temperature)
    return np.asarray(temperature * torch.logsumexp(scaled, dim=1).numpy(), dtype=np.float64)


@dataclass(frozen=True)
class Verdicts:
    """What an `Uncertainty` says about N images and K classes."""

    abstained: BoolArray
    """Shape (N,): the confidence is below the threshold."""
    sets: BoolArray
    """Shape (N, K): the conformal set; all false when there is none."""
    unknown: BoolArray
    """Shape (N,): the image looks like none of the classes."""


@dataclass(frozen=True)
class Uncertainty:
    """Thresholds chosen on val; the fields of a part that is not used are None.

    They belong to the temperature at which they were chosen. Like every number chosen on val, they
    hold for data like val, not under shift.

    Raises:
        DataError: When a value is out of range, or half of a part is missing.
    """

    abstain_below: float | None = None
    """Abstain below this confidence, from 0 to 1."""
    abstain_coverage: float | None = None
    """The fraction of val that was to be answered, above 0 and at most 1."""
    conformal_level: float | None = None
    """The fraction of images whose true class should be in their set, between 0 and 1."""
    conformal_threshold: float | None = None
    """Highest score of a class in the set."""
    conformal_per_class: tuple[float, ...] | None = None
    """The same for each of the K classes; used instead of `conformal_threshold` when given."""
    conformal_score: str = LEAST_AMBIGUOUS.score
    """`lac`, `aps` or `raps`; this and the next four are explained in `SetRule`."""
    conformal_randomised: bool = LEAST_AMBIGUOUS.randomised
    """Whether the score is randomised."""
    conformal_empty: bool = LEAST_AMBIGUOUS.empty
    """Whether a set may be empty."""
    conformal_penalty: float = LEAST_AMBIGUOUS.penalty
    """`raps`: added for each rank beyond the next number."""
    conformal_free_ranks: int = LEAST_AMBIGUOUS.free_ranks
    """`raps`: ranks without a penalty."""
    unknown_detector: str | None = None
    """`msp` (highest probability) or `energy`."""
    unknown_threshold: float | None = None
    """An image with a lower score of the detector is called unknown."""

    def __post_init__(self) -> None:
        if self.conformal_per_class is not None:
            given = self.conformal_per_class
            if not isinstance(given, (list, tuple)):
                raise _wrong("conformal_per_class", "not a list", given, "give one per class")
            checked = tuple(_number("conformal_per_class", value, *_SCORE) for value in given)
            object.__setattr__(self, "conformal_per_class", checked)
        ranges = _RANGES | (
            {"unknown_threshold": _FRACTION} if self.unknown_detector == "msp" else {}
        )
        for name, (good, advice) in ranges.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _number(name, value, good, advice))
        self._check_rule()
        if self.unknown_detector is not None and self.unknown_detector not in DETECTORS:
            hint = did_you_mean(str(self.unknown_detector), DETECTORS)
            known = f"choose one of {', '.join(DETECTORS)}{hint}"
            raise _wrong("unknown_detector", "not known", self.unknown_detector, known)
        for first, second in _PAIRS:
            if (getattr(self, first) is None) != (getattr(self, second) is None):
                missing = first if getattr(self, first) is None else second
                raise _wrong(
                    missing, "missing", None, f"give both {first} and {second}, or neither"
                )
        if self.conformal_per_class is not None and self.conformal_threshold is None:
            raise _wrong("conformal_threshold", "missing", None, "give it with those per class")

    def _check_rule(self) -> None:
        for name, kind, what in _TYPES:
            value = getattr(self, name)
            if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
                raise _wrong(name, f"not {what}", value, f"give {what}")
        try:
            rule = self.rule
        except DataError as error:
            raise DataError(f"uncertainty.{error}") from error
        if rule.score != RAPS and (rule.penalty or rule.free_ranks):
            raise _wrong("conformal_penalty", "without raps", rule.penalty, "give 0 and rank 0")

    @property
    def rule(self) -> SetRule:
        """How the conformal sets are made.

        >>> Uncertainty().rule == LEAST_AMBIGUOUS
        True
        """
        return SetRule(
            self.conformal_score,
            self.conformal_randomised,
            self.conformal_empty,
            self.conformal_penalty,
            self.conformal_free_ranks,
        )

    def check_classes(self, classes: int) -> None:
        """Check that thresholds fit a classifier of `classes` classes.

        Raises:
            DataError: When those per class are not as many, or one is above every score.

        >>> Uncertainty().check_classes(3)
        """
        given = self.conformal_per_class
        if given is not None and len(given) != classes:
            raise _wrong(
                "conformal_per_class", "not one per class", len(given), f"give {classes} numbers"
            )
        most = self.rule.largest(classes)
        for name, values in (
            ("conformal_threshold", (self.conformal_threshold,)),
            ("conformal_per_class", given or ()),
        ):
            above = [value for value in values if value is not None and value > most]
            if above:
                raise _wrong(name, "above every score", above[0], f"give {most:g} at most")

    def verdicts(
        self, probabilities: npt.ArrayLike, logits: npt.ArrayLike, temperature: float
    ) -> Verdicts:
        """Apply every stored part.

        Args:
            probabilities: softmax(logits / temperature), shape (N, K).
            logits: Shape (N, K).
            temperature: Of the classifier.

        Example:
            >>> stored = Uncertainty(abstain_below=0.6, abstain_coverage=0.9)
            >>> stored.verdicts([[0.5, 0.5], [0.9, 0.1]], [[0, 0], [2, 0]], 1.0).abstained
            array([ True, False])
        """
        checked = np.asarray(probabilities, dtype=np.float64)
        confidences = checked.max(axis=1)
        abstained = unknown = np.zeros(len(checked), np.bool_)
        sets = np.zeros(checked.shape, np.bool_)
        if self.abstain_below is not None:
            abstained = np.asarray(confidences < self.abstain_below)
        if self.conformal_threshold is not None:
            thresholds = self.conformal_per_class or self.conformal_threshold
            sets = prediction_sets(checked, thresholds, self.rule, draws_of(logits))
        if self.unknown_threshold is not None:
            scores = self.unknown_scores(checked, logits, temperature)
            unknown = np.asarray(scores < self.unknown_threshold)
        return Verdicts(abstained, sets, unknown)

    def unknown_scores(
        self, probabilities: npt.ArrayLike, logits: npt.ArrayLike, temperature: float
    ) -> FloatArray:
        """What the stored detector says of N images, shape (N,): low where one looks unknown.

        Args:
            probabilities: See `verdicts`.
            logits: See `verdicts`.
            temperature: See `verdicts`.

        Returns:
            Zeros without a detector.

        >>> Uncertainty().unknown_scores([[0.5, 0.5]], [[0, 0]], 1.0)
        array([0.])
        """
        checked = np.asarray(probabilities, dtype=np.float64)
        if self.unknown_detector is None:
            return np.zeros(len(checked))
        msp = self.unknown_detector == "msp"
        return np.asarray(checked.max(axis=1)) if msp else energy(logits, temperature)

    def to_dict(self) -> dict[str, Any]:
        """What `classifier.json` holds; `from_dict` reads it back.

        >>> Uncertainty.from_dict(Uncertainty().to_dict(), classes=2) == Uncertainty()
        True
        """
        content = asdict(self)
        if self.conformal_per_class is not None:
            content["conformal_per_class"] = list(self.conformal_per_class)
        return content

    @classmethod
    def from_dict(cls, content: Any, classes: int) -> "Uncertainty":
        """Read what `to_dict` wrote, strictly.

        Args:
            content: From JSON.
            classes: K, the number of classes of the classifier.

        Raises:
            DataError: When it is not a mapping, a key is missing or unknown, or a value is wrong.
        """
        known = [field.name for field in fields(cls)]
        if not isinstance(content, dict):
            raise DataError(
                f"uncertainty - not a mapping - {type(content).__name__} - give one with the keys "
                f"{', '.join(known)}"
            )
        for name in content:
            if name not in known:
                hint = did_you_mean(str(name), known)
                raise _wrong(name, "not known", content[name], f"remove it{hint}")
        for name in known:
            if name not in content:
                raise _wrong(name, "missing", None, "give a value or null")
        uncertainty = cls(**content)
        uncertainty.check_classes(classes)
        return uncertainty


Range = tuple[Callable[[float], bool], str]
_FRACTION: Range = (lambda value: 0 <= value <= 1, "give a number from 0 to 1")
_SCORE: Range = (lambda value: value >= 0, "give a number of at least 0")
_TYPES: tuple[tuple[str, type, str], ...] = (
    ("conformal_score", str, "a name"),
    ("conformal_randomised", bool, "true or false"),
    ("conformal_empty", bool, "true or false"),
    ("conformal_free_ranks", int, "a whole number"),
)
_RANGES: dict[str, Range] = {
    "abstain_below": _FRACTION,
    "abstain_coverage": (lambda value: 0 < value <= 1, "give a number above 0 and at most 1"),
    "conformal_level": (lambda value: 0 < value < 1, "give a number between 0 and 1"),
    "conformal_threshold": _SCORE,
    "conformal_penalty": _SCORE,
    "unknown_threshold": (math.isfinite, "give a number"),
}
_PAIRS = (
    ("abstain_below", "abstain_coverage"),
    ("conformal_threshold", "conformal_level"),
    ("unknown_threshold", "unknown_detector"),
)


def _number(name: str, value: Any, good: Callable[[float], bool], advice: str) -> float:
    number = math.nan
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
        # JSON can hold whole numbers that no float can.
        with contextlib.suppress(OverflowError):
            number = float(value)
    if not math.isfinite(number):
        raise _wrong(name, "not a finite number", value, "give a number")
    if not good(number):
        raise _wrong(name, "out of range", number, advice)
    return number


def _wrong(name: str, what: str, given: Any, advice: str) -> DataError:
    return DataError(f"uncertainty.{name} - {what} - {given!r} - {advice}")
