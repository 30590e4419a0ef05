"""Where the images of a recipe come from: sources, hold-outs, shifts."""

from dataclasses import dataclass

from adapt.recipe_words import check_choice, listed, refuse

SOURCE_KINDS = ("folder", "table", "embedded")
SOURCE_FIELDS = {
    "folder": {"needs": ("root",), "may": ("root", "split")},
    "table": {"needs": ("path",), "may": ("path", "root", "split")},
    "embedded": {"needs": ("name", "domain"), "may": ("name", "domain", "split")},
}


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
    retention: bool = False
    """For an eval with *other* classes: the text tower names them, before and after, to tell what
    the model has forgotten."""
    classes: str | None = None
    """For a retention set: YAML file with the words of its classes."""

    def __post_init__(self) -> None:
        wrong = check_choice("kind", self.kind, SOURCE_KINDS)
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
        if self.classes is not None and not self.retention:
            wrong.append(
                f"classes - for retention sets only - {self.classes!r} - remove it; data.classes "
                "names the classes of the task"
            )
        if self.shots is not None and self.shots < 1:
            wrong.append(f"shots - out of range - {self.shots} - give 1 or more images per class")
        refuse(wrong)


@dataclass
class Holdout:
    """Validation images set aside from the training images, the same share of every class."""

    from_: str = "train"
    """Where they come from; only `train`. The key in YAML is `from`."""
    fraction: float = 0.2
    """Share of the training images that is set aside."""
    folds: int | None = None
    """Cross-validation in place of a share: choices are made on all training images, each judged
    by a model trained without its fold. Takes `folds` more trainings; for few images."""
    seed: int | None = None
    """Seed of the split, the recipe's when not given. Runs that go into one soup share it."""

    def __post_init__(self) -> None:
        wrong = check_choice("from", self.from_, ("train",))
        if not 0 < self.fraction < 1:
            wrong.append(
                f"fraction - out of range - {self.fraction} - give a share above 0 and below 1"
            )
        if self.folds is not None and not 2 <= self.folds <= 100:
            wrong.append(f"folds - out of range - {self.folds} - give 2 to 100")
        if self.seed is not None and not 0 <= self.seed < 2**32:
            wrong.append(f"seed - out of range - {self.seed} - give 0 to {2**32 - 1}")
        refuse(wrong)

    @property
    def share(self) -> float | None:
        """The share that is set aside: none with folds."""
        return None if self.folds else self.fraction


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
            refuse(["severity - empty - [] - give at least one number from 1 to 5"])
        if any(not 1 <= level <= 5 for level in levels):
            refuse([f"severity - out of range - {self.severity} - give whole numbers from 1 to 5"])
        if len(set(levels)) < len(levels):
            refuse([f"severity - listed twice - {self.severity} - give each number once"])

    @property
    def levels(self) -> list[int]:
        """Severities as a list."""
        return [self.severity] if isinstance(self.severity, int) else list(self.severity)
