"""What a rule for alpha is and may see, and the table of all of them; nothing here needs torch."""

import inspect
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from adapt.common.registry import Registry
from adapt.errors import RecipeError, did_you_mean

FIXED = "fixed"
"""The rule that takes the alpha it is given, without looking at anything."""


@dataclass(frozen=True)
class Evidence:
    """How every alpha does on validation images: all that a rule may see.

    Raises:
        RecipeError: When there is nothing to choose from.
    """

    accuracy: Mapping[float, float]
    """Accuracy, 0 to 1, on the images as they are."""
    images: int
    """How many images it was measured on."""
    corrupted: Mapping[str, Mapping[float, float]] = field(default_factory=dict)
    """The same on corruptions of the images, by the name of the corruption."""
    synthetic_error: Mapping[float, float] = field(default_factory=dict)
    """Standard error over the images of `synthetic`, at each alpha; for rules that need errors."""
    losses: Mapping[float, Collection[float]] = field(default_factory=dict)
    """Negative log-likelihood of each image in nats (N,), at each alpha, under the temperature that
    makes it smallest there; for rules that look at likelihood."""
    by_group: Mapping[str, Mapping[float, float]] = field(default_factory=dict)
    """Accuracy of each group of the images, by its name and alpha; empty where they have none."""

    def __post_init__(self) -> None:
        if not self.accuracy or self.images < 1:
            raise RecipeError(
                f"ensemble - nothing to choose from - {self.images} images - give val images"
            )

    def synthetic(self, alpha: float) -> float | None:
        """Mean accuracy over the images and each of their corruptions; None without any.

        >>> Evidence({0.0: 0.5}, 10, {"blur": {0.0: 0.3}}).synthetic(0.0)
        0.4
        """
        if not self.corrupted:
            return None
        values = [self.accuracy[alpha], *(kind[alpha] for kind in self.corrupted.values())]
        return math.fsum(values) / len(values)

    def loss(self, alpha: float) -> float:
        """Mean negative log-likelihood at an alpha, in nats.

        >>> Evidence({0.0: 0.5}, 2, losses={0.0: (1.0, 2.0)}).loss(0.0)
        1.5
        """
        values = self.losses[alpha]
        return math.fsum(values) / len(values)

    def worst(self, alpha: float) -> float:
        """Accuracy of the group that is worst at an alpha.

        >>> Evidence({0.0: 0.5}, 2, by_group={"a": {0.0: 1.0}, "b": {0.0: 0.0}}).worst(0.0)
        0.0
        """
        return min(accuracies[alpha] for accuracies in self.by_group.values())

    def regret(self, alpha: float) -> float | None:
        """Largest loss against the best alpha, over the images and each of their corruptions.

        >>> Evidence({0.0: 0.5, 1.0: 0.75}, 10, {"blur": {0.0: 0.5, 1.0: 0.0}}).regret(1.0)
        0.5
        """
        if not self.corrupted:
            return None
        sets = [self.accuracy, *self.corrupted.values()]
        return max(max(values.values()) - values[alpha] for values in sets)


@dataclass(frozen=True)
class Rule:
    """How a rule chooses, and what it needs; see `rule`."""

    choose: Callable[[Evidence], float]
    corruptions: bool
    errors: bool
    losses: bool = False
    groups: bool = False

    @property
    def sentence(self) -> str:
        """What it takes: the first line of its docstring."""
        first = (inspect.getdoc(self.choose) or "").partition("\n")[0]
        return first.rstrip(".").replace("`", "")

    def can_use(self, evidence: Evidence) -> bool:
        """Whether the evidence holds what the rule looks at."""
        return bool(
            (evidence.corrupted or not self.corruptions)
            and (evidence.synthetic_error or not self.errors)
            and (evidence.losses or not self.losses)
            and (evidence.by_group or not self.groups)
        )


RULES = Registry[Rule](
    "rule",
    __package__,
    first=(
        "likelihood_gain",
        "likelihood",
        "likelihood_mean",
        "val",
        "val_one_se",
        "synthetic_shift",
        "synthetic_one_se",
        "both_one_se",
        "min_regret",
        "worst_group",
    ),
)


def rule(
    name: str,
    corruptions: bool = False,
    errors: bool = False,
    losses: bool = False,
    groups: bool = False,
) -> Callable[[Callable[[Evidence], float]], Callable[[Evidence], float]]:
    """Decorator: make a function from evidence to alpha known as `ensemble.rule: NAME`.

    Args:
        name: Its name in recipes and in `curve.json`.
        corruptions: Whether it looks at `Evidence.corrupted`, `synthetic` or `regret`.
        errors: Whether it looks at `Evidence.synthetic_error`.
        losses: Whether it looks at `Evidence.losses`.
        groups: Whether it looks at `Evidence.by_group` or `worst`.
    """

    def add(choose: Callable[[Evidence], float]) -> Callable[[Evidence], float]:
        RULES.register(name, Rule(choose, corruptions, errors, losses, groups))
        return choose

    return add


def rule_names() -> tuple[str, ...]:
    """Every value that `ensemble.rule` may have.

    >>> rule_names()[:2], rule_names()[-1]
    (('likelihood_gain', 'likelihood'), 'fixed')
    """
    return (*RULES.table(), FIXED)


def needs_corruptions(name: str) -> bool:
    """Whether a rule looks at corruptions of val, so that these must be scored.

    >>> needs_corruptions("both_one_se"), needs_corruptions("fixed")
    (True, False)
    """
    known = RULES.table().get(name)
    return known is not None and known.corruptions


def needs_groups(name: str) -> bool:
    """Whether a rule looks at groups of val.

    >>> needs_groups("worst_group"), needs_groups("fixed")
    (True, False)
    """
    known = RULES.table().get(name)
    return known is not None and known.groups


def get_rule(name: str) -> Rule:
    """A rule by name.

    Raises:
        RecipeError: When there is none of that name.
    """
    rules = RULES.table()
    if name not in rules:
        known = rule_names()
        hint = did_you_mean(name, known)
        raise RecipeError(f"ensemble.rule - not known - {name!r}{hint} - use {', '.join(known)}")
    return rules[name]


def smallest_within(values: Mapping[float, float], margin: float = 0.0) -> float:
    """The smallest alpha whose value is at most `margin` below the best.

    >>> smallest_within({0.0: 0.5, 0.5: 0.75, 1.0: 0.8}, 0.1)
    0.5
    """
    best = max(values.values())
    return min(alpha for alpha, value in values.items() if value >= best - margin)


def nearest(alphas: Iterable[float], wanted: float) -> float:
    """The alpha nearest to a number; of two equally near ones the smaller.

    >>> nearest([0.0, 0.5, 1.0], 0.75)
    0.5
    """
    return min(sorted(alphas), key=lambda alpha: abs(alpha - wanted))
