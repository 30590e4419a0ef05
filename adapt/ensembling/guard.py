"""The guard: no model is shipped that is worse than zero-shot on held-out images."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adapt.ensembling.held_out import HeldOut

KEPT, LOWERED, FALLBACK = "kept", "lowered", "fallback"


@dataclass
class Guard:
    """What the guard measured on held-out images, and what it did."""

    outcome: str
    """`kept`; `lowered` (a smaller alpha is shipped); `fallback` (zero-shot is shipped)."""
    reason: str
    """One plain sentence."""
    alpha_before: float
    """The alpha the rule chose."""
    alpha_after: float
    """The alpha that is shipped."""
    n: int
    """Held-out images."""
    adapted: dict[str, Any] = field(default_factory=dict)
    """The model at alpha 1, adapted or a probe, minus zero-shot: accuracy `difference` and `ci`."""
    against: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The shipped model minus `zero_shot` and `linear_probe`: accuracy `difference` and `ci`."""
    worse_classes: list[dict[str, Any]] = field(default_factory=list)
    """Classes in which the shipped model is below zero-shot by more than luck explains."""

    def to_dict(self) -> dict[str, Any]:
        """What `scores.json` holds under `guard`."""
        return dict(vars(self))


def guard(
    held: HeldOut,
    alpha: float,
    class_names: list[str],
    probe: np.ndarray | None = None,
    end: str = "adapted model",
    what: str = "held-out images",
    start: str = "zero-shot",
) -> Guard:
    """Compare the chosen point with zero-shot and the probe, and step back where it is worse.

    Worse means fewer right answers on the held-out images than zero-shot, or where images have
    several labels a lower mAP. Then the largest
    smaller alpha that is not worse is taken, at last alpha 0, zero-shot itself. A class is called
    worse when it has ten images or more and the whole 95 % interval of its paired difference lies
    below zero. Classes and probe are reported and change nothing: single classes have too few
    held-out images to act on.

    Args:
        held: Outputs along the line; must hold alpha 0, 1 and `alpha`.
        alpha: The point that the rule chose.
        class_names: The K class keys.
        probe: Logits (N, K) of a linear probe for the same images, if there is one.
        end: What the model at alpha 1 is called.
        what: What the models were asked about.
        start: What the model at alpha 0 is called.
    """
    judge, zero_shot = held.judge, held.logits[0.0]
    least = judge.quality(zero_shot)
    shipped = max(a for a in held.logits if a <= alpha and judge.quality(held.logits[a]) >= least)
    own = held.logits[shipped]
    against = {"zero_shot": dict(judge.difference(own, zero_shot))}
    if probe is not None:
        against["linear_probe"] = dict(judge.difference(own, probe))
    adapted = judge.difference(held.logits[1.0], zero_shot)
    change = adapted["difference"] or 0.0
    outcome = KEPT if shipped == alpha else LOWERED
    if shipped == 0 and change < 0:
        outcome = FALLBACK
    return Guard(
        outcome,
        _reason((outcome, what, start), alpha, shipped, change, end),
        alpha,
        shipped,
        len(held.targets),
        dict(adapted),
        against,
        judge.worse_classes(own, zero_shot, class_names),
    )


def _reason(
    words: tuple[str, str, str], alpha: float, shipped: float, adapted: float, end: str
) -> str:
    outcome, what, start = words
    change = f"{100 * adapted:+.1f} points against {start} on {what}"
    if outcome == FALLBACK:
        return (
            f"The {end} is worse than {start} ({change}); the guard goes back to "
            f"alpha 0, which is {start}."
        )
    if outcome == LOWERED:
        return (
            f"At alpha {alpha:g} the model is worse than {start} on {what}; "
            f"the guard goes back to alpha {shipped:g}, the largest that is not."
        )
    if adapted < 0:
        return f"Alone, the {end} is worse ({change}); mixed at alpha {shipped:g}, it is not."
    return f"At alpha {shipped:g} the model is no worse than {start} on {what}."
