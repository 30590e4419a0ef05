"""Which model ships: zero-shot, the mixed model or the mixed probe, judged on one set of images.

The mixed model is the point chosen on the line from zero-shot to the adapted model. The mixed probe
is the point chosen by the same rule on the line from zero-shot to a linear probe. A probe by itself
is no candidate: it is often best on validation images and far below zero-shot on shifted ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapt.ensembling.guard import Guard
from adapt.ensembling.held_out import HeldOut
from adapt.ensembling.settings import MIXED, PROBE
from adapt.errors import RecipeError
from adapt.evaluation.metrics.bootstrap import PairedDifference

ZERO_SHOT = "zero_shot"
TITLES = {MIXED: "mixed model", PROBE: "mixed probe", ZERO_SHOT: "zero-shot"}
SMALL = 300
"""Held-out images from which nobody is asked for folds: more of them would change little."""


@dataclass
class Candidate:
    """A point on the line from zero-shot to a model, and what held-out images say of it."""

    name: str
    """`mixed` or `probe`."""
    held: HeldOut
    """Outputs along its line."""
    guard: Guard
    """What the guard made of the point that the rule chose."""
    temperature: float = 1.0
    """Fitted on the held-out images."""

    @property
    def alpha(self) -> float:
        """The point of its line; 0 is zero-shot itself."""
        return self.guard.alpha_after

    @property
    def logits(self) -> np.ndarray:
        """What it says of the held-out images, shape (N, K)."""
        return self.held.logits[self.alpha]

    @property
    def quality(self) -> float:
        """Its accuracy on the held-out images, or mAP where they have several labels."""
        return self.held.judge.quality(self.logits)


@dataclass(frozen=True)
class Decision:
    """Which candidate ships."""

    shipped: Candidate
    reason: str
    """One plain sentence."""
    difference: dict[str, Any]
    """Accuracy of the mixed model minus the mixed probe on held-out images: `difference` and `ci`;
    empty without a mixed probe."""
    rival: Candidate | None = None
    """The mixed probe, where there is one."""

    @property
    def name(self) -> str:
        """`mixed`, `probe`, or `zero_shot` where the point that ships is zero-shot itself."""
        return self.shipped.name if self.shipped.alpha > 0 else ZERO_SHOT


def decide(mixed: Candidate, probe: Candidate | None, ship: Sequence[str]) -> Decision:
    """Take the mixed model, unless it is zero-shot again or clearly worse than the mixed probe.

    Clearly worse means that the whole 95 % interval of the paired difference of accuracy lies below
    zero. Either candidate may have stepped back to zero-shot, which ships when nothing is better.

    Args:
        mixed: The mixed model.
        probe: The mixed probe, judged on the same images; None where no probe was fitted.
        ship: The candidates that may ship, `mixed` and `probe` or one of them.

    Raises:
        RecipeError: When only the probe may ship and there is none.
    """
    if probe is None:
        if MIXED not in ship:
            raise RecipeError(
                f"ship - there is no mixed probe - {list(ship)} - add `{MIXED}`: this run fits no "
                "linear probe beside its method"
            )
        return Decision(mixed, _alone(mixed), {})
    difference = mixed.held.judge.difference(mixed.logits, probe.logits)
    shipped, reason = _compared(mixed, probe, ship, difference)
    return Decision(shipped, reason, dict(difference), probe)


def _compared(
    mixed: Candidate, probe: Candidate, ship: Sequence[str], difference: PairedDifference
) -> tuple[Candidate, str]:
    bounds = difference["ci"]
    if MIXED not in ship:
        return probe, f"only the mixed probe may ship (ship: [{PROBE}])"
    if PROBE not in ship:
        return mixed, f"only the mixed model may ship (ship: [{MIXED}])"
    if mixed.alpha == 0 and probe.alpha == 0:
        return mixed, "on neither line was another point chosen"
    if mixed.alpha == 0:
        return probe, "the mixed model fell back to zero-shot"
    if bounds is not None and bounds[1] < 0:
        return probe, "the mixed model is clearly worse"
    if bounds is not None and bounds[0] > 0:
        return mixed, "it is clearly better than the mixed probe"
    level = "no worse" if (difference["difference"] or 0) >= 0 else "not clearly worse"
    return mixed, f"it is {level} than the mixed probe"


def _alone(mixed: Candidate) -> str:
    if mixed.alpha == 0:
        return "no other point of the line was chosen"
    return "no linear probe was fitted to compare it with"


def undecided_alphas(candidate: Candidate) -> tuple[float, float]:
    """The alphas that the held-out images cannot tell from the chosen one, lowest and highest.

    An alpha is told from it where the 95 % interval of the paired difference excludes zero.
    """
    same = [candidate.alpha]
    for alpha, logits in candidate.held.logits.items():
        bounds = candidate.held.judge.difference(candidate.logits, logits)["ci"]
        if bounds is None or bounds[0] <= 0 <= bounds[1]:
            same.append(alpha)
    return min(same), max(same)


def too_small(candidate: Candidate, folds: int) -> str | None:
    """A sentence where val leaves alpha open and folds would give more images; else nothing.

    Args:
        candidate: What ships.
        folds: Folds of the run; 0 where val is a split of its own.
    """
    count = len(candidate.held.targets)
    if folds or count >= SMALL:
        return None
    low, high = undecided_alphas(candidate)
    other = high if high - candidate.alpha >= candidate.alpha - low else low
    if other == candidate.alpha:
        return None
    return (
        f"Val ({count} images) is too small to tell alpha {candidate.alpha:g} from {other:g}: use "
        "folds (data.val={from: train, folds: 5}), which judge every training image."
    )
