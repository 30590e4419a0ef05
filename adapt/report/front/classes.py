"""The worst class, and what was gained and lost, as numbers for the first page."""

from adapt.report.record.classes import class_recalls, confused_pairs
from adapt.report.record.measures import entries
from adapt.report.record.read import RunRecord
from adapt.report.record.ship import ships_zero_shot
from adapt.report.record.values import number
from adapt.report.record.words import percent, shorten

LONGEST = 40
"""Letters of a class name that are shown."""


def worst_class(run: RunRecord) -> tuple[str, int, float, float] | None:
    """The class with the lowest recall on the test set; of several the one with most images.

    Returns:
        Class, images, recall of zero-shot and of the shipped model; None where the run stored none.
        Where images have several labels, the average precision stands for recall.
    """
    recalls = label_precisions(run) if run.scores.several_labels else class_recalls(run)
    return min(recalls, key=lambda row: (row[3], -row[1], row[0]), default=None)


def label_precisions(run: RunRecord) -> list[tuple[str, int, float, float]]:
    """Class, images, average precision of zero-shot and of the shipped model on the test set."""
    own = [row for row in run.per_class or [] if row.get("eval") == run.scores.test]
    before = {row.get("class"): row for row in own if row.get("model") == "zero_shot"}
    rows = []
    for row in own:
        after = number(row.get("average_precision"))
        start = number(before.get(row.get("class"), {}).get("average_precision"))
        images = number(row.get("n"))
        if row.get("model") == run.scores.shipped and after is not None and start is not None:
            rows.append((row.get("class", ""), int(images or 0), start, after))
    return rows


def worst_words(run: RunRecord) -> str:
    """The note below the recall of the worst class: its name, images, change and confusion."""
    worst = worst_class(run)
    if worst is None:
        return ""
    name, images, before, after = worst
    start = "" if ships_zero_shot(run.scores) else f", zero-shot {percent(before)}"
    taken = next((pair for pair in confused_pairs(run) if pair[0] == name), None)
    mixed = f"; {taken[2]} taken for {shorten(taken[1], LONGEST)}" if taken and after < 1 else ""
    many = f"{images} image{'' if images == 1 else 's'}"
    return f"{shorten(name, LONGEST)}, {many}{start}{mixed}"


def gained_and_lost(run: RunRecord, name: str) -> tuple[int, int, int] | None:
    """Images of an eval that only the shipped model has right, that only zero-shot has, and all."""
    entry = entries(run, "flips").get(name, {})
    known = [number(entry.get(key)) for key in ("gained", "lost", "n")]
    if any(value is None for value in known):
        return None
    gained, lost, images = (value or 0.0 for value in known)
    return round(gained * images), round(lost * images), round(images)


def classes_changed(run: RunRecord) -> tuple[int, int, int] | None:
    """Classes whose recall on the test set rose, fell, and stayed; None where it is not stored."""
    recalls = label_precisions(run) if run.scores.several_labels else class_recalls(run)
    if not recalls:
        return None
    up = sum(after > before for _, _, before, after in recalls)
    down = sum(after < before for _, _, before, after in recalls)
    return up, down, len(recalls) - up - down


def changed_words(run: RunRecord) -> str:
    """Gained and lost images on the shifts and classes on the test set, as one note."""
    parts = []
    shifts = [known for name in run.scores.shifts if (known := gained_and_lost(run, name))]
    if shifts:
        gained, lost, images = (sum(values) for values in zip(*shifts, strict=True))
        parts.append(f"on the shifts +{gained:,} \u2212{lost:,} of {images:,}")
    if changed := classes_changed(run):
        parts.append(f"classes: {changed[0]} better, {changed[1]} worse, {changed[2]} the same")
    return "; ".join(parts)
