"""The page of `adapt probe-weak-spots`: a sentence for each task, bars, and samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapt.report.record.words import percent
from adapt.report.tables.cells import Cell, Table
from adapt.report.templating import environment

Content = Mapping[str, Any]
RELIABLE = 0.8
"""Accuracy on plain drawings below which nobody should rely on zero-shot."""
WORDS = {"guesses": "no better than guessing", "weak": "weak", "works": "works"}


@dataclass(frozen=True)
class WeakSpotRow:
    """One task on the page."""

    name: str
    level: str
    sentence: str
    zero_shot: float
    probe: float
    chance: float
    told: Content
    pictures: list[str]


def level(told: Content) -> str:
    """`guesses`, `weak` or `works`.

    Args:
        told: A task of `weak_spots.json`.

    >>> level({"chance": 0.5, "zero_shot": {"value": 0.55, "ci": [0.45, 0.65]}})
    'guesses'
    """
    said = told["zero_shot"]
    if said["ci"][0] <= told["chance"]:
        return "guesses"
    return "works" if said["value"] >= RELIABLE else "weak"


def sentence(told: Content, control: Content | None = None) -> str:
    """Whether to use a model for something, in words.

    Args:
        told: A task of `weak_spots.json`.
        control: The same task without the difficulty, if there is one.
    """
    kind, said, guess = level(told), percent(told["zero_shot"]["value"]), percent(told["chance"])
    if kind == "guesses":
        words = (
            f"Do not use it for {told['ability']}: zero-shot is right for {said}, which guessing "
            f"({guess}) explains."
        )
    elif kind == "weak":
        words = (
            f"Do not rely on it for {told['ability']}: zero-shot is right for {said}, guessing for "
            f"{guess}."
        )
    else:
        words = f"It can be used for {told['ability']}: zero-shot is right for {said}."
    if control is not None:
        words += f" Without that difficulty it is {percent(control['zero_shot']['value'])}."
    return words + _features(told, kind)


def _features(told: Content, kind: str) -> str:
    known = percent(told["probe"]["value"])
    if told["probe"]["ci"][0] <= told["chance"]:
        return f" A probe on its features does not learn it either ({known})."
    if kind != "works" and told["probe"]["value"] >= RELIABLE:
        return f" Its features know it: a probe reaches {known}, so labels of your own would help."
    return f" A probe on its features reaches {known}."


def verdict(content: Content) -> list[str]:
    """The sentences of all tasks, the weakest first.

    Args:
        content: `weak_spots.json`.
    """
    return [row.sentence for row in rows(content, {})]


def rows(content: Content, pictures: Mapping[str, Sequence[str]]) -> list[WeakSpotRow]:
    """The tasks, the weakest first.

    Args:
        content: `weak_spots.json`.
        pictures: Data URIs of a few questions, by task.
    """
    told = content["tasks"]
    made = [
        WeakSpotRow(
            name.replace("_", " "),
            level(own),
            sentence(own, told.get(own["control"])),
            own["zero_shot"]["value"],
            own["probe"]["value"],
            own["chance"],
            own,
            list(pictures.get(name, ())),
        )
        for name, own in told.items()
    ]
    order = list(WORDS)
    return sorted(made, key=lambda row: (order.index(row.level), row.zero_shot - row.chance))


def render_page(content: Content, pictures: Mapping[str, Sequence[str]]) -> str:
    """The text of the page, which needs no other file.

    Args:
        content: `weak_spots.json`.
        pictures: Data URIs of a few questions, by task.
    """
    shown = rows(content, pictures)
    counts = {kind: sum(row.level == kind for row in shown) for kind in WORDS}
    design = content["class_design"]
    return (
        environment()
        .get_template("weak_spots.html.j2")
        .render(
            content=content,
            rows=shown,
            counts=counts,
            words=WORDS,
            names=_names(content["similar_names"]),
            design=None if design is None else design_tables(design),
            design_sentence="" if design is None else design_sentence(design),
            percent=percent,
        )
    )


def _names(pairs: Sequence[Content]) -> Table:
    cells = [[Cell(" / ".join(pair["classes"])), Cell(f"{pair['cosine']:.3f}")] for pair in pairs]
    legend = "Cosine of what the text encoder says of both; 1 would be the same."
    return Table("Most similar class names", ["classes", "cosine"], cells, legend=legend)


def design_sentence(design: Content) -> str:
    """What the other set of classes does, in a sentence."""
    changes = [
        f"{word} {', '.join(design[key])}"
        for key, word in (("added", "with"), ("removed", "without"))
        if design[key]
    ]
    fraction = percent(design["moved"] / design["images"])
    return (
        f"{' and '.join(changes).capitalize()}, {design['moved']:,} of {design['images']:,} "
        f"answers move ({fraction})."
    )


def design_tables(design: Content) -> list[Table]:
    """Where answers move, and how many of each group."""
    pairs = [[Cell(a), Cell(b), Cell(f"{count:,}")] for a, b, count in design["pairs"]]
    tables = [Table("Answers that move", ["from", "to", "images"], pairs, words=2)]
    if design["groups"]:
        cells = [
            [
                Cell(name),
                Cell(f"{own['images']:,}"),
                Cell(percent(own["moved"]), f"{percent(own['ci'][0])} to {percent(own['ci'][1])}"),
            ]
            for name, own in design["groups"].items()
        ]
        header = [design["by"], "images", "answers that move"]
        tables.append(Table(f"By {design['by']}", header, cells))
    return tables
