"""The page of the comparison, from the measured cells."""

import itertools
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from bench.few_shot import interval, rows_of
from bench.few_shot_features import BASELINES
from bench.peers import on_images, prediction_sets
from bench.peers.programs import PROGRAMS, Program
from bench.peers.source import Patch


class Key(NamedTuple):
    """A cell: one draw of one set, by a program of theirs or a method of ours."""

    set: str
    shots: int
    seed: int
    by: str


Cell = Mapping[str, float]
Results = dict[Key, Cell]
SUMMARY = ["program", "how it is run", "labels it sees", "method here", "theirs", "ours",
           "ours - theirs", "smallest to largest", "theirs, CPU s", "ours, CPU s"]  # fmt: skip


def sets_of(found: Results) -> list[str]:
    """Sets that were measured."""
    return list(dict.fromkeys(key.set for key in found))


def shots_of(found: Results) -> list[int]:
    """Images of a class that were measured."""
    return sorted({key.shots for key in found})


def pairs(found: Results, theirs: str, ours: str) -> dict[tuple[str, int], list[tuple[Cell, Cell]]]:
    """Cells of both on the same draws, by set and shots; draws that one of them lacks are left out.

    Args:
        found: All cells.
        theirs: Key of a program.
        ours: Name of a method.
    """
    both: dict[tuple[str, int], list[tuple[Cell, Cell]]] = {}
    for key, cell in found.items():
        own = found.get(key._replace(by=ours))
        if key.by == theirs and own is not None:
            both.setdefault((key.set, key.shots), []).append((cell, own))
    return both


def mean(cells: Iterable[Cell], what: str) -> float:
    """Mean of one figure."""
    return statistics.fmean(cell[what] for cell in cells)


def summary_row(found: Results, program: Program) -> list[str]:
    """Accuracy of both over all sets, shots and draws that both have, and the slowest fit."""
    both = pairs(found, program.key, program.method)
    cells = [pair for pairs_here in both.values() for pair in pairs_here]
    theirs, ours = ([pair[i] for pair in cells] for i in range(2))
    differences = [
        mean((own for _, own in here), "accuracy") - mean((other for other, _ in here), "accuracy")
        for here in both.values()
    ]
    shown = [f"{mean(side, 'accuracy'):.2f}" for side in (theirs, ours)]
    gap = statistics.fmean(own["accuracy"] - other["accuracy"] for other, own in cells)
    reach = f"{min(differences):+.2f} to {max(differences):+.2f}"
    seconds = [f"{max(cell['seconds'] for cell in side):.1f}" for side in (theirs, ours)]
    names = [program.name, program.settings, program.sees, program.method]
    return [*names, *shown, f"{gap:+.2f}", reach, *seconds]


def summary(found: Results) -> list[str]:
    """One row for each program that was run."""
    run = {key.by for key in found}
    return rows_of(SUMMARY, [summary_row(found, p) for p in PROGRAMS if p.key in run])


def line(found: Results, name: str, by: str, head: list[str]) -> list[str]:
    """A row of a set: accuracy by shots with its interval over draws, and the slowest fit."""
    cells = []
    for shots in shots_of(found):
        here = [v for k, v in found.items() if (k.set, k.shots, k.by) == (name, shots, by)]
        cells.append(interval([cell["accuracy"] for cell in here]) if here else "")
    slowest = max(v["seconds"] for k, v in found.items() if (k.set, k.by) == (name, by))
    return [*head, *cells, f"{slowest:.1f}"]


def by_set(found: Results, name: str) -> list[str]:
    """Zero-shot, then each method of ours with the programs that stand beside it above it."""
    run = {key.by for key in found if key.set == name}
    rows = [line(found, name, BASELINES[0], ["zero-shot", ""])] if BASELINES[0] in run else []
    for method, group in itertools.groupby(PROGRAMS, lambda program: program.method):
        rows += [
            line(found, name, program.key, [f"{program.name}: {program.settings}", program.sees])
            for program in group
            if program.key in run
        ]
        if method in run:
            rows.append(line(found, name, method, [f"**adapt: {method}**", "the draw"]))
    head = ["program", "labels it sees", *map(str, shots_of(found)), "slowest, CPU s"]
    return rows_of(head, rows)


def versions(commits: Mapping[str, str]) -> list[str]:
    """The clones and their commits."""
    return _words(rows_of(["clone", "commit"], [[name, own] for name, own in commits.items()]))


def changes(patches: Mapping[str, Sequence[Patch]]) -> list[str]:
    """Every change of their files, as it is made while they are imported."""
    rows = [
        [clone, patch.file, f"`{_shown(patch.old)}`", f"`{_shown(patch.new)}`" if patch.new else ""]
        for clone, own in patches.items()
        for patch in own
    ]
    return _words(rows_of(["clone", "file", "text", "read as"], rows))


def _words(lines: list[str]) -> list[str]:
    """A table whose columns are all words."""
    return [line.replace("---:", "---") for line in lines]


def _shown(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")


def document(
    found: Results,
    more: Mapping[str, Any],
    commits: Mapping[str, str],
    patches: Mapping[str, Sequence[Patch]],
    machine: str,
) -> list[str]:
    """Everything below the marker of the page."""
    draws = len({key.seed for key in found})
    told = f"Draws: {draws}. Machine, which other work used too: {machine}; one thread."
    lines = ["", told, "", "## All, mean of both sets"]
    lines += summary(found)
    for name in sets_of(found):
        lines += [f"## {name}", *by_set(found, name)]
    if more["images"]:
        lines += [
            f"## Training on images, {len(more['images'])} seed(s)",
            *on_images.table(more["images"]),
        ]
    if more["sets"]:
        lines += ["## Prediction sets", *prediction_sets.table(more["sets"])]
    lines += ["## Versions", *versions(commits), "## Patches", *changes(patches)]
    return lines[:-1]
