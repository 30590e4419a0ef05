"""What the comparison of `bench.few_shot` says of the default: three figures.

Whether `auto` is at or above each method on the mean of every number of shots, in how many cells it
is close to the best method, and in how many cells each of them is below zero-shot.
"""

import statistics
from collections.abc import Callable, Sequence

CLOSE = 0.5
"""Points below the best method that still count as close."""
Accuracy = Callable[[str, int, int, str], float | None]
"""Of a set, a number of shots, a draw and a method, in %; None where it was not measured."""


class Comparison:
    """Accuracies of all cells in which every method was measured."""

    def __init__(
        self,
        accuracy: Accuracy,
        names: Sequence[str],
        shots: Sequence[int],
        draws: Sequence[int],
        methods: Sequence[str],
    ) -> None:
        self.methods = list(methods)
        self.cells: dict[tuple[str, int, int], dict[str, float]] = {}
        for name in names:
            for count in shots:
                for draw in draws:
                    own = {m: accuracy(name, count, draw, m) for m in methods}
                    known = {m: value for m, value in own.items() if value is not None}
                    if len(known) == len(own):
                        self.cells[name, count, draw] = known
        self.shots = sorted({key[1] for key in self.cells})

    def lead(self, method: str, rival: str) -> dict[int, float]:
        """Points by which a method is above another, on the mean over cells by shots."""
        return {
            count: statistics.fmean(
                own[method] - own[rival] for key, own in self.cells.items() if key[1] == count
            )
            for count in self.shots
        }

    def close(self, method: str, rivals: Sequence[str]) -> tuple[int, int]:
        """Cells, each draw on its own, in which a method is close to the best; and of how many."""
        near = [own[method] >= max(own[r] for r in rivals) - CLOSE for own in self.cells.values()]
        return sum(near), len(near)

    def close_on_means(self, method: str, rivals: Sequence[str]) -> tuple[int, int]:
        """The same where the accuracies are means over draws first."""
        keys = sorted({key[:2] for key in self.cells})
        near = []
        for key in keys:
            draws = [own for cell, own in self.cells.items() if cell[:2] == key]
            mean = {m: statistics.fmean(own[m] for own in draws) for m in [method, *rivals]}
            near.append(mean[method] >= max(mean[r] for r in rivals) - CLOSE)
        return sum(near), len(near)

    def below(self, method: str, base: str) -> int:
        """Cells in which a method is below another."""
        return sum(own[method] < own[base] for own in self.cells.values())


def share(part: int, whole: int) -> str:
    """Such as `33 of 35 (94 %)`."""
    return f"{part} of {whole} ({100 * part / whole:.0f} %)"


def figures(found: Comparison, default: str, base: str, singles: Sequence[str]) -> list[str]:
    """The three figures, and a table that puts the default beside each method.

    Args:
        found: All cells.
        default: The method that is judged.
        base: Zero-shot.
        singles: Methods that are no mixture and no choice among methods.
    """
    if not found.cells:
        return []
    each, means = found.close(default, singles), found.close_on_means(default, singles)
    rest = [m for m in found.methods if m not in (default, base)]
    least = min(singles, key=lambda m: found.below(m, base))
    leads = {m: found.lead(default, m) for m in rest}
    behind = [
        f"`{m}` ({', '.join(f'{v:+.2f} at {n}' for n, v in own.items() if v < 0)})"
        for m, own in leads.items()
        if m in singles and min(own.values()) < 0
    ]
    lines = [
        f"## `{default}` against every method",
        "",
        f"- Mean of each number of shots: below {'; '.join(behind) or 'no single method'}.",
        f"- Within {CLOSE:g} points of the best single method: {share(*means)} of means over "
        f"draws, {share(*each)} of single draws, where the best is read off the same test images.",
        f"- Below zero-shot: {found.below(default, base)} of {len(found.cells)} cells; "
        f"of the single methods `{least}` has the fewest, {found.below(least, base)}.",
        "",
        "Points by which it is above a method, mean over sets and draws:",
        "",
        f"| method | {' | '.join(map(str, found.shots))} | cells below zero-shot |",
        "| --- |" + " ---: |" * (len(found.shots) + 1),
    ]
    for method, own in leads.items():
        shown = " | ".join(f"{value:+.2f}" for value in own.values())
        lines.append(f"| {method} | {shown} | {found.below(method, base)} |")
    lines.append(
        f"| {default} | {' | '.join([''] * len(found.shots))} | {found.below(default, base)} |"
    )
    return [*lines, ""]
