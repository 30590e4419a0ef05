"""The few-shot page: accuracy against images a class, and which method suits."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from scipy.stats import t as student

from adapt.report.figures.labels import LINE_LOOKS, label_ends
from adapt.report.figures.style import (
    BLUE,
    GREEN,
    INK,
    PAPER,
    PURPLE,
    VERMILION,
    Absent,
    Picture,
    new_figure,
    percent_axis,
)
from adapt.report.record.numbers import evals, percent, points, shorten
from adapt.report.record.read import Run, mapping, number
from adapt.report.tables.cells import Cell, Table, Text, in_words

MOST_DRAWN = 5
_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, INK)
_FITS = "fits"
Band = tuple[float, float, float]
"""Mean, and the ends of its 95 % interval."""


@dataclass(frozen=True)
class _Draws:
    """All fits with one number of images a class."""

    shots: int
    accuracies: Mapping[str, Sequence[float]]
    images: Sequence[frozenset[str]]

    @property
    def same(self) -> bool:
        """Whether every draw is the same images, so that no interval over draws exists."""
        return len(self.images) > 1 and len(set(self.images)) == 1 and bool(self.images[0])

    @property
    def scattered(self) -> bool:
        """Whether draws differ, as an interval over them asks for."""
        return len(self.images) > 1 and not self.same


@dataclass(frozen=True)
class _Protocol:
    """What is shown of few_shot.json, and what classes have of images; no counts if unknown."""

    shown: Sequence[_Draws]
    dropped: Sequence[int]
    counts: Sequence[int]
    fewest: int | None

    def lacking(self, shots: int) -> bool:
        """Whether some class has fewer images."""
        return self.fewest is not None and shots > self.fewest

    def who_lacks(self, shots: int) -> str:
        """How many classes have fewer images."""
        short = sum(count < shots for count in self.counts)
        if short == len(self.counts):
            return f"all {short} classes" if short else "some classes"
        return f"{short} of {len(self.counts)} classes"


def shots_curve(run: Run) -> Picture | Absent:
    """Accuracy on each eval against images a class, with bands over the draws."""
    name, title = "shots", "Accuracy against images a class"
    if run.few_shot is None:
        return Absent(name, title, run.reason("few_shot.json"))
    protocol = _protocol(run)
    scored = {each for draws in protocol.shown for each in draws.accuracies}
    drawn = [each for each in _names(run) if each in scored][:MOST_DRAWN]
    if not drawn:
        return Absent(name, title, "few_shot.json holds no scored draw")
    figure = new_figure(7.4, 4.0)
    axes = figure.add_subplot()
    ends, alt = [], ["By training images a class."]
    for each, colour, look in zip(drawn, _COLOURS, LINE_LOOKS, strict=False):
        means = _draw_line(axes, protocol, each, colour, look)
        if (base := _zero_shot(run, each)) is not None:
            axes.axhline(base, color=colour, linewidth=0.8, linestyle=":")
        last = max(means)
        ends.append((last, means[last], shorten(each, 20), colour))
        listed = ", ".join(f"{percent(mean)} with {shots}" for shots, mean in means.items())
        alt.append(f"{each}: {listed}.")
    ticks = [draws.shots for draws in protocol.shown]
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [str(shots) for shots in ticks])
    axes.minorticks_off()
    axes.set_xlabel("training images a class")
    axes.set_ylabel("accuracy")
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0.0), min(high, 1.0))
    percent_axis(axes)
    label_ends(axes, ends, 3.0 * 72)
    caption = _caption(protocol, number(run.few_shot.get("seeds")) or 0)
    return Picture(name, title, " ".join(alt), caption, _reading(protocol), figure)


def _draw_line(
    axes: Axes, protocol: _Protocol, name: str, colour: str, look: Any
) -> dict[int, float]:
    """Draws one eval; the means by number of images a class."""
    found = [draws for draws in protocol.shown if name in draws.accuracies]
    bands = {draws.shots: band(draws.accuracies[name]) for draws in found}
    means, lows, highs = ({shots: one[end] for shots, one in bands.items()} for end in range(3))
    scattered = [draws.scattered for draws in found]
    if sum(scattered) == 1:
        alone = found[scattered.index(True)].shots  # a band of one point has no width
        ends = [lows[alone], highs[alone]]
        axes.plot([alone] * 2, ends, color=colour, linewidth=1, alpha=0.7, marker="_", markersize=9)
    axes.fill_between(
        list(means), list(lows.values()), list(highs.values()), where=scattered,
        color=colour, alpha=0.15, linewidth=0,
    )  # fmt: skip
    axes.plot(list(means), list(means.values()), color=colour, linestyle=look)
    for shots, filled in zip(means, scattered, strict=True):
        axes.plot(
            shots, means[shots], color=colour, marker="o", markersize=5, clip_on=False, zorder=3,
            markerfacecolor=colour if filled else PAPER,
        )  # fmt: skip
    return means


def _caption(protocol: _Protocol, seeds: float) -> str:
    shown, scattered = protocol.shown, sum(draws.scattered for draws in protocol.shown)
    mean = f"Mean of {seeds:.0f} draws of training images"
    reach = f"{'bands' if scattered > 1 else 'bars'} are 95 % intervals of the mean"
    said = [f"{mean}; {reach}." if scattered else f"{mean}.", "Dotted: zero-shot."]
    lacking = [draws.shots for draws in shown if protocol.lacking(draws.shots)]
    if lacking:
        listed = ", ".join(f"{protocol.who_lacks(shots)} at {shots}" for shots in lacking)
        said.append(
            f"Classes with fewer images give all they have: {listed} images a class (the smallest "
            f"class has {protocol.fewest})."
        )
    said += [
        f"Hollow: at {draws.shots} a class every draw is the same {len(draws.images[0])} images, "
        "so there is no interval."
        for draws in shown
        if draws.same
    ]
    if protocol.dropped:
        most = max(protocol.counts, default=shown[-1].shots)
        said.append(
            f"Left out: {in_words([str(shots) for shots in protocol.dropped])} images a class; no "
            f"class has more than {most}, so the same images would be drawn again."
        )
    return " ".join(said)


def _reading(protocol: _Protocol) -> str:
    harm = "Where a line begins below its dotted one, so few images do harm."
    full = [draws.shots for draws in protocol.shown if not protocol.lacking(draws.shots)]
    if len(protocol.shown) == 1:
        return f"one number of images a class shows no trend. {harm}"
    trend = "a line that is still rising at its right end wants more images; a flat one does not."
    if len(full) < len(protocol.shown):
        trend = (
            f"up to {full[-1]} a class, a line that is still rising wants more images and a flat "
            "one does not. Further right not every class has more to give: flat there says nothing."
            if len(full) > 1
            else "a line that is still rising at its right end wants more images; a flat one says "
            "nothing, since not every class has more to give."
        )
    return f"{trend} {harm}"


def shots_table(run: Run) -> Table | None:
    """The numbers of the figure."""
    if run.few_shot is None:
        return None
    protocol, names = _protocol(run), _names(run)
    rows = [
        [
            Cell(f"{draws.shots}", note=_row_note(protocol, draws)),
            *(_accuracy_cell(draws, each, _zero_shot(run, each)) for each in names),
        ]
        for draws in protocol.shown
    ]
    zero = [Cell(percent(_zero_shot(run, each))) for each in names]
    legend = "The change is to zero-shot."
    if any(draws.scattered for draws in protocol.shown):
        legend = "Below each mean its 95 % interval over draws; the change is to zero-shot."
    if any(cell.note.startswith(_FITS) for row in rows for cell in row):
        legend += " Fits: the lowest and the highest of fits on the same images, by their own seed."
    header = ["images a class", *names]
    return Table("Accuracy by images a class", header, [[Cell("zero-shot"), *zero], *rows],
                 legend=legend)  # fmt: skip


def _row_note(protocol: _Protocol, draws: _Draws) -> str:
    said = []
    if protocol.lacking(draws.shots):
        said.append(f"fewer in {protocol.who_lacks(draws.shots)}")
    if draws.same:
        said.append(f"the same {len(draws.images[0])} images in every draw")
    elif said and draws.images and draws.images[0]:
        said.append(f"{len(draws.images[0])} images a draw")
    return "; ".join(said)


def _accuracy_cell(draws: _Draws, name: str, base: float | None) -> Cell:
    values = draws.accuracies.get(name)
    if not values:
        return Cell("n/a")
    mean, low, high = band(values)
    note = f"{100 * low:.1f} to {100 * high:.1f}" if draws.scattered else ""
    if draws.same and min(values) < max(values):
        note = f"{_FITS} {100 * min(values):.1f} to {100 * max(values):.1f}"
    return Cell(percent(mean), note=note, change="" if base is None else points(mean - base))


def below_words(run: Run) -> Text | None:
    """Draws that ended below zero-shot, in words; None without any."""
    dropped = _protocol(run).dropped
    counts: dict[int, int] = {}
    for one in map(mapping, (run.few_shot or {}).get("below_zero_shot") or []):
        shots = int(number(one.get("shots")) or 0)
        if shots not in dropped:
            counts[shots] = counts.get(shots, 0) + 1
    if not counts:
        return None
    listed = ", ".join(f"{count} at {shots} a class" for shots, count in sorted(counts.items()))
    judge = (run.few_shot or {}).get("judged_on") or "val"
    return Text(f"Draws whose model is below zero-shot on {judge}: {listed}.")


def ranking_table(run: Run) -> Table | None:
    """Methods as `auto` ranked them inside the training images."""
    ranking = run.ranking
    if ranking is None:
        return None
    rows = []
    for one in map(mapping, ranking.get("methods") or []):
        accuracy, error = number(one.get("accuracy")), number(one.get("error"))
        loss = number(one.get("loss"))
        note = "" if error is None else f"standard error {100 * error:.1f}"
        behind, doubt = number(one.get("behind")), number(one.get("behind_error"))
        lost = "n/a" if behind is None else f"{100 * behind:.1f} ±{100 * (doubt or 0):.1f}"
        own = number(one.get("images"))
        if own and own < (number(ranking.get("images")) or 0):
            note += f", left the race after {own:.0f}"
        best = one.get("name") == ranking.get("best")
        rows.append(
            [
                Cell(str(one.get("name")) + (" (taken)" if best else ""), strong=best),
                Cell(percent(accuracy), note=note),
                Cell(lost),
                Cell("n/a" if loss is None else f"{loss:.3f}"),
            ]
        )
    images = number(ranking.get("images")) or 0
    legend = (
        f"Cross-validation inside the training images ({images:.0f} held out in turn); no "
        "validation or test image plays a part. Behind: points lost to the most accurate one on "
        "the same images, and their standard error. Those less than two errors behind are level: "
        "they stand in the order of earlier experience."
        if images
        else "No class has two images, so nothing could be held out: the order is that of earlier "
        "experience."
    )
    return Table("Which method", ["method", "accuracy", "behind", "log loss"], rows, legend=legend)


def outlook_words(run: Run) -> Text | None:
    """What more images would give, from the learning curve of the best method."""
    ranking = mapping(run.ranking)
    curve, expected = mapping(ranking.get("curve")), mapping(ranking.get("expected"))
    if not curve or not expected:
        return None
    last = max(curve, key=int)
    now = number(curve[last])
    # The curve is by images of the largest class: smaller ones had fewer.
    upto = "" if len(set(_class_counts(run))) == 1 else "up to "
    gains = [
        f"{upto}{shots} a class would give {percent(number(expected[shots]))} "
        f"({points((number(expected[shots]) or 0) - (now or 0))})"
        for shots in sorted(expected, key=int)
    ]
    recall = {name: number(value) or 0.0 for name, value in mapping(ranking.get("recall")).items()}
    weakest = sorted(recall, key=lambda name: recall[name])[:3]
    named = ", ".join(f"{name} ({percent(recall[name])})" for name in weakest)
    more = number(expected[max(expected, key=int)]) or 0.0
    advice = (
        "Training the encoders (LoRA or full) is worth trying: features alone leave much to gain "
        "and more images move them little."
        if now is not None and now < WORTH_TRAINING and more - now < STILL_RISING
        else "More images are likely worth more than a heavier method."
        if now is not None and more - now >= STILL_RISING
        else "There is little left to gain on images like these."
    )
    return Text(
        f"With {upto}{last} images a class held-out accuracy is {percent(now)}; if the curve goes "
        f"on as it does, {' and '.join(gains)}. Weakest classes: {named}. {advice}"
    )


WORTH_TRAINING, STILL_RISING = 0.9, 0.02
"""Held-out accuracy below which there is something to gain, and the gain from four times the images
that is called rising: rules of thumb, not measured on these images."""


def _names(run: Run) -> list[str]:
    scored = mapping((run.few_shot or {}).get("zero_shot"))
    return [name for name in [*evals(run.scores), "val"] if name in scored]


def _zero_shot(run: Run, name: str) -> float | None:
    return number(mapping((run.few_shot or {}).get("zero_shot")).get(name))


def _protocol(run: Run) -> _Protocol:
    stored = mapping(run.few_shot)
    cells: dict[int, list[Mapping[str, Any]]] = {}
    for cell in map(mapping, stored.get("cells") or []):
        if (shots := number(cell.get("shots"))) is not None:
            cells.setdefault(int(shots), []).append(cell)
    shown: list[_Draws] = []
    dropped: list[int] = []
    for shots, found in sorted(cells.items()):
        draws = _read_draws(shots, found)
        if shown and draws.same and shown[-1].same and draws.images[0] == shown[-1].images[0]:
            dropped.append(shots)
        else:
            shown.append(draws)
    counts, fewest = _class_counts(run), number(stored.get("fewest_images"))
    known = counts if fewest is None or (counts and min(counts) == fewest) else []
    least = fewest if fewest is not None else min(known, default=None)
    return _Protocol(shown, dropped, known, None if least is None else int(least))


def _read_draws(shots: int, cells: Sequence[Mapping[str, Any]]) -> _Draws:
    accuracies: dict[str, list[float]] = {}
    for cell in cells:
        for name, stored in mapping(cell.get("accuracy")).items():
            if (accuracy := number(stored)) is not None:
                accuracies.setdefault(name, []).append(accuracy)
    images = [frozenset(map(str, cell.get("images") or [])) for cell in cells]
    return _Draws(shots, accuracies, images)


def _class_counts(run: Run) -> list[int]:
    """Training images of each class; empty when they are not stored."""
    card = mapping(mapping(run.scores.get("data")).get("train"))
    found = [number(count) for count in mapping(card.get("per_class")).values()]
    return [] if None in found else [int(count or 0) for count in found]


def band(values: Sequence[float]) -> Band:
    """Mean and its 95 % interval by Student's t, cut to what accuracies can be, 0 to 1.

    The interval of one value is itself.

    >>> [round(end, 4) for end in band([0.5, 0.7])], [round(end, 3) for end in band([0.6, 0.61])]
    ([0.6, 0.0, 1.0], [0.605, 0.541, 0.669])
    """
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, mean, mean
    error = statistics.stdev(values) / math.sqrt(len(values))
    reach = float(student.ppf(0.975, len(values) - 1)) * error
    return mean, max(0.0, mean - reach), min(1.0, mean + reach)
