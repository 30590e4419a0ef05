"""Settings of hold-outs and of evals that are made by a synthetic shift."""

from dataclasses import dataclass
from typing import ClassVar

from adapt.common.ranges import Range, Ranges, fraction, not_empty, one_of, or_none, within
from adapt.common.typed import FILE, path_to
from adapt.common.words import listed

SEEDS = within(0, 2**32 - 1)
SEVERITIES = Range(
    lambda given: (
        1 <= given <= 5
        if isinstance(given, int)
        else bool(given) and set(given) <= set(range(1, 6)) and len(set(given)) == len(given)
    ),
    "give a whole number from 1 to 5, or a list of some, each once",
    schema={
        "minimum": 1,
        "maximum": 5,
        "minItems": 1,
        "uniqueItems": True,
        "items": {"minimum": 1, "maximum": 5},
    },
)
FOLDS = Range(
    lambda count: count in (None, "auto") or (isinstance(count, int) and 2 <= count <= 100),
    "give 2 to 100, or auto",
    schema={"enum": [None, "auto", *range(2, 101)]},
)
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

    ranges: ClassVar[Ranges] = Ranges(
        from_=one_of(["train"]),
        by=or_none(one_of(HOLDOUT_KINDS)),
        fraction=fraction(zero=False, one=False),
        folds=FOLDS,
        seed=or_none(SEEDS, "the recipe's"),
        **dict.fromkeys(("column", "value", "file"), or_none(not_empty(), "")),
    )

    from_: str = "train"
    """Where they come from; only `train`. The key in YAML is `from`."""
    by: str | None = None
    """How they are found: at random, the same fraction of each class, when not given; `date`: the
    newest, by a `column` of dates; `split`: the rows whose column `split` says `value`; `stored`:
    train and val of an earlier run, from its `file`."""
    fraction: float = 0.2
    """Fraction of the training images that is set aside, at random or by date."""
    folds: int | str | None = None
    """Cross-validation in place of a fraction: choices are made on all training images, each scored
    by a model trained without its fold. Takes `folds` more trainings; for few images. `auto`: five
    where a fifth of the images would be fewer than 50, or than five per class; that fifth else."""
    seed: int | None = None
    """Seed of the split, the recipe's when not given. Runs of one soup have the same."""
    column: str | None = None
    """For `date`: column of dates or timestamps (ISO 8601)."""
    value: str | None = None
    """For `split`: what the rows of val say; those of train say `train`, others are left out."""
    file: str | None = path_to(FILE)
    """For `stored`: the `split.json` of a run."""
    allow_changes: bool = False
    """For `stored`: go on when images are gone, new or with another label, and say which."""

    def __post_init__(self) -> None:
        wrong, unused = [], (None, "", False)  # by identity: a seed of 0 is used
        rule = HOLDOUT_FIELDS.get(self.by)
        may = rule["may"] if rule else ()
        for name in ("folds", "seed", "column", "value", "file", "allow_changes"):
            given = getattr(self, name)
            if rule and given is None and name in rule["needs"]:
                wrong.append(f"{name} - missing - nothing - by {self.by} needs it")
            elif rule and not any(given is nothing for nothing in unused) and name not in may:
                where = f"by {self.by}" if self.by else "a split at random"
                wrong.append(
                    f"{name} - does not go with {where} - {given!r} - "
                    f"remove it; {where} takes {listed(rule['may'])}"
                )
        if self.value == "train":
            wrong.append("value - val would be train - 'train' - name the rows of val")
        self.ranges.check(self, wrong)

    @property
    def held_out(self) -> float | None:
        """The fraction that is set aside: none with folds, nor where the images are named."""
        if self.folds == "auto":
            return None
        return None if self.folds or self.by in ("split", "stored") else self.fraction


@dataclass
class FromTrain:
    """A test set that is set aside from the training images, by their content alone.

    The same images are set aside for every seed and number of shots, each class (and whole groups)
    in proportion. Where that is fewer than one image per class, nothing is set aside, which the
    notes say.
    """

    ranges: ClassVar[Ranges] = Ranges(
        from_=one_of(["train"]), fraction=fraction(zero=False, one=False)
    )

    from_: str
    """Where they come from; only `train`. The key in YAML is `from`."""
    fraction: float = 0.2
    """Fraction of the images that is set aside."""

    def __post_init__(self) -> None:
        self.ranges.check(self)


@dataclass
class ShiftSettings:
    """An eval made from another one by a synthetic corruption."""

    ranges: ClassVar[Ranges] = Ranges(severity=SEVERITIES)

    of: str
    """Name of the eval whose images are corrupted."""
    shift: str
    """Kind of corruption."""
    severity: int | list[int]
    """Strength from 1 to 5; a list makes one eval per strength."""

    def __post_init__(self) -> None:
        self.ranges.check(self)

    @property
    def levels(self) -> list[int]:
        """Severities as a list."""
        return [self.severity] if isinstance(self.severity, int) else list(self.severity)
