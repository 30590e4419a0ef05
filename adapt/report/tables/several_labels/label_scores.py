"""Tables of a run whose images have several labels: mAP, F1, and the scores of each class."""

from collections.abc import Callable

from adapt.report.record.read import RunRecord
from adapt.report.record.scores import SELECTION, ZERO_SHOT, model_name
from adapt.report.record.values import mapping, number
from adapt.report.record.words import count, decimal, percent, points, span
from adapt.report.tables.cells import Cell, Table, Text, arrow

MAP_LEGEND = (
    "Mean over the classes of the average precision, each with the 95 % interval over resampled "
    "images, then the change from zero-shot in points on the same resampled images. Chance: the "
    "mean frequency of the classes, which is the mAP of a ranking by chance."
)
F1_LEGEND = (
    "Of the labels given with thresholds that were chosen on val by F1; on val each image is "
    "judged by thresholds that other images chose. Micro: over all decisions. Macro: the mean over "
    "the classes that occur. 95 % intervals over resampled images."
)
LIKELIHOOD_LEGEND = (
    "Negative log-likelihood in nats, and squared error, of a yes or no; lower is better."
)
CLASS_LEGEND = (
    "Average precision of zero-shot and of the shipped model, and what the threshold makes of the "
    "latter. A class that no image has cannot be ranked (n/a)."
)


def _splits(run: RunRecord) -> list[str]:
    scored = [name for results in run.scores["models"].values() for name in results]
    return [*run.scores.evals, *([SELECTION] if SELECTION in scored else [])]


def label_table(run: RunRecord) -> Table:
    """Mean average precision of every model on every eval, with changes from zero-shot."""
    scores = run.scores

    def cell(model: str, name: str) -> Cell:
        change, bounds = scores.difference(model, name)
        note = span(scores.bounds(model, name)) or scores.reason(model, name)
        if model in (ZERO_SHOT, "chance") or change is None or bounds is None:
            return Cell(percent(scores.metric(model, name)), note)
        sign, tone = arrow(bounds)
        shown = f"{sign} {points(change)}"
        return Cell(percent(scores.metric(model, name)), note, shown, tone)

    rows = [[Cell(name), *(cell(model, name) for model in scores.models)] for name in _splits(run)]
    return Table("mAP", ["eval", *map(scores.heading, scores.models)], rows, legend=MAP_LEGEND)


def f1_table(run: RunRecord) -> Table:
    """F1 micro and macro of every model on every eval."""
    keys = {"F1 micro": "f1_micro", "F1 macro": "f1_macro"}
    return _of_metrics(run, "F1", keys, F1_LEGEND, percent)


def likelihood_table(run: RunRecord) -> Table:
    """How likely the labels are, and how far off the probabilities."""
    keys = {"log loss": "nll", "Brier": "brier"}
    return _of_metrics(run, "Probabilities", keys, LIKELIHOOD_LEGEND, decimal)


def _of_metrics(
    run: RunRecord, caption: str, keys: dict[str, str], legend: str, shown: Callable[[object], str]
) -> Table:
    scores = run.scores
    models = [model for model in scores.models if model != "chance"]
    rows = []
    for name in _splits(run):
        for title, key in keys.items():
            cells = []
            for model in models:
                bounds = scores.bounds(model, name, key)
                note = "" if bounds is None else f"{shown(bounds[0])} to {shown(bounds[1])}"
                cells.append(Cell(shown(scores.metric(model, name, key)), note))
            rows.append([Cell(name), Cell(title), *cells])
    header = ["eval", "score", *map(scores.heading, models)]
    return Table(caption, header, rows, words=2, legend=legend)


def decision_words(run: RunRecord) -> Text | None:
    """How the shipped model decides."""
    stored = mapping(run.scores.get("decision"))
    temperature, own = number(stored.get("temperature")), number(stored.get("own_thresholds"))
    if temperature is None or own is None:
        return None
    classes = len(run.scores.get("classes", []))
    how = (
        f"{own:g} of {classes} classes have a threshold of their own, the others share one"
        if own
        else "One threshold for all classes was better on images left out than one for each"
    )
    return Text(
        f"The probability of a class is the sigmoid of its logit over {temperature:.3g}, plus an "
        f"offset of the class; both make the labels of val most likely. {how}."
    )


def label_class_table(run: RunRecord) -> Table | None:
    """Average precision of each class, and precision, recall and F1 of the shipped model."""
    name, shipped = run.scores.test or SELECTION, run.scores.shipped
    rows = [row for row in run.per_class or [] if row.get("eval") == name]
    before = {row["class"]: row for row in rows if row.get("model") == ZERO_SHOT}
    cells = [
        [
            Cell(row["class"]),
            Cell(count(_value(row["n"]))),
            Cell(percent(_value(before.get(row["class"], {}).get("average_precision")))),
            *(Cell(percent(_value(row.get(key)))) for key in _COLUMNS),
            Cell(decimal(_value(row.get("threshold")))),
        ]
        for row in rows
        if row.get("model") == shipped
    ]
    header = ["class", "n", "zero-shot AP", "AP", "precision", "recall", "F1", "threshold"]
    caption = f"Classes on {name}, {model_name(shipped)}"
    return Table(caption, header, cells, legend=CLASS_LEGEND) if cells else None


_COLUMNS = ("average_precision", "precision", "recall", "f1")


def _value(text: str | None) -> float | None:
    return number(float(text)) if text else None
