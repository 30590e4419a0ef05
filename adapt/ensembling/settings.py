"""Settings of averaging the adapted weights with those it started from."""

from dataclasses import dataclass, field
from typing import ClassVar

from adapt.common.ranges import Range, Ranges, fraction, one_of, or_none, within
from adapt.ensembling.rules.base import needs_corruptions, needs_groups, rule_names

ENSEMBLES = ("wise_ft", "none")
CORRUPTIONS = ("gaussian_noise", "defocus_blur", "fog", "contrast", "pixelate", "rotation")
"""One of each family: noise, blur, weather, tone, resolution, geometry."""
SEVERITY = 3
"""Strength of the corruptions, in the middle."""
BATCH_NORMS = ("average", "reestimate")
SOUPS = ("greedy", "uniform", "model_stock", "ties", "dare", "slerp", "fisher", "regmean")
MIXED, PROBE = "mixed", "probe"
FULL, SAMPLED, NONE = "full", "sampled", "none"
CURVES = (FULL, SAMPLED, NONE)
"""How much of the line is visited, and scored on evals."""
CANDIDATES = (MIXED, PROBE)
"""What may ship beside zero-shot: the mixed model and the mixed probe."""
WITHOUT_PROBE = ("linear_probe", "zero_shot")
"""Methods that no linear probe is fitted beside."""
MOST_MEMBERS = 100
TRAININGS = Range(
    lambda given: isinstance(given, Members) or 1 <= given <= MOST_MEMBERS,
    f"give 1 to {MOST_MEMBERS} trainings, or {{seeds: 3}}, {{checkpoints: 4}} or both",
    schema={"minimum": 1, "maximum": MOST_MEMBERS},
)


@dataclass
class Members:
    """Models whose weights are averaged: of several trainings, several of each, or both."""

    ranges: ClassVar[Ranges] = Ranges(
        seeds=within(1, MOST_MEMBERS, "trainings"),
        checkpoints=within(1, MOST_MEMBERS, "checkpoints"),
    )

    seeds: int = 1
    """Trainings, with seeds that follow each other."""
    checkpoints: int = 1
    """Models of each training (SWA, arXiv:1803.05407), the last of which is its result: evenly
    spaced over the last half of the steps where the learning rate falls to zero, over the last
    quarter where it is constant. They cost no training, and room on disk while the run lasts."""

    def __post_init__(self) -> None:
        self.ranges.check(self)

    @property
    def count(self) -> int:
        """How many models there are."""
        return self.seeds * self.checkpoints


@dataclass
class Ensemble:
    """Averaging the adapted weights with the weights one started from."""

    ranges: ClassVar[Ranges] = Ranges(
        kind=one_of(ENSEMBLES),
        alphas=within(2, 1001, "points"),
        rule=one_of(rule_names()),
        alpha=or_none(within(0, 1), "choose by the rule"),
        severity=within(1, 5),
        shallow=fraction(),
        members=TRAININGS,
        soup=one_of(SOUPS),
        batch_norm=one_of(BATCH_NORMS),
    )

    kind: str = "wise_ft"
    """`wise_ft` (Wortsman et al. 2022) or `none`."""
    alphas: int = 11
    """Points on the line from the start (alpha 0) to the adapted model (alpha 1)."""
    select: str = "val"
    """Split alpha is chosen on. Only `val`: evals are test data."""
    rule: str = "likelihood_gain"
    """How alpha is chosen on that split: `likelihood_gain` (the smallest alpha that keeps 90 to
    100 % of the gain in log-likelihood, less of it the more of val zero-shot gets right; why it is
    the default: docs/benchmarks/alpha_rules.md),
    `likelihood` (the most likely), `likelihood_mean` (its mean over resampled images), `val` (best
    accuracy), `val_one_se` (the smallest alpha within one standard error of the best),
    `synthetic_shift` (best mean over val and corruptions of it), `synthetic_one_se` (the smallest
    alpha within one standard error of that), `both_one_se` (the larger of the two), `min_regret`
    (smallest largest loss over these), `worst_group` (best accuracy of the worst group of val;
    needs `groups`) or `fixed` (needs `alpha`)."""
    groups: str = ""
    """Column of the table of training images whose values make groups with the classes, for the
    rule `worst_group`; with another rule, the report says what it would have chosen."""
    alpha: float | None = None
    """The alpha of the rule `fixed`, 0 (zero-shot) to 1 (adapted)."""
    corruptions: list[str] = field(default_factory=lambda: list(CORRUPTIONS))
    """Kinds of corruption of val that are scored along the curve, for a rule that looks at them."""
    severity: int = SEVERITY
    """Strength of these, 1 to 5."""
    shallow: float = 1.0
    """Fraction of its change that the first block of an encoder keeps, as everything outside the
    blocks does, rising to 1 at the last block (LiNeS, arXiv:2410.17146), before alpha is chosen; 1
    is off."""
    batch_norm: str = "average"
    """Statistics of batch norms in averaged weights: `average` them, or `reestimate` them on the
    training images, which costs a pass over these for each alpha; refused without batch norms."""
    members: int | Members = 1
    """Models whose weights are averaged to the adapted model (a soup) before alpha is chosen: a
    number of trainings, with seeds that follow each other, or `seeds` and `checkpoints`."""
    soup: str = "greedy"
    """How: `greedy` (keeps what helps on val), `uniform` (all), `model_stock`, `ties`, `dare`,
    `slerp` (of two members), `fisher` (each weight by how certain each member is of it) or
    `regmean` (linear layers that answer most as the members do). The last two look at training
    images too: at 256 and 1024."""

    def __post_init__(self) -> None:
        wrong = self._wrong_alpha()
        if needs_corruptions(self.rule) and not self.corruptions:
            wrong.append(f"corruptions - empty - [] - the rule {self.rule} needs at least one")
        if needs_groups(self.rule) and not self.groups:
            what = f"groups - missing - the rule {self.rule} looks at groups of val"
            wrong.append(f"{what} - name a column of the table of training images")
        if len(set(self.corruptions)) < len(self.corruptions):
            wrong.append(f"corruptions - listed twice - {self.corruptions} - give each kind once")
        count = self.models.count
        if self.soup == "slerp" and count not in (1, 2):
            wrong.append(f"soup - slerp goes between two models - {count} - set members: 2")
        self.ranges.check(self, wrong)

    @property
    def models(self) -> Members:
        """`members`, where a number of trainings is given too."""
        # A number that is out of range is refused by `ranges`, with the path of this section.
        if isinstance(self.members, Members):
            return self.members
        return Members(seeds=min(max(self.members, 1), MOST_MEMBERS))

    def _wrong_alpha(self) -> list[str]:
        if self.rule == "fixed" and self.alpha is None:
            return ["alpha - missing - nothing - the rule fixed needs it, 0 to 1"]
        if self.rule != "fixed" and self.alpha is not None:
            return [f"alpha - does not go with the rule {self.rule} - {self.alpha} - remove it"]
        return []
