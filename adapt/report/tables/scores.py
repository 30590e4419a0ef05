"""The tables of the report, as text cells that HTML and Markdown both print."""

from collections.abc import Mapping
from typing import Any

from adapt.report.figures.classes import class_rows, confused_pairs
from adapt.report.record.numbers import (
    SELECTION,
    ZERO_SHOT,
    Interval,
    Scores,
    decimal,
    difference,
    entry,
    evals,
    interval,
    metric,
    model_name,
    models,
    percent,
    points,
    shift_difference,
    shift_mean,
    shifts,
    shipped,
    test,
)
from adapt.report.record.read import Run, mapping, number
from adapt.report.tables.cells import Cell, Table, arrow, span

PAIRS_SHOWN = 20
LADDER_LEGEND = "Interval, then the change to zero-shot in points (▲ / ▼ clear, ○ may be chance)."
ACCURACY_LEGEND = (
    "Under each accuracy its 95 % interval, then the change to zero-shot in points. ▲ / ▼: the "
    "interval of the change excludes zero. ○: it includes zero, or none is stored. For a mean of "
    "shifts that interval is the mean of their bounds, so it is never too narrow."
)
MIXED_LEGEND = (
    " Mixed outputs: the probabilities of zero-shot and adapted model, averaged at the alpha that "
    "ships; for reference, since every image needs both models."
)


def model_heading(scores: Scores, model: str) -> str:
    """The name of a model, marked when it is the one that ships."""
    return model_name(model) + (" (shipped)" if model == shipped(scores) else "")


def ladder_table(scores: Scores) -> Table:
    """Every model on the test set and on the mean of shifts."""
    base = test(scores)
    name = base or "test"
    rows = [
        [
            Cell(model_heading(scores, model), strong=model == shipped(scores)),
            _accuracy_cell(scores, model, name),
            _mean_cell(scores, model),
        ]
        for model in models(scores)
    ]
    header = ["model", f"{name} (in-distribution)", f"mean of shifts ({len(shifts(scores))})"]
    legend = LADDER_LEGEND
    if "output_ensemble" in scores["models"]:
        legend += MIXED_LEGEND
    return Table("Baseline ladder: accuracy", header, rows, legend=legend)


def accuracy_table(scores: Scores) -> Table:
    """Accuracy of every model on every eval, with intervals and changes to zero-shot."""
    shown = models(scores)

    def row(name: str) -> list[Cell]:
        cells = [_accuracy_cell(scores, model, name) for model in shown]
        return [Cell(name, note=eval_note(scores, name)), Cell(_images(scores, name)), *cells]

    rows = [row(name) for name in evals(scores)]
    if shifts(scores):
        note = f"{len(shifts(scores))} evals, each counting once"
        label = Cell("mean of shifts", note, strong=True)
        rows.append([label, Cell(""), *(_mean_cell(scores, model) for model in shown)])
    rows += [row(name) for name in _selection(scores)]
    header = ["eval", "n", *(model_heading(scores, model) for model in shown)]
    return Table("Accuracy", header, rows, legend=ACCURACY_LEGEND)


def balanced_table(scores: Scores) -> Table:
    """Balanced accuracy (mean recall over classes) of every model on every eval."""
    shown = models(scores)
    rows = []
    for name in [*evals(scores), *_selection(scores)]:
        cells = [
            Cell(
                percent(metric(scores, model, name, "balanced_accuracy")),
                note=span(interval(entry(scores, model, name).get("balanced_accuracy_ci"))),
            )
            for model in shown
        ]
        rows.append([Cell(name), *cells])
    header = ["eval", *(model_heading(scores, model) for model in shown)]
    return Table("Balanced accuracy (mean recall over classes)", header, rows)


def calibration_table(scores: Scores) -> Table:
    """Calibration error, negative log-likelihood and Brier score; lower is better."""
    wanted = dict.fromkeys((ZERO_SHOT, "adapted", shipped(scores)))
    shown = [model for model in wanted if model in scores["models"]]
    titles = {"ece": "calibration error", "nll": "log-likelihood loss", "brier": "Brier score"}
    rows = []
    for name in [*evals(scores), *_selection(scores)]:
        cells = [
            Cell(
                decimal(metric(scores, model, name, key)),
                note=_decimals(interval(entry(scores, model, name).get(f"{key}_ci"))),
            )
            for key in titles
            for model in shown
        ]
        rows.append([Cell(name), *cells])
    names = [model_name(m) + (" *" if m == shipped(scores) else "") for m in shown]
    groups = (("", 1), *((title, len(shown)) for title in titles.values()))
    caption = "Calibration, lower is better (* shipped; small: 95 % interval)"
    return Table(caption, ["eval", *names * len(titles)], rows, groups)


def pairs_table(run: Run) -> Table | None:
    """The pairs of classes confused most often on the test set."""
    pairs = confused_pairs(run)[:PAIRS_SHOWN]
    if not pairs:
        return None
    rows = [[Cell(true), Cell(predicted), Cell(str(count))] for true, predicted, count in pairs]
    return Table(
        f"The {len(rows)} most confused pairs", ["true", "predicted as", "images"], rows, words=2
    )


