"""What a sweep would take: its runs, their time and their memory; trains nothing."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from adapt.common.progress import time_text, track
from adapt.common.typed import resolve_path
from adapt.common.words import plural
from adapt.recipe.data import build_data
from adapt.recipe.load import Loaded
from adapt.runs.plan import plan as plan_of_run
from adapt.runs.start import classes_of, zero_shot_of
from adapt.scale.settings import RAY
from adapt.scale.sweep.plan import SweepPlan, check_same, make_plan, read_content
from adapt.scale.sweep.results import run_row
from adapt.scale.sweep.run import tasks_of
from adapt.scale.sweep.settings import SweepOptions
from adapt.scale.sweep.task import FINISHED, WAITING, outcome_of
from adapt.scale.sweep.values import SweepWords
from adapt.training.runtime import inference_device, processors

MOST_PLANNED = 24
"""Settings whose memory and steps are computed one by one; of more, so many at even distances."""
SAMPLE = 32
"""Images on which the speed of this machine is measured."""
BACKWARD = 3
"""A training step takes about three forward passes."""
EVAL_PASSES, VAL_PASSES = 3, 8
"""Passes of a run over its test sets (both ends of the curve and the choice) and over val."""
START_SECONDS = 15.0
"""What a process takes to begin, and to save and check its model."""


@dataclass(frozen=True)
class ForecastRun:
    """A run, and how far it is."""

    name: str
    overrides: tuple[str, ...]
    state: str


@dataclass(frozen=True)
class Forecast:
    """What a sweep would take."""

    runs: list[ForecastRun]
    seconds: float
    """Of one run, in the mean."""
    basis: str
    """What that is taken from."""
    memory_gib: float
    """Of the run that needs most."""
    device: str
    at_once: int | None
    engine: str
    planned: int
    """Settings that memory and time were computed for."""
    settings: int

    @property
    def left(self) -> int:
        """Runs that are not finished."""
        return sum(run.state != FINISHED for run in self.runs)

    @property
    def total_seconds(self) -> float:
        """Of what is left; runs that share a machine are not faster together than one by one."""
        return self.seconds * self.left

    def sentences(self) -> list[str]:
        """The same in words."""
        done = len(self.runs) - self.left
        kept = f", {done} of them finished" if done else ""
        planned = "" if self.planned == self.settings else f" (of {self.planned} looked at)"
        together = ""
        if self.engine == RAY:
            count = self.at_once or "as many as it has room for"
            together = f"; Ray runs {count} at once, each with memory of its own"
        elif self.at_once and self.at_once > 1:
            together = (
                f"; {self.at_once} at once need {self.at_once * self.memory_gib:.1f} GiB together, "
                "and share the time of one machine"
            )
        return [
            f"{plural(len(self.runs), 'run')} of {plural(self.settings, 'setting')}{kept}",
            f"time      about {time_text(self.seconds)} a run, {time_text(self.total_seconds)} for "
            f"the {plural(self.left, 'run')} left, one after the other ({self.basis})",
            f"memory    {self.memory_gib:.2f} GiB on {self.device} for the run that needs "
            f"most{planned}{together}",
        ]


def forecast(
    recipe: str,
    photos: str | None,
    words: SweepWords,
    options: SweepOptions,
    out: str | Path | None = None,
) -> Forecast:
    """Plan a sweep, as `adapt plan` does a run.

    Args:
        recipe: Name of a shipped recipe, or path; or photos, for the recipe `one_folder`.
        photos: Folder, table, archive or pattern of shards to train on in place of the recipe's.
        words: Keys and values.
        options: Draw, engine and runs at once.
        out: Folder of the sweep; what has finished there says how long runs take.

    Raises:
        AdaptError: As the sweep would before its first run.
    """
    plan = make_plan(recipe, photos, words, options.random, options.seed)
    folder = None if out is None else resolve_path(out)
    states = _states(plan, folder)
    first_of = list({repr(run.settings): run for run in plan.runs}.values())
    step = max(1, -(-len(first_of) // MOST_PLANNED))
    shown = first_of[::step]
    made = [plan_of_run(plan.load(run)) for run in track(shown, "planning settings")]
    measured = [row["seconds"] for row in _finished(plan, folder) if row["seconds"]]
    if measured:
        seconds, basis = mean(measured), f"measured in {plural(len(measured), 'finished run')}"
    else:
        decode, forward = speed_of(plan.load(plan.runs[0]))
        seconds = mean(run_seconds(content, decode, forward) for content in made)
        pace = 1 / max(forward, decode / processors())
        basis = f"estimated from {pace:,.0f} images a second here, good to a factor of two"
    return Forecast(
        [ForecastRun(run.name, run.overrides, states[run.name]) for run in plan.runs],
        seconds,
        basis,
        max(content["memory_gib"] for content in made),
        made[0]["device"],
        options.at_once,
        options.engine,
        len(made),
        len(first_of),
    )


def _states(plan: SweepPlan, folder: Path | None) -> dict[str, str]:
    before = None if folder is None else read_content(folder)
    if folder is None or before is None:
        return {run.name: WAITING for run in plan.runs}
    check_same(folder, before["plan"], plan)
    return {task.name: outcome_of(task).state for task in tasks_of(plan, folder)}


def _finished(plan: SweepPlan, folder: Path | None) -> list[dict[str, Any]]:
    tasks = [] if folder is None else tasks_of(plan, folder)
    outcomes = [(task, outcome_of(task)) for task in tasks]
    return [run_row(task, end, "accuracy") for task, end in outcomes if end.state == FINISHED]


def speed_of(loaded: Loaded) -> tuple[float, float]:
    """Seconds to decode an image, and to encode one, on this machine.

    Args:
        loaded: Its training images and its model are looked at.
    """
    recipe = loaded.recipe
    data = build_data(recipe)
    device = inference_device(recipe.runtime)
    start = zero_shot_of(recipe, classes_of(recipe, data.fit)).to(device).eval()
    images, own = data.fit.train, start.backbone.preprocessing
    count = min(SAMPLE, len(images))
    began = time.perf_counter()
    pixels = torch.stack([own(images.open(number)) for number in range(count)]).to(device)
    decoded = time.perf_counter()
    with torch.no_grad():
        start.backbone.encode_image(pixels[:2]).cpu()  # to be warm
        middle = time.perf_counter()
        start.backbone.encode_image(pixels).cpu()
    return (decoded - began) / count, (time.perf_counter() - middle) / count


def run_seconds(content: Mapping[str, Any], decode: float, forward: float) -> float:
    """About how long a run takes.

    Args:
        content: Of `adapt.runs.plan.plan`.
        decode: Seconds to decode an image; all processors do so while the model computes.
        forward: Seconds to encode an image.

    >>> plan = {"images": {"train": 100, "val": 10, "test": 20}, "steps": 10,
    ...         "settings": {"method": {"optim": {"batch_size": 50}}}}
    >>> run_seconds(plan, 0.0, 0.01)  # 500 forward and back; 100, 80, 60 forward
    32.4
    """
    images = dict(content["images"])
    optim = content["settings"]["method"].get("optim") or {}
    seen = content["steps"] * min(optim.get("batch_size", 0), images["train"])
    wait = decode / processors()
    train, val = images.pop("train"), images.pop("val")
    passes = train + VAL_PASSES * val + EVAL_PASSES * sum(images.values())
    seconds = START_SECONDS + seen * max(BACKWARD * forward, wait) + passes * max(forward, wait)
    return round(float(seconds), 1)
