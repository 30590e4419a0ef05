"""Tables of the scores of every model, of the classes and of the data."""

from collections.abc import Iterable, Mapping
from typing import Any

from adapt.report.record.classes import class_bounds, class_rows, confused_pairs
from adapt.report.record.read import RunRecord
from adapt.report.record.scores import (
    SELECTION,
    ZERO_SHOT,
    ScoreTable,
    mean_of_shifts,
    model_name,
)
from adapt.report.record.values import Interval, mapping, number
from adapt.report.record.words import decimal, enumerated, percent, points, span
from adapt.report.tables.cells import Cell, Table, Text, arrow

PAIRS_SHOWN = 20
LADDER_LEGEND = (
    "Below each accuracy its 95 % interval, then the change from zero-shot in points (▲ / ▼ clear, "
    "○ may be chance)."
)
ACCURACY_LEGEND = (
    "Below each accuracy its 95 % interval, then the change from zero-shot in points. ▲ / ▼: the "
    "interval of the change excludes zero. ○: it includes zero, or none is stored. For a mean of "
    "shifts that interval is the mean of their bounds, so it is never too narrow."
)
AVERAGED_LEGEND = (
    " Averaged outputs: the mean of the probabilities of the zero-shot and the adapted model, "
    "weighted by the alpha of the mixed model. It is for reference only, since every image needs "
    "both models."
)


def ladder_table(run: RunRecord) -> Table:
    """Every model on the test set and on the mean of shifts."""
    scores = run.scores
    name = scores.test or "test"
    rows = [
        [
            Cell(scores.heading(model), strong=model == scores.shipped),
            accuracy_cell(scores, model, name),
            mean_cell(scores, model),
        ]
        for model in scores.models
    ]
    header = ["model", f"{name} (in-distribution)", mean_of_shifts(scores)]
    legend = LADDER_LEGEND.replace("accuracy", scores.measure)
    if "output_ensemble" in scores["models"]:
        legend += AVERAGED_LEGEND
    return Table(f"Baseline ladder: {scores.measure}", header, rows, legend=legend)


def accuracy_table(run: RunRecord) -> Table:
    """Accuracy of every model on every eval, with intervals and changes from zero-shot."""
    scores = run.scores
    shown = scores.models

    def row(name: str) -> list[Cell]:
        cells = [accuracy_cell(scores, model, name) for model in shown]
        return [Cell(name, note=eval_note(scores, name)), Cell(_images(scores, name)), *cells]

    rows = [row(name) for name in scores.evals]
    if len(scores.shifts) > 1:
        note = f"{len(scores.shifts)} evals, each counting once"
        label = Cell("mean of shifts", note, strong=True)
        rows.append([label, Cell(""), *(mean_cell(scores, model) for model in shown)])
    rows += [row(name) for name in _selection(scores)]
    header = ["eval", "n", *map(scores.heading, shown)]
    return Table("Accuracy", header, rows, legend=ACCURACY_LEGEND)


def opened_words(run: RunRecord) -> Text | None:
    """How often the test sets were looked at, as a sentence."""
    counts = {
        str(name): int(number(times) or 0)
        for name, times in mapping(run.scores.get("opened")).items()
    }
    if not counts:
        return None
    again = [f"{name} was opened {count} times" for name, count in counts.items() if count > 1]
    if not again:
        return Text("Every test set was opened once in this run folder.")
    return Text(
        f"{enumerated(again)} in this run folder. Each look that leads to another try makes scores "
        "a little too good: confirm them on images that were never looked at."
    )


def balanced_table(run: RunRecord) -> Table:
    """Balanced accuracy (mean recall over classes) of every model on every eval."""
    scores, key = run.scores, "balanced_accuracy"
    rows = [
        [
            Cell(name),
            *(
                Cell(
                    percent(scores.metric(m, name, key)),
                    span(scores.bounds(m, name, key)) or scores.reason(m, name, key),
                )
                for m in scores.models
            ),
        ]
        for name in [*scores.evals, *_selection(scores)]
    ]
    header = ["eval", *map(scores.heading, scores.models)]
    caption = "Balanced accuracy (mean recall over classes)"
    return Table(caption, header, rows, folded="Balanced accuracy")


def calibration_table(run: RunRecord) -> Table:
    """Calibration error, negative log-likelihood and Brier score; lower is better."""
    scores = run.scores
    wanted = dict.fromkeys((ZERO_SHOT, "adapted", scores.shipped))
    shown = [model for model in wanted if model in scores["models"]]
    titles = {"ece": "calibration error", "nll": "negative log-likelihood", "brier": "Brier score"}
    rows = []
    for name in [*scores.evals, *_selection(scores)]:
        cells = [
            Cell(
                decimal(scores.metric(model, name, key)),
                _decimals(scores.bounds(model, name, key)) or scores.reason(model, name, key),
            )
            for key in titles
            for model in shown
        ]
        rows.append([Cell(name), *cells])
    names = [model_name(m) + (" *" if m == scores.shipped else "") for m in shown]
    groups = (("", 1), *((title, len(shown)) for title in titles.values()))
    caption = "Calibration, lower is better (* shipped; small: 95 % interval)"
    legend = (
        "No interval stands where none covers the truth as often as it says: with fewer than 100 "
        "images, and for the calibration error, which chance can only raise. How much of it chance "
        "explains is under Uncertainty."
    )
    return Table(caption, ["eval", *names * len(titles)], rows, groups, legend=legend)


def pairs_table(run: RunRecord) -> Table | None:
    """The pairs of classes that are confused most often on the test set."""
    rows = [
        [Cell(true), Cell(predicted), Cell(str(count))]
        for true, predicted, count in confused_pairs(run)[:PAIRS_SHOWN]
    ]
    caption = f"The {len(rows)} most confused pairs"
    return Table(caption, ["true", "predicted as", "images"], rows, words=2) if rows else None


