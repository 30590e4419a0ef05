"""Settings of hold-outs and of evals that are made by a synthetic shift."""

from dataclasses import dataclass

from adapt.common.typed import FILE, path_to
from adapt.common.words import check_choice, listed, refuse

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
    """How they are found: at random, the same fraction of each class, when not given; `date`: the
    newest, by a `column` of dates; `split`: the rows whose column `split` says `value`; `stored`:
    train and val of an earlier run, from its `file`."""
    fraction: float = 0.2
    """Fraction of the training images that is set aside, at random or by date."""
    folds: int | None = None
    """Cross-validation in place of a fraction: choices are made on all training images, each scored
    by a model trained without its fold. Takes `folds` more trainings; for few images."""
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
                f"fraction - out of range - {self.fraction} - give a fraction above 0 and below 1"
            )
        if self.folds is not None and not 2 <= self.folds <= 100:
            wrong.append(f"folds - out of range - {self.folds} - give 2 to 100")
        if self.seed is not None and not 0 <= self.seed < 2**32:
            wrong.append(f"seed - out of range - {self.seed} - give 0 to {2**32 - 1}")
        if self.value == "train":
            wrong.append("value - val would be train - 'train' - name the rows of val")
        refuse(wrong)

    @property
    def held_out(self) -> float | None:
        """The fraction that is set aside: none with folds, nor where the images are named."""
        return None if self.folds or self.by in ("split", "stored") else self.fraction


@dataclass
class ShiftSettings:
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
