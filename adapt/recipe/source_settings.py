"""Where the images of a recipe come from: sources, hold-outs, shifts."""

from dataclasses import dataclass

from adapt.common.words import check_choice, listed, refuse

SOURCE_FIELDS: dict[str, dict[str, tuple[str, ...]]] = {
    "folder": {"needs": ("root",), "may": ("root", "split")},
    "table": {"needs": ("path",), "may": ("path", "root", "split")},
    "embedded": {"needs": ("name", "domain"), "may": ("name", "domain", "split")},
    "archive": {"needs": ("path",), "may": ("path", "table", "split")},
    "shards": {"needs": ("path",), "may": ("path", "split", "class_list")},
    "huggingface": {"needs": ("path",), "may": ("path", "split", "image", "label")},
    "combined": {"needs": ("parts",), "may": ("parts",)},
}
SOURCE_KINDS = tuple(SOURCE_FIELDS)
NOT_IN_PARTS = ("parts", "shots", "fraction", "group", "retention", "classes")


@dataclass
class Source:
    """Labelled images: a folder of class folders, a table, an archive, several of them, ..."""

    kind: str
    """`folder` (needs `root`), `table`, `archive`, `shards`, `huggingface` (need `path`),
    `embedded` (needs `name` and `domain`) or `combined` (needs `parts`)."""
    root: str | None = None
    """Folder with one folder of images per class; for a table, where its paths start."""
    path: str | None = None
    """CSV or Parquet table with the columns `path` and `label`; zip or tar archive; WebDataset
    shards (`photos-{000..009}.tar`, a folder, one tar); Hugging Face data set on disk."""
    table: str | None = None
    """For an archive: name of the table in it; class folders when not given."""
    class_list: str | None = None
    """For shards: text file of class names in the order of their indices, one a line."""
    image: str | None = None
    """For a Hugging Face data set: column of the images; the only one when not given."""
    label: str | None = None
    """For a Hugging Face data set: column of the labels; `label` when not given."""
    parts: "list[Source] | None" = None
    """For a combined source: the sources whose images it puts together."""
    split: str | None = None
    """Part of the source to take, where the source names its parts."""
    name: str | None = None
    """Name of the shipped data set."""
    domain: str | None = None
    """Domain of the shipped data set."""
    shots: int | None = None
    """Images per class to sample; all of them when not given."""
    fraction: float | None = None
    """Share of each class to sample in place of `shots`, at least one image of each."""
    group: str | None = None
    """Column that names the group of each image; no group is ever split. `group` when not given
    and there."""
    retention: bool = False
    """For an eval with *other* classes: the text encoder names them, before and after, to tell what
    the model has forgotten."""
    classes: str | None = None
    """For a retention set: YAML file with the words of its classes."""

    def __post_init__(self) -> None:
        wrong = check_choice("kind", self.kind, SOURCE_KINDS)
        rule = SOURCE_FIELDS.get(self.kind, {"needs": (), "may": ()})
        for name in dict.fromkeys(key for one in SOURCE_FIELDS.values() for key in one["may"]):
            value = getattr(self, name)
            if value is None and name in rule["needs"]:
                wrong.append(f"{name} - missing - nothing - kind {self.kind} needs it")
            elif value in ("", []):
                wrong.append(f"{name} - empty - {value!r} - give a value or remove the key")
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
        if self.fraction is not None and not 0 < self.fraction <= 1:
            wrong.append(
                f"fraction - out of range - {self.fraction} - give a share above 0, up to 1"
            )
        if self.fraction is not None and self.shots is not None:
            wrong.append(f"fraction - does not go with shots - {self.fraction} - keep one of them")
        if self.group == "":
            wrong.append("group - empty - '' - give the name of a column or remove the key")
        for place, part in enumerate(self.parts or []):
            for name in NOT_IN_PARTS:
                value = getattr(part, name)
                if value not in (None, False):
                    todo = "remove it; it belongs to the combined source"
                    given = "a list" if name == "parts" else repr(value)
                    wrong.append(f"parts[{place}].{name} - not in a part - {given} - {todo}")
        refuse(wrong)


HOLDOUT_KINDS = ("date", "split", "stored")
HOLDOUT_FIELDS: dict[str | None, dict[str, tuple[str, ...]]] = {
    None: {"needs": (), "may": ("fraction", "folds", "seed")},
    "date": {"needs": ("column",), "may": ("column", "fraction")},
    "split": {"needs": ("value",), "may": ("value",)},
    "stored": {"needs": ("file",), "may": ("file", "allow_changes")},
}


@dataclass
class Holdout:
    """Validation images set aside from the training images."""

    from_: str = "train"
    """Where they come from; only `train`. The key in YAML is `from`."""
    by: str | None = None
    """How they are found: at random, the same share of every class, when not given; `date`: the
    newest, by a `column` of dates; `split`: the rows whose column `split` says `value`; `stored`:
    train and val of an earlier run, from its `file`."""
    fraction: float = 0.2
    """Share of the training images that is set aside, at random or by date."""
    folds: int | None = None
    """Cross-validation in place of a share: choices are made on all training images, each judged
    by a model trained without its fold. Takes `folds` more trainings; for few images."""
    seed: int | None = None
    """Seed of the split, the recipe's when not given. Runs that go into one soup share it."""
    column: str | None = None
    """For `date`: column of dates or timestamps (ISO 8601)."""
    value: str | None = None
    """For `split`: what the rows of val say; those of train say `train`, others are left out."""
    file: str | None = None
    """For `stored`: the `split.json` of a run."""
    allow_changes: bool = False
    """For `stored`: go on when images are gone, new or labelled otherwise, and say which."""

    def __post_init__(self) -> None:
        wrong = check_choice("from", self.from_, ("train",))
        wrong += check_choice("by", self.by, HOLDOUT_KINDS) if self.by is not None else []
        rule = HOLDOUT_FIELDS.get(self.by)
        for name in ("folds", "seed", "column", "value", "file", "allow_changes"):
            given = getattr(self, name)
            if given == "":
                wrong.append(f"{name} - empty - '' - give a value or remove the key")
            elif rule and given is None and name in rule["needs"]:
                wrong.append(f"{name} - missing - nothing - by {self.by} needs it")
            elif rule and not (given is None or given is False) and name not in rule["may"]:
                where = f"by {self.by}" if self.by else "a split at random"
                wrong.append(
                    f"{name} - does not go with {where} - {given!r} - "
                    f"remove it; {where} takes {listed(rule['may'])}"
                )
        if not 0 < self.fraction < 1:
            wrong.append(
                f"fraction - out of range - {self.fraction} - give a share above 0 and below 1"
            )
        if self.folds is not None and not 2 <= self.folds <= 100:
            wrong.append(f"folds - out of range - {self.folds} - give 2 to 100")
        if self.seed is not None and not 0 <= self.seed < 2**32:
            wrong.append(f"seed - out of range - {self.seed} - give 0 to {2**32 - 1}")
        if self.value == "train":
            wrong.append("value - val would be train - 'train' - name the rows of val")
        refuse(wrong)

    @property
    def share(self) -> float | None:
        """The share that is set aside: none with folds, nor where the images are named."""
        return None if self.folds or self.by in ("split", "stored") else self.fraction


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
