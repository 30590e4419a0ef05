"""Tables and sentences on few training images per class, and on which method suits them."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from adapt.report.record.few_shot import FewShotRecord, ShotDraws, band, read_few_shot
from adapt.report.record.read import RunRecord
from adapt.report.record.values import mapping, number
from adapt.report.record.words import decimal, enumerated, percent, points, span
from adapt.report.tables.cells import Cell, Table, Text

WORTH_TRAINING, STILL_RISING = 0.9, 0.02
"""Held-out accuracy below which there is something to gain, and the gain from four times the images
that is called rising: rules of thumb, not measured on these images."""
_FITS = "fits"


def shots_table(run: RunRecord) -> Table | None:
    """Accuracy on each eval by training images per class."""
    if run.few_shot is None:
        return None
    few = read_few_shot(run)
    rows = [
        [
            Cell(f"{draws.shots}", note=_row_note(few, draws)),
            *(_accuracy_cell(draws, name, base) for name, base in few.zero_shot.items()),
        ]
        for draws in few.shown
    ]
    zero = [Cell(percent(base)) for base in few.zero_shot.values()]
    legend = "The change is from zero-shot."
    if any(draws.scattered for draws in few.shown):
        legend = "Below each mean its 95 % interval over draws; the change is from zero-shot."
    if any(cell.note.startswith(_FITS) for row in rows for cell in row):
        legend += " Fits: the lowest and the highest of the fits on the same images; their seeds "
        legend += "differ."
    header = ["images per class", *few.zero_shot]
    rows = [[Cell("zero-shot"), *zero], *rows]
    return Table("Accuracy by training images per class", header, rows, legend=legend)


def _row_note(few: FewShotRecord, draws: ShotDraws) -> str:
    notes = []
    if few.lacking(draws.shots):
        notes.append(f"fewer in {few.who_lacks(draws.shots)}")
    if draws.same:
        notes.append(f"the same {len(draws.images[0])} images in every draw")
    elif notes and draws.images and draws.images[0]:
        notes.append(f"{len(draws.images[0])} images per draw")
    return "; ".join(notes)


def _accuracy_cell(draws: ShotDraws, name: str, base: float | None) -> Cell:
    values = draws.accuracies.get(name)
    if not values:
        return Cell("n/a")
    mean, low, high = band(values)
    note = span((low, high)) if draws.scattered else ""
    if draws.same and min(values) < max(values):
        note = f"{_FITS} {span((min(values), max(values)))}"
    return Cell(percent(mean), note=note, change="" if base is None else points(mean - base))


def below_words(run: RunRecord) -> Text | None:
    """How many draws ended below zero-shot, as a sentence; None without any."""
    dropped, stored = read_few_shot(run).dropped, mapping(run.few_shot)
    below = map(mapping, stored.get("below_zero_shot") or [])
    counts = Counter(int(number(draw.get("shots")) or 0) for draw in below)
    shown = [f"{counts[shots]} at {shots} per class" for shots in sorted(counts.keys() - dropped)]
    if not shown:
        return None
    judge = stored.get("judged_on") or "val"
    return Text(f"Draws whose model is below zero-shot on {judge}: {', '.join(shown)}.")


def ranking_table(run: RunRecord) -> Table | None:
    """Methods as `auto` ranked them inside the training images."""
    if run.ranking is None:
        return None
    ranking, images = run.ranking, number(run.ranking.get("images")) or 0
    methods = map(mapping, ranking.get("methods") or [])
    rows = [_method_row(method, images, ranking.get("best")) for method in methods]
    legend = (
        f"Cross-validation inside the training images ({images:.0f}, each held out once); "
        "validation and test images play no part. Behind: points lost to the most accurate method "
        "on the same images, with their standard error. Methods that this does not tell from the "
        "best of so many count as equal and are listed in the order of earlier experience."
        if images
        else "No class has two images, so nothing could be held out: the order is that of earlier "
        "experience."
    )
    header = ["method", "accuracy", "behind", "log loss"]
    return Table("Ranking of the methods", header, rows, legend=legend)


def _method_row(method: Mapping[str, Any], images: float, best: object) -> list[Cell]:
    error, own = number(method.get("error")), number(method.get("images"))
    note = "" if error is None else f"standard error {100 * error:.1f}"
    if own and own < images:
        note += f", dropped after {own:.0f} images"
    behind, doubt = number(method.get("behind")), number(method.get("behind_error"))
    lost = "n/a" if behind is None else f"{100 * behind:.1f} ±{100 * (doubt or 0):.1f}"
    taken = method.get("name") == best
    return [
        Cell(str(method.get("name")) + (" (chosen)" if taken else ""), strong=taken),
        Cell(percent(method.get("accuracy")), note=note),
        Cell(lost),
        Cell(decimal(method.get("loss"))),
    ]


def outlook_words(run: RunRecord) -> Text | None:
    """What more images would give, from the learning curve of the best method."""
    ranking = mapping(run.ranking)
    curve, expected = mapping(ranking.get("curve")), mapping(ranking.get("expected"))
    last = max(curve, key=int, default="")
    now = number(curve.get(last))
    if now is None or not expected:
        return None
    # The curve is by images of the largest class: smaller classes had fewer.
    upto = "" if len(set(run.scores.train_counts)) == 1 else "up to "
    gains = [
        f"{upto}{shots} would give {percent(expected[shots])} "
        f"({points((number(expected[shots]) or 0) - now)})"
        for shots in sorted(expected, key=int)
    ]
    recall = {name: number(value) or 0.0 for name, value in mapping(ranking.get("recall")).items()}
    weakest = sorted(recall, key=lambda name: recall[name])[:3]
    named = enumerated([f"{name} ({percent(recall[name])})" for name in weakest])
    more = number(expected[max(expected, key=int)]) or 0.0
    if more - now >= STILL_RISING:
        advice = "More images are likely worth more than a heavier method."
    elif now < WORTH_TRAINING:
        advice = (
            "Training the encoders (LoRA or full) is worth trying: features alone leave much to "
            "gain, and more images would change little."
        )
    else:
        advice = "There is little left to gain on images like these."
    return Text(
        f"With {upto}{last} images per class, held-out accuracy is {percent(now)}. "
        f"If the curve goes on as it does, {enumerated(gains)}. Classes with the lowest recall: "
        f"{named}. {advice}"
    )
