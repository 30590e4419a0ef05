"""The page of what to label next: pictures with reasons, and how many more of which class."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapt.report.record.values import interval
from adapt.report.record.words import percent, points, signed_span
from adapt.report.tables.cells import Cell, Table
from adapt.report.templating import environment

Content = Mapping[str, Any]
FOLDED = 30
"""Rows above which the table of classes starts closed."""


@dataclass(frozen=True)
class PickCard:
    """One image to label; `image` is a data URI, or None where it cannot be shown."""

    rank: int
    path: str
    predicted: str
    confidence: str
    why: str
    copies: int
    image: str | None


def render_suggestion(content: Content, pictures: Mapping[int, str]) -> str:
    """The text of the page, which needs no other file.

    Args:
        content: `suggest.json`.
        pictures: Data URIs by rank.
    """
    curve = content["how_many"]
    return (
        environment()
        .get_template("suggest.html.j2")
        .render(
            content=content,
            cards=[_card(pick, content["classes"], pictures) for pick in content["picks"]],
            facts=facts(content),
            left_out=left_out(content),
            curve=curve_table(curve) if curve else None,
            classes=class_table(curve) if curve else None,
        )
    )


def _card(pick: Content, classes: list[str], pictures: Mapping[int, str]) -> PickCard:
    return PickCard(
        pick["rank"],
        pick["path"],
        classes[pick["predicted"]],
        percent(pick["confidence"]),
        pick["why"],
        pick["copies"],
        pictures.get(pick["rank"]),
    )


def facts(content: Content) -> list[tuple[str, str, str]]:
    """Label, number and remark of what stands on top."""
    images, curve = content["images"], content["how_many"]
    named = {content["classes"][pick["predicted"]] for pick in content["picks"]}
    rows = [
        ("to label", f"{len(content['picks']):,}", f"of {images['candidates']:,} candidates"),
        ("predicted classes", str(len(named)), f"of {len(content['classes']):,}"),
        ("labelled so far", f"{images['labelled']:,}", ""),
    ]
    if curve:
        first = curve["more"][0]
        rows.append(
            (
                f"with {first['images']:,} more, points",
                points(first["gain"]["value"]),
                signed_span(interval(first["gain"]["ci"])),
            )
        )
    return rows


def left_out(content: Content) -> list[str]:
    """What was left out of the pool, in sentences.

    >>> images = {"labelled_already": 1, "copies_of_labelled": 0, "copies": 2, "unreadable": []}
    >>> left_out({"images": images})
    ['1 is labelled already, by content', '2 are copies of other images of the pool']
    """
    images = content["images"]
    counts = (
        (images["labelled_already"], "labelled already, by content"),
        (images["copies_of_labelled"], "near copies of labelled images"),
        (images["copies"], "copies of other images of the pool"),
        (len(images["unreadable"]), "not readable"),
    )
    return [f"{n:,} {'is' if n == 1 else 'are'} {what}" for n, what in counts if n]


def _estimate(estimate: Content | None, change: bool = False) -> Cell:
    """An estimate with its interval."""
    if estimate is None:
        return Cell("n/a")
    low, high = estimate["ci"]
    if change:
        return Cell(points(estimate["value"]), signed_span((low, high)))
    return Cell(percent(estimate["value"]), f"{100 * low:.1f} to {100 * high:.1f}")


def curve_table(curve: Content) -> Table:
    """Accuracy now and with more labels."""
    level = f"{100 * curve['level']:.0f} %"
    rows = [[Cell(f"now, {curve['labelled']:,} labels"), _estimate(curve["now"]), Cell("")]]
    for step in curve["more"]:
        name = Cell(f"{step['images']:,} more")
        rows.append([name, _estimate(step["accuracy"]), _estimate(step["gain"], True)])
    legend = (
        f"With {level} intervals, of a head fitted on parts of the labels and asked about the "
        "rest. The gain is that of images drawn like those labelled so far, for a head on these "
        "features; "
        f"no figure is given beyond {curve['farthest']:,} more images."
    )
    return Table("How much more labels would bring", ["", "accuracy", "gain, points"], rows,
                 legend=legend)  # fmt: skip


def class_table(curve: Content) -> Table:
    """The same for each class, the largest gain first."""
    rows = [
        [
            Cell(row["name"]),
            Cell(f"{row['labelled']:,}"),
            _estimate(row["now"]),
            _estimate(row["gain"], True),
        ]
        for row in curve["classes"]
    ]
    count = curve["classes_images"]
    legend = (
        f"What part of a class is right now, and how that changes when {count:,} more images are "
        "labelled, of all classes in the shares of now. Intervals of few images are wide: classes "
        "whose intervals overlap are not told apart."
    )
    folded = f"All {len(rows)} classes" if len(rows) > FOLDED else ""
    header = ["class", "labels", "right now", "gain, points"]
    return Table("Which class gains most", header, rows, legend=legend, folded=folded)