def class_table(run: Run) -> Table | None:
    """Recall, precision and F1 of every class on the test set."""
    rows, model = [], shipped(run.scores)
    for name, found in class_rows(run).items():
        mine, base = found.get(model, {}), found.get(ZERO_SHOT, {})
        before, after = number(base.get("recall")), number(mine.get("recall"))
        change = None if before is None or after is None else after - before
        rows.append(
            [
                Cell(name),
                Cell(mine.get("n") or "n/a"),
                Cell(percent(before)),
                Cell(percent(after)),
                Cell(points(change)),
                Cell(percent(number(mine.get("precision")))),
                Cell(decimal(number(mine.get("f1")))),
            ]
        )
    header = ["class", "n", "recall zero-shot", "recall shipped", "change", "precision", "F1"]
    return Table(f"Every class on {test(run.scores)}", header, rows) if rows else None


def split_table(scores: Scores) -> Table:
    """Images and classes per split and eval."""
    data = scores.get("data", {})
    folds = data.get("folds")
    held = (
        f"selection: the training images, each judged by a model trained without it ({folds} folds)"
        if folds
        else "selection, never trained on"
    )
    rows = [
        [Cell(name), Cell(kind), *_card_cells(card)]
        for name, kind, card in (
            ("train", "training", data.get("train") or {}),
            (SELECTION, held, data.get(SELECTION) or {}),
            *(
                (name, eval_note(scores, name), (data.get("evals") or {}).get(name) or {})
                for name in evals(scores)
            ),
        )
    ]
    header = ["split", "kind", "images", "classes", "smallest class", "largest class"]
    return Table("Images per split", header, rows, words=2)


def count_table(scores: Scores) -> Table | None:
    """Images per class for every split that stores them."""
    data = scores.get("data", {})
    cards = {"train": data.get("train"), SELECTION: data.get(SELECTION), **data.get("evals", {})}
    counts = {name: card["per_class"] for name, card in cards.items() if _has_counts(card)}
    classes = scores.get("classes", [])
    if not counts or not classes:
        return None
    rows = [
        [Cell(str(each)), *(Cell(str(stored.get(each, 0))) for stored in counts.values())]
        for each in classes
    ]
    return Table("Images per class", ["class", *counts], rows)


def eval_note(scores: Scores, name: str) -> str:
    """What kind of test set an eval is."""
    if name == SELECTION:
        return "used for selection, not a test"
    card: Mapping[str, Any] = scores.get("data", {}).get("evals", {}).get(name) or {}
    lacking = mapping(card.get("classes"))
    masked = f", {lacking['present']} of {lacking['of']} classes" if len(lacking) > 1 else ""
    if name == test(scores):
        return f"in-distribution test{masked}"
    if card.get("kind") == "synthetic":
        severity = card.get("severity")
        strength = "" if severity is None else f", severity {severity}"
        return f"synthetic shift: {card.get('shift')}{strength}, of {card.get('of')}{masked}"
    return f"natural shift{masked}"


def _selection(scores: Scores) -> list[str]:
    return [SELECTION] if any(SELECTION in found for found in scores["models"].values()) else []


def _images(scores: Scores, name: str) -> str:
    counts = [metric(scores, model, name, "n") for model in models(scores)]
    known = [count for count in counts if count is not None]
    return f"{known[0]:g}" if known else "n/a"


def _accuracy_cell(scores: Scores, model: str, name: str) -> Cell:
    note = span(interval(entry(scores, model, name).get("accuracy_ci")))
    text = percent(metric(scores, model, name))
    if model in (ZERO_SHOT, "majority") or text == "n/a":
        return Cell(text, note)
    return Cell(text, note, *_change(*difference(scores, model, name)))


def _mean_cell(scores: Scores, model: str) -> Cell:
    text = percent(shift_mean(scores, model))
    if model in (ZERO_SHOT, "majority") or text == "n/a":
        return Cell(text)
    return Cell(text, "", *_change(*shift_difference(scores, model)))


def _change(value: float | None, bounds: Interval | None) -> tuple[str, str]:
    if value is None:
        return "", ""
    sign, tone = arrow(bounds)
    return f"{sign} {points(value)}", tone


def _decimals(bounds: Interval | None) -> str:
    return "" if bounds is None else f"{bounds[0]:.3f}\u2013{bounds[1]:.3f}"


def _has_counts(card: Mapping[str, Any] | None) -> bool:
    return bool(card and card.get("per_class"))


def _card_cells(card: Mapping[str, Any]) -> list[Cell]:
    images = number(card.get("n"))
    counts = [int(count) for count in (card.get("per_class") or {}).values()]
    cells = ["n/a"] * 3
    if counts:
        cells = [str(sum(count > 0 for count in counts)), str(min(counts)), str(max(counts))]
    return [Cell("n/a" if images is None else f"{images:g}"), *map(Cell, cells)]
