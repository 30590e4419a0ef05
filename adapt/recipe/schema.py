"""What a recipe may say: one dataclass per section, its ranges and choices in ``__post_init__``."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from omegaconf import MISSING

from adapt.common.ranges import (
    Range,
    Ranges,
    each,
    fraction,
    matching,
    not_empty,
    one_of,
    or_none,
    some_of,
    within,
)
from adapt.common.typed import FILE, path_to
from adapt.common.words import FILE_NAME, check_choice, is_file_name, listed
from adapt.data.augmentation.policies import POLICIES
from adapt.data.loading.balance import BALANCES
from adapt.data.settings import SEEDS, FromTrain, Holdout, ShiftSettings
from adapt.data.sources.base import Source
from adapt.ensembling.settings import CANDIDATES, CURVES, MIXED, SAMPLED, Ensemble
from adapt.evaluation.settings import (
    Calibration,
    EvaluationSettings,
    Robustness,
    UncertaintySettings,
)
from adapt.methods.settings import FewShot
from adapt.models.settings import TEMPLATE_SETS, ImageTower, Prompts, TextTower
from adapt.training.settings import Runtime

VERSION = 1
TEMPLATE = r"[^{}]*\{\}[^{}]*"
REPORT_FORMATS = ("html", "md")
# Only the bare `{}` may be in a template: `{0.attribute}` would reach into objects.
TEMPLATES = each(
    matching(
        f"{'|'.join(TEMPLATE_SETS)}|{TEMPLATE}",
        f"write a sentence with one {{}} or the name of a set: {listed(TEMPLATE_SETS)}",
        "not a template",
    ),
    least=1,
)
RESERVED_EVALS = ("train", "val", "alpha", "synthetic", "regret")


@dataclass
class ModelSection:
    """Which pretrained CLIP to start from, and the sentences its classes are put in."""

    ranges: ClassVar[Ranges] = Ranges(
        arch=not_empty("give a name"),
        pretrained=not_empty("give a name or a path"),
        templates=TEMPLATES,
        image_size=or_none(within(16, 2048, "pixels"), "that of the weights"),
        negations=or_none(TEMPLATES, "three sentences"),
    )

    arch: str = MISSING
    """Architecture, by its open_clip name; or `timm/NAME`, an image encoder of timm."""
    pretrained: str = MISSING
    """Pretrained weights: an open_clip tag, or the path of a weights file; `random` for none."""
    image_size: int | None = None
    """For `timm/NAME`: side of the images in pixels; that of the weights when not given."""
    text: TextTower | None = None
    """For `timm/NAME`: the text encoder beside it, from a CLIP; without it the model has none."""
    beside: list[ImageTower] = field(default_factory=list)
    """Image encoders of timm for comparison: a linear probe on the frozen features of each, and the
    method if it needs no text encoder, scored on the same images (CLIP's Figure 10)."""
    templates: list[str] = field(default_factory=lambda: ["simple"])
    """Prompts: sentences with one `{}` for the class name, or names of sets of them."""
    negations: list[str] | None = None
    """For several labels per image: sentences with one `{}` that say that a class is absent, such
    as `a photo without a {}.`; three of them when not given."""
    prompts: Prompts = field(default_factory=Prompts)
    """Sentences for each class, and how much each prompt counts."""

    def __post_init__(self) -> None:
        self.ranges.check(self)


@dataclass
class DataSection:
    """Images to learn from. Test images are under `evals`."""

    ranges: ClassVar[Ranges] = Ranges(
        balance=one_of(BALANCES),
        quarantine_limit=fraction(),
        classes=or_none(not_empty("give a path or remove the key"), ""),
        exclude=or_none(not_empty("give a path or remove the key"), ""),
    )

    train: Source = field(default_factory=Source)
    """Training images."""
    val: Holdout | Source = field(default_factory=Holdout)
    """Validation images, on which every choice is made: a part of `train`, or their own source."""
    classes: str | None = path_to(FILE)
    """YAML file with the class names, in order, and what each is called in prompts."""
    exclude: str | None = path_to(FILE)
    """List of images to leave out of every set, as `adapt check --fix` writes it."""
    augmentation: str | list[dict[str, Any]] = "clip"
    """Training augmentation: `none`, `clip`, `standard`, `strong`, `medical`, `aerial`, `document`,
    or a custom list of steps, `{name: TRANSFORM, ARGUMENT: VALUE}`."""
    balance: str = "none"
    """How often training classes are drawn: `none` (as they come), `uniform` (equally often) or
    `sqrt` (by the root of their images)."""
    quarantine_limit: float = 0.01
    """Largest fraction of unreadable images that is set aside; above it the run stops."""

    def __post_init__(self) -> None:
        wrong = []
        if isinstance(self.augmentation, str):
            wrong = check_choice("augmentation", self.augmentation, list(POLICIES))
        self.ranges.check(self, wrong)


@dataclass
class ReportSection:
    """What the run writes for people."""

    ranges: ClassVar[Ranges] = Ranges(formats=some_of(REPORT_FORMATS), curve=one_of(CURVES))

    formats: list[str] = field(default_factory=lambda: list(REPORT_FORMATS))
    """Any of `html`, `md`."""
    curve: str = SAMPLED
    """Points of the weight-space curve: `sampled`, five and those around the choice, evals at five
    points and on at most 400 images; `full`, all of them everywhere; `none`, evals are scored at
    the ends and at the chosen point alone. What ships is always scored on all images."""

    def __post_init__(self) -> None:
        self.ranges.check(self)


@dataclass
class Recipe:
    """A whole run. Load one with :func:`adapt.recipe.load.load_recipe`, which checks all of it."""

    ranges: ClassVar[Ranges] = Ranges(
        name=Range(
            lambda name: name == MISSING or is_file_name(name),
            "use letters, digits, hyphens and underscores, 64 at most",
            "not safe in a file name",
            {"pattern": f"^{FILE_NAME}$", "minimum": 0},
        ),
        seed=SEEDS,
        ship=some_of(CANDIDATES, least=1),
    )

    name: str = MISSING
    """Name of the run; part of its folder's name."""
    version: int = VERSION
    """Version of this format."""
    seed: int = 0
    """Seed of every random choice."""
    model: ModelSection = field(default_factory=ModelSection)
    """Pretrained CLIP."""
    data: DataSection = field(default_factory=DataSection)
    """Training and validation images."""
    method: dict[str, Any] = field(default_factory=dict)
    """How to adapt: `name` and the settings of that method."""
    ensemble: Ensemble = field(default_factory=Ensemble)
    """Averaging with the start."""
    ship: list[str] = field(default_factory=lambda: list(CANDIDATES))
    """Which models may ship beside zero-shot: `mixed` (the chosen point between zero-shot and the
    adapted model), `probe` (that between zero-shot and a linear probe) or both."""
    calibration: Calibration = field(default_factory=Calibration)
    """Confidence calibration."""
    evals: dict[str, Source | ShiftSettings | FromTrain] = field(
        default_factory=lambda: {"test": FromTrain("train")}
    )
    """Named test sets; without the key, `test` is set aside from the training images."""
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    """How scores are stated."""
    robustness: Robustness = field(default_factory=Robustness)
    """Slices and reference models."""
    uncertainty: UncertaintySettings = field(default_factory=UncertaintySettings)
    """Abstention, conformal sets, unknown images."""
    few_shot: FewShot = field(default_factory=FewShot)
    """Accuracy against images per class, over several draws."""
    report: ReportSection = field(default_factory=ReportSection)
    """Reports to write."""
    runtime: Runtime = field(default_factory=Runtime)
    """Device, precision, workers."""

    def __post_init__(self) -> None:
        wrong = []
        if self.version != VERSION:
            todo = "install a newer adapt" if self.version > VERSION else f"write {VERSION}"
            wrong.append(f"version - not known to this adapt - {self.version} - {todo}")
        members = self.ensemble.models
        if isinstance(self.data.val, Holdout) and self.data.val.folds and members.count > 1:
            wrong.append(
                f"ensemble.members - does not go with folds - {members.count} models - hold out a "
                "fraction of the images: a soup is scored on it"
            )
        if members.checkpoints > 1 and self.runtime.strategy == "fsdp":
            wrong.append(
                "ensemble.members - checkpoints do not go with fsdp - "
                f"{members.checkpoints} - set runtime.strategy: no device has the whole weights"
            )
        if MIXED not in self.ship and self.ensemble.kind == "none":
            wrong.append(
                f"ship - there is no mixed probe without mixing - {self.ship} - add {MIXED}, or "
                "remove ensemble.kind=none"
            )
        for name in ("train", "val"):
            if getattr(getattr(self.data, name), "retention", False):
                wrong.append(f"data.{name}.retention - for evals only - true - remove it")
            if getattr(getattr(self.data, name), "for_evals", False):
                wrong.append(f"data.{name}.kind - for evals only - retrieval - choose another")
        self.ranges.check(self, wrong)


@dataclass
class Eval:
    """One test set after expansion: a source, a shift of another eval, or a part of train.

    Raises:
        ValueError: When it is none of them, or several.
    """

    name: str
    """Name in scores and reports."""
    source: Source | None = None
    """Images, for a natural eval."""
    of: str | None = None
    """Eval that is corrupted, for a synthetic one."""
    shift: str | None = None
    """Kind of corruption."""
    severity: int | None = None
    """Its strength, 1 to 5."""
    held_out: float | None = None
    """Fraction of the training images, for a set that is set aside from them."""

    def __post_init__(self) -> None:
        if sum(given is not None for given in (self.source, self.of, self.held_out)) != 1:
            raise ValueError(f"{self.name} - source, of, held_out - not one of them - give one")


def eval_names(name: str, section: Source | ShiftSettings | FromTrain) -> list[str]:
    """Names one entry of `evals` expands to: several only when severities are a list.

    >>> eval_names("blur", ShiftSettings(of="test", shift="gaussian_blur", severity=[1, 3]))
    ['blur_1', 'blur_3']
    """
    if isinstance(section, ShiftSettings) and isinstance(section.severity, list):
        return [f"{name}_{level}" for level in section.severity]
    return [name]


def expand_evals(recipe: Recipe) -> list[Eval]:
    """All test sets of a recipe, in its order; a list of severities gives one eval each."""
    expanded = []
    for key, section in recipe.evals.items():
        names = eval_names(key, section)
        if isinstance(section, Source):
            expanded.append(Eval(key, source=section))
        elif isinstance(section, FromTrain):
            expanded.append(Eval(key, held_out=section.fraction))
        else:
            pairs = zip(names, section.levels, strict=True)
            expanded += [
                Eval(name, None, section.of, section.shift, level) for name, level in pairs
            ]
    return expanded
