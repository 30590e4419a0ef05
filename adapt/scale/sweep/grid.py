"""The runs of a sweep: every combination of values or a draw of them, each with a name."""

import hashlib
import math
import random
import re
from dataclasses import dataclass, field
from typing import Any

from adapt.common.words import plural
from adapt.errors import RecipeError
from adapt.report.record.sweep import short_keys
from adapt.scale.sweep.values import SEED, SweepWords, SweptKey

MOST = 1000
"""Runs of one sweep: each is a process, a folder and a row for somebody to read."""
LONGEST_NAME, LONGEST_VALUE = 80, 24


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep."""

    name: str
    """Of its folder."""
    overrides: tuple[str, ...]
    """What makes it differ from the others."""
    settings: dict[str, Any] = field(compare=False)
    """Values by key, without the seed."""
    seed: int | None = None
    """Where the sweep is over seeds."""


def planned_runs(words: SweepWords, draw: int | None = None, seed: int = 0) -> list[PlannedRun]:
    """All runs, or those of drawn settings; every setting has a run for each seed.

    Args:
        words: Keys and values. The last key changes fastest, and the seed fastest of all.
        draw: How many settings are drawn, none of them twice; all if None. They stay in the order
            of the grid.
        seed: Of the draw.

    Raises:
        RecipeError: When there are too many runs, or fewer settings than are to be drawn.

    >>> from adapt.scale.sweep.values import read_words
    >>> words = read_words(["method.optim.lr=1e-4,1e-3", "seed=0,1"])
    >>> [run.name for run in planned_runs(words)]
    ['lr-1e-4_seed-0', 'lr-1e-4_seed-1', 'lr-1e-3_seed-0', 'lr-1e-3_seed-1']
    """
    keys, seeds = words.settings, words.seeds
    total = math.prod(len(key.texts) for key in keys)
    if draw is not None and not 1 <= draw <= total:
        raise RecipeError(
            f"--random - out of range - given {draw}, and there are {plural(total, 'setting')} - "
            f"give 1 to {total}"
        )
    repeats = len(seeds.texts) if seeds else 1
    runs = (draw or total) * repeats
    if runs > MOST:
        raise RecipeError(
            f"sweep - too many runs - {runs:,} - give fewer values, or draw at most "
            f"{MOST // repeats} settings with --random"
        )
    places = (
        range(total) if draw is None else sorted(random.Random(seed).sample(range(total), draw))
    )
    shown, taken, planned = short_keys([key.key for key in words.swept]), set[str](), []
    for place in places:
        chosen = _setting(keys, place)
        for repeat in range(repeats):
            texts = {key.key: key.texts[at] for key, at in zip(keys, chosen, strict=True)}
            values = {key.key: key.values[at] for key, at in zip(keys, chosen, strict=True)}
            if seeds:
                texts[SEED] = seeds.texts[repeat]
            overrides = tuple(f"{key}={text}" for key, text in texts.items())
            name = _name(shown, texts, taken)
            taken.add(name.casefold())
            planned.append(
                PlannedRun(name, overrides, values, seeds.values[repeat] if seeds else None)
            )
    return planned


def _setting(keys: tuple[SweptKey, ...], place: int) -> list[int]:
    """Which value each key takes at a place of the grid."""
    chosen = []
    for key in reversed(keys):
        place, at = divmod(place, len(key.texts))
        chosen.append(at)
    return chosen[::-1]


def _name(shown: dict[str, str], texts: dict[str, str], taken: set[str]) -> str:
    """A readable name that is safe on every system, and no other run's."""
    parts = [f"{_safe(shown[key])}-{_safe(text)[:LONGEST_VALUE]}" for key, text in texts.items()]
    name = "_".join(parts).strip(".-")
    lossy = any(len(_safe(text)) > LONGEST_VALUE for text in texts.values())
    if len(name) > LONGEST_NAME or lossy or name.casefold() in taken:
        digest = hashlib.sha256(repr(sorted(texts.items())).encode()).hexdigest()[:8]
        name = f"{name[: LONGEST_NAME - 9].rstrip('.-')}_{digest}"
    return name


def _safe(text: str) -> str:
    """Text of letters, digits and `.+-` alone.

    >>> _safe("[1, 2]"), _safe("../a b"), _safe("-0.5")
    ('1-2', 'a-b', '-0.5')
    """
    safe = re.sub(r"[^A-Za-z0-9.+]+", "-", text).strip("-.") or "x"
    return f"-{safe}" if text.startswith("-") and safe[0].isdigit() else safe
