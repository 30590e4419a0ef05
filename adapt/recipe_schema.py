"""What a recipe may say: one dataclass per section, its ranges and choices in ``__post_init__``.

Every sentence raised here reads *field - what is wrong - what was given - what to do*; the loader
puts the key path and the line in front. One ``ValueError`` may hold several sentences, one a line.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from adapt.training.settings import Runtime

VERSION = 1
SOURCE_KINDS = ("folder", "table", "embedded")
AUGMENTATIONS = ("none", "clip", "standard", "strong")
TEMPLATE_SETS = ("plain", "simple", "openai")
ENSEMBLES = ("wise_ft", "none")
SELECT_RULES = ("val", "val_one_se")
CALIBRATIONS = ("temperature", "none")
REPORT_FORMATS = ("html", "md")
RESERVED_EVALS = ("train", "val", "alpha")

SOURCE_FIELDS = {
    "folder": {"needs": ("root",), "may": ("root", "split")},
    "table": {"needs": ("path",), "may": ("path", "root", "split")},
    "embedded": {"needs": ("name", "domain"), "may": ("name", "domain", "split")},
}
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
DEVICE_NAMES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)


def is_file_name(text: str) -> bool:
    """Whether a name can be part of a file name on every system.

    >>> is_file_name("blur_3"), is_file_name("../blur"), is_file_name("NUL")
    (True, False, False)
    """
    return bool(FILE_NAME.fullmatch(text)) and not DEVICE_NAMES.fullmatch(text)


def listed(words: Sequence[object]) -> str:
    """Words in one line.

    >>> listed(("html", "md"))
    'html, md'
    """
    return ", ".join(str(word) for word in words)


def _choice(name: str, given: str, known: Sequence[str]) -> list[str]:
    if given in known or given == MISSING:
        return []
    return [f"{name} - not known - {given!r} - choose one of {listed(known)}"]


def _raise(sentences: list[str]) -> None:
    if sentences:
        raise ValueError("\n".join(sentences))


@dataclass
class ModelSection:
    """Which pretrained CLIP to start from, and the sentences its classes are put in."""

    arch: str = MISSING
    """Architecture, by its open_clip name."""
    pretrained: str = MISSING
    """Pretrained weights: an open_clip tag, or the path of a weights file."""
    templates: list[str] = field(default_factory=lambda: ["simple"])
    """Prompts: sentences with one `{}` for the class name, or names of sets of them."""

    def __post_init__(self) -> None:
        wrong = [
            f"{name} - empty - '' - give a name"
            for name in ("arch", "pretrained")
            if not getattr(self, name).strip()
        ]
        if not self.templates:
            wrong.append("templates - empty - [] - give at least one template")
        sets = listed(TEMPLATE_SETS)
        for place, template in enumerate(self.templates):
            # Only the bare `{}` may stand in a template: `{0.attribute}` would reach into objects.
            rest = template.replace("{}", "", 1)
            if template not in TEMPLATE_SETS and (rest == template or set(rest) & set("{}")):
                wrong.append(
                    f"templates[{place}] - not a template - {template!r} - "
                    f"write a sentence with one {{}} or the name of a set: {sets}"
                )
        _raise(wrong)


@dataclass
class Source:
    """Labelled images: a folder of class folders, a table, or data shipped with the package."""

    kind: str
    """`folder` (needs `root`), `table` (needs `path`) or `embedded` (needs `name` and `domain`)."""
    root: str | None = None
    """Folder with one folder of images per class; for a table, where its paths start."""
    path: str | None = None
    """CSV or Parquet table with the columns `path` and `label`."""
    split: str | None = None
    """Part of the source to take, where the source names its parts."""
    name: str | None = None
    """Name of the shipped data set."""
    domain: str | None = None
    """Domain of the shipped data set."""
    shots: int | None = None
    """Images per class to sample; all of them when not given."""

    def __post_init__(self) -> None:
        wrong = _choice("kind", self.kind, SOURCE_KINDS)
        rule = SOURCE_FIELDS.get(self.kind, {"needs": (), "may": ()})
        for name in ("root", "path", "split", "name", "domain"):
            value = getattr(self, name)
            if value is None and name in rule["needs"]:
                wrong.append(f"{name} - missing - nothing - kind {self.kind} needs it")
            elif value == "":
                wrong.append(f"{name} - empty - '' - give a value or remove the key")
            elif value is not None and self.kind in SOURCE_FIELDS and name not in rule["may"]:
                wrong.append(
                    f"{name} - does not go with kind {self.kind} - {value!r} - "
                    f"remove it; kind {self.kind} takes {listed(rule['may'])}"
                )
        if self.shots is not None and self.shots < 1:
            wrong.append(f"shots - out of range - {self.shots} - give 1 or more images per class")
        _raise(wrong)


@dataclass
class Holdout:
    """Validation images set aside from the training images, the same share of every class."""

    from_: str = "train"
    """Where they come from; only `train`. The key in YAML is `from`."""
    fraction: float = 0.2
    """Share of the training images that is set aside."""

    def __post_init__(self) -> None:
        wrong = _choice("from", self.from_, ("train",))
        if not 0 < self.fraction < 1:
            wrong.append(
                f"fraction - out of range - {self.fraction} - give a share above 0 and below 1"
            )
        _raise(wrong)


@dataclass
class Shift:
    """An eval made from another one by a synthetic corruption."""

    of: str
    """Name of the eval whose images are corrupted."""
    shift: str
    """Kind of corruption."""
    severity: int | list[int]
    """Strength from 1 to 5; a list makes one eval per strength."""

    def __post_init__(self) -> None:
        levels = self.levels
        if not levels:
            _raise(["severity - empty - [] - give at least one number from 1 to 5"])
        if any(not 1 <= level <= 5 for level in levels):
            _raise([f"severity - out of range - {self.severity} - give whole numbers from 1 to 5"])
        if len(set(levels)) < len(levels):
            _raise([f"severity - listed twice - {self.severity} - give each number once"])

    @property
    def levels(self) -> list[int]:
        """Severities as a list."""
        return [self.severity] if isinstance(self.severity, int) else list(self.severity)


@dataclass
class DataSection:
    """Images to learn from. Test images stand under `evals`."""

    train: Source = field(default_factory=lambda: Source(kind=MISSING))
    """Training images."""
    val: Holdout | Source = field(default_factory=Holdout)
    """Validation images, on which every choice is made: a part of `train`, or their own source."""
    classes: str | None = None
    """YAML file with the class names, in order, and what each is called in prompts."""
    augmentation: str = "clip"
    """Training augmentation: `none`, `clip`, `standard` or `strong`."""
    quarantine_limit: float = 0.01
    """Largest share of unreadable images that is put aside; above it the run stops."""

    def __post_init__(self) -> None:
        wrong = _choice("augmentation", self.augmentation, AUGMENTATIONS)
        if not 0 <= self.quarantine_limit <= 1:
            wrong.append(
                f"quarantine_limit - out of range - {self.quarantine_limit} - give a share, 0 to 1"
            )
        if self.classes == "":
            wrong.append("classes - empty - '' - give a path or remove the key")
        _raise(wrong)


@dataclass
class Ensemble:
    """Averaging the adapted weights with the weights one started from."""

    kind: str = "wise_ft"
    """`wise_ft` (Wortsman et al. 2022) or `none`."""
    alphas: int = 11
    """Points on the line from the start (alpha 0) to the adapted model (alpha 1)."""
    select: str = "val"
    """Split alpha is chosen on. Only `val`: evals are test data."""
    rule: str = "val"
    """How alpha is chosen on that split: `val` (best accuracy) or `val_one_se` (the smallest alpha
    within one standard error of the best)."""

    def __post_init__(self) -> None:
        wrong = _choice("kind", self.kind, ENSEMBLES) + _choice("rule", self.rule, SELECT_RULES)
        if not 2 <= self.alphas <= 1001:
            wrong.append(f"alphas - out of range - {self.alphas} - give 2 to 1001 points")
        _raise(wrong)


@dataclass
class Calibration:
    """Making confidences honest on the validation images."""

    kind: str = "temperature"
    """`temperature` (Guo et al. 2017) or `none`."""

    def __post_init__(self) -> None:
        _raise(_choice("kind", self.kind, CALIBRATIONS))


@dataclass
class ReportSection:
    """What the run writes for people."""

    formats: list[str] = field(default_factory=lambda: list(REPORT_FORMATS))
    """Any of `html`, `md`."""

    def __post_init__(self) -> None:
        wrong = []
        for place, name in enumerate(self.formats):
            wrong += _choice(f"formats[{place}]", name, REPORT_FORMATS)
        if len(set(self.formats)) < len(self.formats):
            wrong.append(f"formats - listed twice - {self.formats} - give each format once")
        _raise(wrong)


@dataclass
class Recipe:
    """A whole run. Load one with :func:`adapt.recipe.load_recipe`, which checks all of it."""

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
    calibration: Calibration = field(default_factory=Calibration)
    """Confidence calibration."""
    evals: dict[str, Source | Shift] = field(default_factory=dict)
    """Named test sets."""
    report: ReportSection = field(default_factory=ReportSection)
    """Reports to write."""
    runtime: Runtime = field(default_factory=Runtime)
    """Device, precision, workers."""

    def __post_init__(self) -> None:
        wrong = []
        if self.version != VERSION:
            todo = "install a newer adapt" if self.version > VERSION else f"write {VERSION}"
            wrong.append(f"version - not known to this adapt - {self.version} - {todo}")
        if self.name != MISSING and not is_file_name(self.name):
            wrong.append(
                f"name - not safe in a file name - {self.name!r} - "
                "use letters, digits, hyphens and underscores, 64 at most"
            )
        if not 0 <= self.seed < 2**32:
            wrong.append(f"seed - out of range - {self.seed} - give 0 to {2**32 - 1}")
        _raise(wrong)


@dataclass
class Eval:
    """One test set after expansion: either a source, or a shift of another eval.

    Raises:
        ValueError: When it is neither or both.
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

    def __post_init__(self) -> None:
        if (self.source is None) == (self.of is None):
            raise ValueError(f"{self.name} - source or of - both or neither given - give one")


def eval_names(name: str, section: Source | Shift) -> list[str]:
    """Names one entry of `evals` expands to: several only when severities are a list.

    >>> eval_names("blur", Shift(of="test", shift="gaussian_blur", severity=[1, 3]))
    ['blur_1', 'blur_3']
    """
    if isinstance(section, Shift) and isinstance(section.severity, list):
        return [f"{name}_{level}" for level in section.severity]
    return [name]


def expand_evals(recipe: Recipe) -> list[Eval]:
    """All test sets of a recipe, in its order; a list of severities gives one eval each.

    >>> evals = {"test": Source(kind="folder", root="pets"), "blur": Shift("test", "blur", [1, 5])}
    >>> [(one.name, one.severity) for one in expand_evals(Recipe(name="x", evals=evals))]
    [('test', None), ('blur_1', 1), ('blur_5', 5)]
    """
    expanded = []
    for key, section in recipe.evals.items():
        names = eval_names(key, section)
        if isinstance(section, Source):
            expanded.append(Eval(key, source=section))
        else:
            pairs = zip(names, section.levels, strict=True)
            expanded += [
                Eval(name, None, section.of, section.shift, level) for name, level in pairs
            ]
    return expanded
