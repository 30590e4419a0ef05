"""Few-shot programs of others beside the methods of `adapt`, on the same features and draws.

    git clone https://github.com/gaopengcuhk/Tip-Adapter CODE/Tip-Adapter      # and so on
    python -m bench.peers --code CODE --features FEATURES --cells CELLS docs/benchmarks/peers.md

The page names the projects and their commits. Their code is imported from the clones, with the
patches that the page lists; it is never copied. Sets, texts and draws are those of
`bench/few_shot.py`; of the test images eight a class, or half of them where there are fewer, are
set apart as val, for the programs that choose by val. Each measured cell is kept in a file, so the
script can be stopped and goes on; `--programs NAME` runs some, `--page` none.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from adapt.common.files import write_json
from bench.document import rewrite_below
from bench.few_shot_features import BASELINES, scores
from bench.peers import on_images, prediction_sets
from bench.peers.problem import Problem, problems
from bench.peers.programs import CLONES, PATCHES, PROGRAMS, Program
from bench.peers.source import commit
from bench.peers.table import Key, Results, document
from bench.speed.table import machine

SHOTS, DRAWS = (1, 2, 4, 8, 16), 3
METHODS = [*dict.fromkeys(program.method for program in PROGRAMS), BASELINES[0]]
MARKER = "<!-- Below this line: written by python -m bench.peers -->"


def kept(path: Path, measure: Callable[[], Any] | None) -> Any:
    """What a file holds; measured first where it is not there, or None where nothing measures."""
    if not path.is_file():
        if measure is None:
            return None
        write_json(path, measure())
    return json.loads(path.read_text("utf-8"))


def cell_of(run: Callable[[], tuple[float, float]]) -> dict[str, float]:
    """What is kept of a cell."""
    accuracy, seconds = run()
    return {"accuracy": accuracy, "seconds": seconds}


def theirs(program: Program, code: Path, problem: Problem) -> tuple[float, float]:
    """Test accuracy in % and CPU seconds; importing their code is not counted."""
    program.load(code / program.clone)
    began = time.process_time()
    accuracy = program.run(code / program.clone, problem)
    return accuracy, time.process_time() - began


def runs(problem: Problem, code: Path) -> dict[str, Callable[[], tuple[float, float]]]:
    """What gives accuracy and seconds, of each program of theirs and method of ours."""
    ours = {method: partial(scores, method, problem.support, problem.test) for method in METHODS}
    return ours | {
        program.key: partial(theirs, program, code, problem)
        for program in PROGRAMS
        if problem.seed < program.draws
    }


def measured(given: argparse.Namespace) -> Results:
    """Every cell of theirs and ours, measured where asked for and not there."""
    found: Results = {}
    for problem in problems(given.features, given.shots, given.draws):
        place = given.cells / f"{problem.name}-{problem.shots}-{problem.seed}"
        for key, run in runs(problem, given.code).items():
            own = key in METHODS or key.startswith(tuple(given.programs))
            measure = partial(cell_of, run) if own and not given.page else None
            cell = kept(Path(f"{place}-{key}.json"), measure)
            if cell is not None:
                found[Key(problem.name, problem.shots, problem.seed, key)] = cell
        print(problem.name, problem.shots, problem.seed, flush=True)
    return found


def others(given: argparse.Namespace) -> dict[str, Any]:
    """Trainings on images, of each seed, and prediction sets of each set."""
    places = [given.cells / f"images-{seed}.json" for seed in range(max(given.images, DRAWS))]
    runs = [
        partial(on_images.measured, given.code, seed) if seed < given.images else None
        for seed in range(len(places))
    ]
    images = [kept(place, run) for place, run in zip(places, runs, strict=True)]
    drawn = problems(given.features, [1], 1)
    clone = given.code / prediction_sets.CLONE
    sets = [row for problem in drawn for row in prediction_sets.rows(clone, problem)]
    return {"images": [seed for seed in images if seed is not None], "sets": sets}


def main() -> None:
    """Measure what is missing, then write the page and its figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--code", type=Path, required=True, help="folder of the clones")
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--cells", type=Path, required=True, help="folder of what was measured")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--shots", type=int, nargs="*", default=list(SHOTS))
    parser.add_argument("--programs", nargs="*", default=[""], help="beginnings of their keys")
    parser.add_argument("--images", type=int, default=0, help="seeds on images, alone")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    # One image of each class looks like a regression to scikit-learn.
    warnings.filterwarnings("ignore", "The number of unique classes")
    given.cells.mkdir(parents=True, exist_ok=True)
    found = {} if given.images else measured(given)
    more = others(given)
    commits = {name: commit(given.code / name) for name in CLONES}
    cells = [{**key._asdict(), **cell} for key, cell in found.items()]
    figures = {"machine": machine(), "commits": commits, "cells": cells, **more}
    write_json(given.out.with_suffix(".json"), figures)
    rewrite_below(given.out, MARKER, document(found, more, commits, PATCHES, machine()))


if __name__ == "__main__":
    main()
