"""The page of a comparison: verdict, limits, flips with pictures, and every table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapt.report.comparison.shown import ShownComparison, counts_of
from adapt.report.comparison.tables import cost_table
from adapt.report.comparison.verdict import limits_sentence, main_set
from adapt.report.record.words import percent, points
from adapt.report.templating import environment

Content = Mapping[str, Any]
MOST, MOST_ON_SHIFTS = 20, 10
"""Flips of one kind that are shown of the test set, and of each shift."""
KINDS = ("broken", "fixed")
NONE = "no label"
"""What an image is called that has none, where it may have several."""


@dataclass(frozen=True)
class FlipCard:
    """One image on which exactly one model is right; `image` is a data URI."""

    path: str
    true: str
    a: str
    b: str
    a_confidence: str
    b_confidence: str
    image: str | None


@dataclass(frozen=True)
class Gallery:
    """Flips of one kind on one set."""

    name: str
    cards: list[FlipCard]
    count: int


def flip_key(name: str, flip: Content) -> str:
    """What the picture of a flip is found by.

    >>> flip_key("test", {"row": 3})
    'test/3'
    """
    return f"{name}/{flip['row']}"


def shown_flips(content: Content) -> list[tuple[str, Content]]:
    """The flips that the page shows, each with the name of its set."""
    return [
        (name, flip)
        for name, own in content["sets"].items()
        for kind in KINDS
        for flip in _most(name, own, kind, content)
    ]


def _most(name: str, own: Content, kind: str, content: Content) -> list[Content]:
    most = MOST if name == content["main"] else MOST_ON_SHIFTS
    return [flip for flip in own["flips"] if flip["kind"] == kind][:most]


def render_page(content: Content, thumbnails: Mapping[str, str]) -> str:
    """The text of the page, which needs no other file.

    Args:
        content: `diff.json`.
        thumbnails: Data URIs by `flip_key`.
    """
    shown = ShownComparison.of(content)
    return (
        environment()
        .get_template("diff.html.j2")
        .render(
            content=content,
            shown=shown,
            own=shown.main,
            counts=counts_of(main_set(content)),
            counted={name: counts_of(own)["n"] for name, own in content["sets"].items()},
            limits_sentence=limits_sentence(content),
            galleries={kind: _galleries(content, kind, thumbnails) for kind in KINDS},
            cost=cost_table(content),
            percent=percent,
            points=points,
            value_words=value_words,
        )
    )


def value_words(limit: Content) -> str:
    """What was measured for a limit, in its unit.

    >>> value_words({"value": -1.25, "unit": "points"}), value_words({"value": 2, "unit": "%"})
    ('-1.25 points', '2 %')
    """
    unit = "%" if limit["unit"] == "change" else limit["unit"]
    return f"{limit['value']:.4g}" + ("" if unit == "probability" else f" {unit}")


def _galleries(content: Content, kind: str, thumbnails: Mapping[str, str]) -> list[Gallery]:
    galleries = []
    for name, own in content["sets"].items():
        count = counts_of(own)[kind]
        cards = [
            _card(flip, thumbnails.get(flip_key(name, flip)))
            for flip in _most(name, own, kind, content)
        ]
        galleries.append(Gallery(name, cards, count))
    return galleries


def _card(flip: Content, image: str | None) -> FlipCard:
    a, b = flip["a"], flip["b"]
    if "lost" in flip:  # of several labels only those that changed: there may be many
        lost, gained = (", ".join(flip[key]) or "none" for key in ("lost", "gained"))
        return FlipCard(str(flip["path"]), str(flip["true"]) or NONE, lost, gained, "", "", image)
    return FlipCard(
        str(flip["path"]),
        str(flip["true"]),
        str(a["label"]),
        str(b["label"]),
        percent(a["confidence"]),
        percent(b["confidence"]),
        image,
    )