def class_table(run: RunRecord) -> Table | None:
    """Recall, precision and F1 of every class on the test set."""
    rows, model = [], run.scores.shipped
    for name, results in class_rows(run).items():
        mine, base = results.get(model, {}), results.get(ZERO_SHOT, {})
        before, after = number(base.get("recall")), number(mine.get("recall"))
        change = None if before is None or after is None else after - before
        f1 = class_bounds(mine, "f1")
        rows.append(
            [
                Cell(name),
                Cell(mine.get("n") or "n/a"),
                Cell(percent(before)),
                Cell(percent(after), span(class_bounds(mine, "recall")) or _why(mine, "recall")),
                Cell(points(change)),
                Cell(
                    percent(mine.get("precision")),
                    span(class_bounds(mine, "precision")) or _why(mine, "precision"),
                ),
                Cell(decimal(mine.get("f1")), _decimals(f1) or _why(mine, "f1")),
            ]
        )
    header = ["class", "n", "recall zero-shot", "recall shipped", "change", "precision", "F1"]
    caption = f"Every class on {run.scores.test}"
    legend = "Small: 95 % intervals. With few images they are wide, and a change may be chance."
    return (
        Table(caption, header, rows, legend=legend, folded="Every class as a table")
        if rows
        else None
    )


def _why(row: Mapping[str, str], ratio: str) -> str:
    """Why a ratio of a class is not defined."""
    if number(row.get(ratio)) is not None:
        return ""
    if ratio != "precision" and not number(row.get("n")):
        return "no image of it"
    return "never predicted"


def split_table(run: RunRecord) -> Table:
    """Images and classes of each split and eval."""
    scores, data = run.scores, mapping(run.scores.get("data"))
    folds = data.get("folds")
    held = (
        "selection: the training images, each judged by a model that was trained without it "
        f"({folds} folds)"
        if folds
        else "selection, never trained on"
    )
    parts: list[tuple[str, str, object]] = [
        ("train", "training", data.get("train")),
        (SELECTION, held, data.get(SELECTION)),
        *((name, eval_note(scores, name), scores.cards.get(name)) for name in scores.evals),
    ]
    rows = [[Cell(name), Cell(kind), *_card_cells(mapping(card))] for name, kind, card in parts]
    header = ["split", "kind", "images", "classes", "smallest class", "largest class"]
    return Table("Images in each split", header, rows, words=2)


def count_table(run: RunRecord) -> Table | None:
    """Images per class for every split that stores them."""
    data, classes = mapping(run.scores.get("data")), run.scores.get("classes", [])
    cards = {name: mapping(data.get(name)) for name in ("train", SELECTION)} | run.scores.cards
    counts = {name: card["per_class"] for name, card in cards.items() if card.get("per_class")}
    if not counts or not classes:
        return None
    rows = [
        [Cell(str(label)), *(Cell(str(stored.get(label, 0))) for stored in counts.values())]
        for label in classes
    ]
    return Table("Images per class", ["class", *counts], rows, folded="Images per class")


def eval_note(scores: ScoreTable, name: str) -> str:
    """What kind of test set an eval is."""
    if name == SELECTION:
        return "used for selection, not a test"
    card = scores.cards.get(name, {})
    lacking = mapping(card.get("classes"))
    masked = f", {lacking['present']} of {lacking['of']} classes" if len(lacking) > 1 else ""
    if name == scores.test:
        return f"in-distribution test{masked}"
    if scores.is_synthetic(name):
        severity = card.get("severity")
        strength = "" if severity is None else f", severity {severity}"
        return f"synthetic shift of {card.get('of')}: {card.get('shift')}{strength}{masked}"
    return f"natural shift{masked}"


def _selection(scores: ScoreTable) -> list[str]:
    scored = any(SELECTION in results for results in scores["models"].values())
    return [SELECTION] if scored else []


def _images(scores: ScoreTable, name: str) -> str:
    counts: Iterable[float | None] = (scores.metric(m, name, "n") for m in scores.models)
    known = next((count for count in counts if count is not None), None)
    return "n/a" if known is None else f"{known:g}"


def accuracy_cell(scores: ScoreTable, model: str, name: str) -> Cell:
    """Accuracy of a model on an eval, its interval, and the change from zero-shot."""
    text = percent(scores.metric(model, name))
    note = span(scores.bounds(model, name)) or scores.reason(model, name)
    return _with_change(model, text, note, scores.difference(model, name))


def mean_cell(scores: ScoreTable, model: str) -> Cell:
    """Mean accuracy of a model over the shifts, and the change from zero-shot."""
    text = percent(scores.shift_mean(model))
    return _with_change(model, text, "", scores.shift_difference(model))


def _with_change(
    model: str, text: str, note: str, difference: tuple[float | None, Interval | None]
) -> Cell:
    value, bounds = difference
    if model in (ZERO_SHOT, "majority", "chance") or text == "n/a" or value is None:
        return Cell(text, note)
    sign, tone = arrow(bounds)
    return Cell(text, note, f"{sign} {points(value)}", tone)


def _decimals(bounds: Interval | None) -> str:
    return "" if bounds is None else f"{bounds[0]:.3f}\u2013{bounds[1]:.3f}"


def _card_cells(card: Mapping[str, Any]) -> list[Cell]:
    images = number(card.get("n"))
    counts = [int(count) for count in (card.get("per_class") or {}).values()]
    cells = ["n/a"] * 3
    if counts:
        cells = [str(sum(count > 0 for count in counts)), str(min(counts)), str(max(counts))]
    return [Cell("n/a" if images is None else f"{images:g}"), *map(Cell, cells)]
