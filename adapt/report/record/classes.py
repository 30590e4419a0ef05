"""Recall and confusions of the classes on the test set."""

from collections import Counter

from adapt.report.record.read import Row, RunRecord
from adapt.report.record.scores import ZERO_SHOT
from adapt.report.record.values import Interval, interval, number


def class_rows(run: RunRecord) -> dict[str, dict[str, Row]]:
    """Per class, the `per_class.csv` row of zero-shot and of the shipped model on the test set."""
    wanted = {ZERO_SHOT, run.scores.shipped}
    rows: dict[str, dict[str, Row]] = {}
    for row in run.per_class or []:
        if row.get("eval") == run.scores.test and row.get("model") in wanted:
            rows.setdefault(row.get("class", ""), {})[row["model"]] = row
    return rows


def class_bounds(row: Row, ratio: str) -> Interval | None:
    """The 95 % interval of the recall, precision or F1 of a class."""
    return interval([row.get(f"{ratio}_low"), row.get(f"{ratio}_high")])


def class_intervals(run: RunRecord) -> dict[str, Interval]:
    """By class, the interval of the recall of the shipped model, where it is stored."""
    stored = {
        name: class_bounds(rows.get(run.scores.shipped, {}), "recall")
        for name, rows in class_rows(run).items()
    }
    return {name: bounds for name, bounds in stored.items() if bounds is not None}


def class_recalls(run: RunRecord) -> list[tuple[str, int, float, float]]:
    """Class, images, recall of zero-shot and of the shipped model, where both are known."""
    recalls = []
    for name, rows in class_rows(run).items():
        shipped = rows.get(run.scores.shipped, {})
        before = number(rows.get(ZERO_SHOT, {}).get("recall"))
        after, images = number(shipped.get("recall")), number(shipped.get("n"))
        if before is not None and after is not None and images:
            recalls.append((name, int(images), before, after))
    return recalls


def confusion_counts(run: RunRecord) -> Counter[tuple[str, str]]:
    """How many test images of the first class were taken for the second."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in run.confusion or []:
        if row.get("eval") == run.scores.test:
            pair = row.get("true", ""), row.get("predicted", "")
            counts[pair] += int(number(row.get("count")) or 0)
    return +counts


def confused_pairs(run: RunRecord) -> list[tuple[str, str, int]]:
    """True class, predicted class and count of wrong predictions, most frequent first."""
    wrong = [(t, p, n) for (t, p), n in confusion_counts(run).items() if t != p]
    return sorted(wrong, key=lambda pair: (-pair[2], pair[0], pair[1]))
