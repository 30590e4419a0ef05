"""What the page, the comment and the terminal say where images have several labels."""

from collections.abc import Mapping, Sequence
from typing import Any

from adapt.common.words import plural
from adapt.report.comparison.verdict import main_set
from adapt.report.record.scores import over
from adapt.report.record.values import interval, mapping
from adapt.report.record.words import enumerated, percent, points, signed_span, span
from adapt.report.tables.cells import Cell, Table, arrow, difference_cell

Content = Mapping[str, Any]
MEASURE = "mAP"
ROWS = 60
"""Rows of the table of classes in the page; `diff.json` holds all."""
SETS_LEGEND = (
    "mAP: mean over the classes of the average precision; F1 micro over all decisions, macro the "
    "mean over the classes. Below each its 95 % interval, over resampled images, the same for both "
    "models. ▲ / ▼: the interval of the difference leaves zero out. Better and worse: images on "
    "which B decides on more labels rightly than A, or on fewer."
)
CLASSES_LEGEND = (
    "Average precision of the ranking of all images by each class, with 95 % intervals over "
    "resampled images; classes that lost most come first. Fixed and broken: yes or no of an image "
    "that A has wrong and B right, and the other way round; p: McNemar's exact test of these, "
    "adjusted for the number of classes (Holm)."
)


def tone(row: Content) -> str:
    """Whether B is clearly better or worse by an interval.

    >>> tone({"ci": [0.01, 0.02]}), tone({"ci": [-0.1, 0.1]})
    ('better', 'unclear')
    """
    return arrow(interval(row["ci"]))[1]


def headline(content: Content) -> str:
    """Which model is better on the test set, in a few words."""
    own = tone(main_set(content)[MEASURE])
    return "No clear difference between A and B" if own == "unclear" else f"B is {own} than A"


def verdict(content: Content) -> list[str]:
    """What a comparison says, most important first.

    Args:
        content: `diff.json` of two models that give several labels per image.

    Returns:
        The result on the test set, on the shifts, and classes that clearly changed.
    """
    own = main_set(content)
    change, images = own[MEASURE], own["images"]
    changed = images["fixed"] + images["broken"] + images["changed"]
    sentences = [
        f"{headline(content)}: mAP {points(change['difference'])} points on {content['main']} "
        f"(95 % interval {signed_span(interval(change['ci']))}). Other labels on "
        f"{plural(changed, 'image')} of {images['n']:,}: B decides on more of them rightly on "
        f"{images['fixed']:,}, on fewer on {images['broken']:,}."
    ]
    mean = mapping(content.get("shift_mean"))
    if mean:
        names = [name for name in content["sets"] if name != content["main"]]
        ends = interval(mean["ci"])
        doubt = " It may be chance." if ends and ends[0] <= 0 <= ends[1] else ""
        shown = f"{points(mean['difference'])} points ({signed_span(ends)})"
        sentences.append(f"mAP on {over(names)}: {shown}.{doubt}")
    return sentences + _changed(own["per_class"])


def _changed(rows: Sequence[Content]) -> list[str]:
    """Classes whose decisions changed more than chance explains."""
    sentences = []
    for word, sign in (("worse", -1), ("better", 1)):
        names = [
            f"{row['name']} ({row['fixed']:,} fixed, {row['broken']:,} broken)"
            for row in rows[::sign]
            if row["p_holm"] < 0.05 and sign * (row["fixed"] - row["broken"]) > 0
        ]
        if names:
            sentences.append(f"Decisions clearly {word}: {enumerated(names)}.")
    return sentences


def sets_table(content: Content) -> Table:
    """MAP and F1 of both models on every set."""
    rows = []
    for name, own in content["sets"].items():
        images, change = own["images"], own[MEASURE]
        rows.append(
            [
                Cell(name, strong=name == content["main"]),
                Cell(f"{images['n']:,}", plural(own["labels"], "label")),
                *(Cell(percent(change[side]), _ends(change, side)) for side in ("a", "b")),
                difference_cell(change),
                *(difference_cell(own[key]) for key in ("f1_micro", "f1_macro")),
                Cell(f"{images['fixed']:,} / {images['broken']:,}"),
            ]
        )
    header = ["set", "images", "A", "B", "B - A, points"]
    header += ["F1 micro, B - A", "F1 macro, B - A", "better / worse"]
    return Table("mAP on the same images", header, rows, legend=SETS_LEGEND)


def _ends(row: Content, side: str) -> str:
    return span(interval(row[f"{side}_ci"]))


def classes_table(content: Content) -> Table:
    """Average precision and decisions of both models for each class of the test set."""
    given = main_set(content)["per_class"]
    half = ROWS // 2
    shown = given if len(given) <= ROWS else [*given[:half], *given[-half:]]
    rows = [
        [
            Cell(str(row["name"])),
            Cell(f"{row['n']:,}"),
            *(Cell(percent(row[side])) for side in ("a", "b")),
            difference_cell(row),
            Cell(f"{row['fixed']:,}"),
            Cell(f"{row['broken']:,}"),
            Cell("< 0.001" if row["p_holm"] < 0.001 else f"{row['p_holm']:.2g}"),
        ]
        for row in shown
    ]
    left = len(given) - len(shown)
    legend = CLASSES_LEGEND + (f" {plural(left, 'row')} more in `diff.json`." if left else "")
    header = ["class", "images", "A", "B", "B - A, points", "fixed", "broken", "p"]
    caption = f"By class on {content['main']}"
    folded = f"{caption}: all {len(rows)} rows" if len(rows) > 24 else ""
    return Table(caption, header, rows, legend=legend, folded=folded)
