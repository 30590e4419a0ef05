"""The plan of a sweep: checked as a whole before anything runs, and written first."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from adapt import methods
from adapt.common.files import plain
from adapt.common.progress import track
from adapt.common.words import plural
from adapt.errors import RecipeError, RunError
from adapt.recipe.load import Loaded, load
from adapt.runs.folder.resume import MAY_CHANGE, differences
from adapt.scale.sweep.grid import PlannedRun, planned_runs
from adapt.scale.sweep.values import SweepWords

FILE = "sweep.json"
COMPARED = ("keys", "draw")
"""Parts of a plan that are compared as they were given; recipe and photos by what they say."""
FREE = [pattern for pattern in MAY_CHANGE if pattern.startswith(("runtime.", "report."))]
"""Of the keys that may differ when a run goes on, those that may also differ between runs: images
of another place would be taken for the same."""
SHOWN_RUNS = 3
"""Runs that are named for one mistake."""


@dataclass(frozen=True)
class SweepPlan:
    """What is to run."""

    recipe: str
    """Name of a shipped recipe, or path."""
    photos: str | None
    words: SweepWords
    runs: tuple[PlannedRun, ...]
    resolved: Mapping[str, Any]
    """All settings of the first run: what the recipe says shows in them."""
    draw: int | None = None
    """How many settings were drawn; None for the whole grid."""
    seed: int = 0
    """Of the draw."""

    def overrides_of(self, run: PlannedRun) -> list[str]:
        """All overrides of a run, those of every run first."""
        return [*self.words.overrides, *run.overrides]

    def load(self, run: PlannedRun) -> Loaded:
        """The recipe of a run.

        Raises:
            RecipeError: See `adapt.recipe.load.load`.
        """
        return load(self.recipe, self.overrides_of(run), photos=self.photos)

    def to_dict(self) -> dict[str, Any]:
        """What `sweep.json` holds under `plan`."""
        return {
            "recipe": self.recipe,
            "photos": self.photos,
            "overrides": list(self.words.overrides),
            "keys": {key.key: list(key.values) for key in self.words.swept},
            "draw": None if self.draw is None else {"settings": self.draw, "seed": self.seed},
            "runs": [run.name for run in self.runs],
            "resolved": dict(self.resolved),
        }


def make_plan(
    recipe: str,
    photos: str | None,
    words: SweepWords,
    draw: int | None = None,
    seed: int = 0,
) -> SweepPlan:
    """Plan a sweep and load the recipe of every run, so that no mistake is met half way.

    Args:
        recipe: Name of a shipped recipe, or path; or photos, for the recipe `one_folder`.
        photos: Folder, table, archive or pattern of shards that the recipe is to train on.
        words: Keys and values.
        draw: How many settings are drawn from the grid; all if None.
        seed: Of the draw.

    Raises:
        RecipeError: Lists every mistake once, with the runs that it is in.
        DataError: When there are no such photos.
    """
    runs = planned_runs(words, draw, seed)
    first: Loaded | None = None
    mistakes: dict[str, list[str]] = {}
    schemas = methods.schemas()  # takes longer than all recipes
    for run in track(runs, "checking recipes"):
        try:
            loaded = load(recipe, [*words.overrides, *run.overrides], schemas, photos)
            first = first or loaded
        except RecipeError as error:
            for line in _lines(error):
                mistakes.setdefault(line, []).append(run.name)
    if mistakes:
        raise _mistaken(mistakes, len(runs))
    assert first is not None
    return SweepPlan(recipe, photos, words, tuple(runs), first.resolved, draw, seed)


def _lines(error: RecipeError) -> list[str]:
    """The mistakes that a recipe's error lists, without its heading."""
    lines = [line.strip() for line in str(error).splitlines()]
    return lines[1:] if len(lines) > 1 else lines


def _mistaken(mistakes: Mapping[str, list[str]], count: int) -> RecipeError:
    hit = len({name for names in mistakes.values() for name in names})
    lines = []
    for line, names in mistakes.items():
        if len(names) == count:
            where = "in every run"
        else:
            more = f" and {len(names) - SHOWN_RUNS} more" if len(names) > SHOWN_RUNS else ""
            where = f"in {', '.join(names[:SHOWN_RUNS])}{more}"
        lines.append(f"{line} ({where})")
    return RecipeError(
        "\n  ".join(
            [
                f"sweep - {hit} of {plural(count, 'run')} cannot be loaded, so none was started - "
                f"given {plural(len(lines), 'mistake')} - correct what is listed:",
                *lines,
            ]
        )
    )


def read_content(folder: Path) -> dict[str, Any] | None:
    """What `sweep.json` holds; None where there is none.

    Raises:
        RunError: When it cannot be read.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        plan = content["plan"]
        assert isinstance(plan["runs"], list)
        return dict(content)
    except (OSError, ValueError, LookupError, TypeError, AssertionError) as error:
        reason = " ".join(str(error).split()) or "not the file of a sweep"
        raise RunError(
            f"{path} - cannot be read - {reason} - choose another --out; the runs are kept"
        ) from error


def check_same(folder: Path, before: Mapping[str, Any], plan: SweepPlan) -> None:
    """Refuse to mix two sweeps in one folder.

    Args:
        folder: Of the sweep.
        before: The plan that it began with, as `to_dict` wrote it.
        plan: What is to run now.

    Raises:
        RecipeError: Lists all that differs. Where and how fast it is computed, and what is written
            for people, may differ.
    """
    now = plain(plan.to_dict())
    listed = [
        f"{key} was {old}, is {new}"
        for key, old, new in differences(
            {key: before.get(key) for key in COMPARED}, {key: now[key] for key in COMPARED}
        )
    ]
    settings = differences(before.get("resolved", {}), now["resolved"])
    swept = set(now["keys"]) | set(before.get("keys") or {})
    listed += [
        f"{key} was {old}, is {new}"
        for key, old, new in settings
        if key not in swept and not any(fnmatchcase(key, pattern) for pattern in FREE)
    ]
    if not listed and before.get("runs") != now["runs"]:
        listed.append("the names of the runs")
    if listed:
        lines = "\n  ".join(listed)
        raise RecipeError(
            f"{folder} - holds another sweep - {plural(len(listed), 'difference')} - set them "
            f"back, or choose another --out:\n  {lines}"
        )
