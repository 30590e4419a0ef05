"""What is chosen and made of the trained model: ensembling, calibration, measures, report."""

from dataclasses import dataclass, field

from adapt.common.words import check_choice, refuse
from adapt.recipe.source_settings import Source

ENSEMBLES = ("wise_ft", "none")
SELECT_RULES = ("val", "val_one_se", "synthetic_shift", "synthetic_one_se", "both_one_se",
                "min_regret", "fixed")  # fmt: skip
CORRUPTIONS = ("gaussian_noise", "defocus_blur", "fog", "contrast", "pixelate", "rotation")
SOUPS = ("greedy", "uniform", "model_stock")
CALIBRATIONS = ("temperature", "none")
REPORT_FORMATS = ("html", "md")


@dataclass
class Ensemble:
    """Averaging the adapted weights with the weights one started from."""

    kind: str = "wise_ft"
    """`wise_ft` (Wortsman et al. 2022) or `none`."""
    alphas: int = 11
    """Points on the line from the start (alpha 0) to the adapted model (alpha 1)."""
    select: str = "val"
    """Split alpha is chosen on. Only `val`: evals are test data."""
    rule: str = "both_one_se"
    """How alpha is chosen on that split: `val` (best accuracy), `val_one_se` (the smallest alpha
    within one standard error of the best), `synthetic_shift` (best mean over val and corruptions of
    it), `synthetic_one_se` (the smallest alpha within one standard error of that), `both_one_se`
    (the larger of the two; why it is the default: docs/benchmarks/robust.md), `min_regret`
    (smallest largest loss over these) or `fixed` (needs `alpha`)."""
    alpha: float | None = None
    """The alpha of the rule `fixed`, 0 (zero-shot) to 1 (adapted)."""
    corruptions: list[str] = field(default_factory=lambda: list(CORRUPTIONS))
    """Kinds of corruption of val that are scored along the curve; none saves their time."""
    severity: int = 3
    """Strength of these, 1 to 5."""
    shallow: float = 1.0
    """Share of its change that the first layer of an encoder keeps, rising to 1 at the output
    (LiNeS, arXiv:2410.17146), before alpha is chosen; 1 is off."""
    members: int = 1
    """Trainings, with seeds that follow each other, whose weights are averaged to the adapted
    model (a soup) before alpha is chosen."""
    soup: str = "greedy"
    """How: `greedy` (keeps what helps on val), `uniform` (all) or `model_stock`."""

    def __post_init__(self) -> None:
        wrong = check_choice("kind", self.kind, ENSEMBLES)
        wrong += check_choice("rule", self.rule, SELECT_RULES) + self._wrong_alpha()
        if not 2 <= self.alphas <= 1001:
            wrong.append(f"alphas - out of range - {self.alphas} - give 2 to 1001 points")
        looks = self.rule not in ("val", "val_one_se", "fixed")
        if looks and not self.corruptions:
            wrong.append(f"corruptions - empty - [] - the rule {self.rule} needs at least one")
        wrong += check_choice("soup", self.soup, SOUPS)
        if not 0 <= self.shallow <= 1:
            wrong.append(f"shallow - out of range - {self.shallow} - give a share, 0 to 1")
        if not 1 <= self.members <= 100:
            wrong.append(f"members - out of range - {self.members} - give 1 to 100 trainings")
        if not 1 <= self.severity <= 5:
            wrong.append(f"severity - out of range - {self.severity} - give 1 to 5")
        if len(set(self.corruptions)) < len(self.corruptions):
            wrong.append(f"corruptions - listed twice - {self.corruptions} - give each kind once")
        refuse(wrong)

    def _wrong_alpha(self) -> list[str]:
        if self.rule == "fixed" and self.alpha is None:
            return ["alpha - missing - nothing - the rule fixed needs it, 0 to 1"]
        if self.rule != "fixed" and self.alpha is not None:
            return [f"alpha - does not go with the rule {self.rule} - {self.alpha} - remove it"]
        if self.alpha is not None and not 0 <= self.alpha <= 1:
            return [f"alpha - out of range - {self.alpha} - give 0 (zero-shot) to 1 (adapted)"]
        return []


@dataclass
class Calibration:
    """Making confidences honest on the validation images."""

    kind: str = "temperature"
    """`temperature` (Guo et al. 2017) or `none`."""

    def __post_init__(self) -> None:
        refuse(check_choice("kind", self.kind, CALIBRATIONS))


@dataclass
class Robustness:
    """Measures beside the accuracy of each eval."""

    groups: list[str] = field(default_factory=list)
    """Columns of the tables by whose values evals are sliced; `group` is the column of groups."""
    reference: str | None = None
    """CSV with models to fit the line of effective robustness on: `name,id,<eval>,...`."""

    def __post_init__(self) -> None:
        wrong = [
            f"groups[{place}] - empty - '' - name a column"
            for place, name in enumerate(self.groups)
            if not name.strip()
        ]
        if len(set(self.groups)) < len(self.groups):
            wrong.append(f"groups - listed twice - {self.groups} - give each column once")
        refuse(wrong)


@dataclass
class Uncertainty:
    """What the bundle knows about when not to trust it; all of it fitted on held-out images."""

    coverage: float = 0.9
    """Share of held-out images that is answered; below its confidence the model abstains."""
    level: float = 0.9
    """How often a conformal set shall hold the true class (arXiv:2107.07511)."""
    unknown: Source | None = None
    """Images of none of the classes, to measure how well they are told from known ones."""

    def __post_init__(self) -> None:
        refuse(
            [
                f"{name} - out of range - {value} - give a share above 0 and below 1"
                for name, value in (("coverage", self.coverage), ("level", self.level))
                if not 0 < value < 1
            ]
        )


@dataclass
class FewShot:
    """The few-shot protocol: accuracy against images a class, over several draws of them."""

    shots: list[int] = field(default_factory=list)
    """Training images a class, such as `[1, 2, 4, 8, 16]`; none turns the protocol off."""
    seeds: int = 5
    """Draws of each number, of which mean and 95 % interval are shown."""

    def __post_init__(self) -> None:
        wrong = [
            f"shots[{place}] - out of range - {number} - give 1 or more images a class"
            for place, number in enumerate(self.shots)
            if number < 1
        ]
        if self.shots != sorted(set(self.shots)):
            wrong.append(f"shots - not rising - {self.shots} - give each number once, rising")
        if not 2 <= self.seeds <= 100:
            wrong.append(f"seeds - out of range - {self.seeds} - give 2 to 100 draws")
        refuse(wrong)


@dataclass
class ReportSection:
    """What the run writes for people."""

    formats: list[str] = field(default_factory=lambda: list(REPORT_FORMATS))
    """Any of `html`, `md`."""

    def __post_init__(self) -> None:
        wrong = []
        for place, name in enumerate(self.formats):
            wrong += check_choice(f"formats[{place}]", name, REPORT_FORMATS)
        if len(set(self.formats)) < len(self.formats):
            wrong.append(f"formats - listed twice - {self.formats} - give each format once")
        refuse(wrong)
