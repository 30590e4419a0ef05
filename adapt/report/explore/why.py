"""The page of `adapt why`: the answer, training images, regions and words."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from adapt.report.record.words import percent
from adapt.report.tables.cells import Cell, Table
from adapt.report.templating import environment

Content = Mapping[str, Any]
ALIKE = 0.5
"""Rank correlation with maps of shuffled weights from which a map is said to show the image."""
SAME = 0.99995
"""Cosine from which a training image is the image itself, or a copy."""
TITLES = {"grad_cam": "Grad-CAM", "rollout": "Attention rollout"}
MEANS = {
    "grad_cam": "What speaks for the answer and against its rival, before the last layer.",
    "rollout": "What reaches the feature of the image, whatever the answer.",
}


@dataclass(frozen=True)
class ExplainedCard:
    """A training image; `image` is a data URI."""

    path: str
    label: str
    says: str
    image: str | None


@dataclass(frozen=True)
class RegionCard:
    """A map of an image, and whether it depends on what the model learned."""

    title: str
    means: str
    image: str | None
    """None where there is no map; `sanity` then says why."""
    sanity: str


@dataclass(frozen=True)
class Explained:
    """One image of the page."""

    image: str
    name: str
    picture: str | None
    verdict: list[str]
    galleries: list[tuple[str, str, list[ExplainedCard]]]
    """Title, what it means, and the training images."""
    regions: list[RegionCard]
    probabilities: Table
    words: Table | None
    absent: list[str]
    """What was not measured, and why."""


def render_page(content: Content, pictures: Mapping[str, str]) -> str:
    """The text of the page, which needs no other file.

    Args:
        content: `why.json`.
        pictures: Data URIs by `IMAGE/KIND/ROW`.
    """
    shown = [explained(number, told, pictures) for number, told in enumerate(content["images"])]
    return environment().get_template("why.html.j2").render(content=content, shown=shown)


def explained(number: int, told: Content, pictures: Mapping[str, str]) -> Explained:
    """One image of the page.

    Args:
        number: Its place in `images` of `why.json`.
        told: What stands there.
        pictures: See `render_page`.
    """
    return Explained(
        told["image"],
        PurePath(told["image"]).name,
        pictures.get(f"{number}/image/"),
        verdict(told),
        _galleries(number, told, pictures),
        _region_cards(number, told["regions"], pictures),
        _probabilities(told),
        None if isinstance(told["words"], str) else _words(told["words"]),
        [
            f"{title}: {told[part]}"
            for part, title in (
                ("training", "Training images"),
                ("regions", "Regions"),
                ("words", "Words"),
            )
            if isinstance(told[part], str)
        ],
    )


def verdict(told: Content) -> list[str]:
    """What the answer is and what holds it up, in sentences.

    Args:
        told: One of `images` in `why.json`.
    """
    answer, rival = told["answer"], told["rival"]
    sentences = [
        f"{answer['class']} with {percent(answer['probability'])}, against {rival['class']} with "
        f"{percent(rival['probability'])}."
    ]
    training = told["training"]
    if isinstance(training, str):
        return sentences
    probe = training["probe"]
    near = {
        kind: max((e["cosine"] for e in own), default=None)
        for kind, own in training["nearest"].items()
    }
    if near["answer"] is not None and near["rival"] is not None:
        nearer = "answer" if near["answer"] >= near["rival"] else "rival"
        sentences.append(
            f"The most similar training image is of {told[nearer]['class']} (cosine "
            f"{near['answer']:.2f} for {answer['class']}, {near['rival']:.2f} for "
            f"{rival['class']})."
        )
    if max((near[kind] or 0 for kind in near), default=0) >= SAME:
        sentences.append(
            "The image, or a copy of it, is itself a training image: of course it is the most "
            "similar one, and its label pulls."
        )
    if not probe["agrees"]:
        sentences.append(
            "A linear probe on the same features answers otherwise: what pulls the probe need not "
            "be what pulls this model."
        )
    if pulls := training["pulls"]["answer"]:
        first = pulls[0]
        change = first["change"] if first["refitted"] is None else first["refitted"]
        sentences.append(
            f"The label that pulls most to {answer['class']} is {first['label']} on "
            f"{first['path']}: without it a probe's lead of {answer['class']} over "
            f"{rival['class']} in logits, {probe['margin']:+.2f}, changes by {change:+.2f}."
        )
    return sentences


def _galleries(
    number: int, told: Content, pictures: Mapping[str, str]
) -> list[tuple[str, str, list[ExplainedCard]]]:
    training = told["training"]
    if isinstance(training, str):
        return []
    names = {kind: told[kind]["class"] for kind in ("answer", "rival")}

    def cards(entries: list[Content], says: str) -> list[ExplainedCard]:
        return [
            ExplainedCard(
                entry["path"],
                entry["label"],
                f"cosine {entry['cosine']:.2f}" if says == "cosine" else _change(entry),
                pictures.get(f"{number}/training/{entry['row']}"),
            )
            for entry in entries
        ]

    near = [
        (f"Nearest of {names[kind]}", "", cards(training["nearest"][kind], "cosine"))
        for kind in names
    ]
    pulls = [
        (
            f"Labels that pull to {names[kind]}",
            "How the margin of a linear probe changes when the image is left out and the probe is "
            "fitted again.",
            cards(training["pulls"][kind], "change"),
        )
        for kind in names
    ]
    return [*near, *pulls]


def _change(entry: Content) -> str:
    if entry["refitted"] is None:
        return f"about {entry['change']:+.2f} without it, not refitted"
    return f"{entry['refitted']:+.2f} without it"


def _region_cards(
    number: int, regions: Content | str, pictures: Mapping[str, str]
) -> list[RegionCard]:
    if isinstance(regions, str):
        return []
    return [
        RegionCard(
            TITLES[name],
            MEANS[name],
            pictures.get(f"{number}/map/{name}"),
            drawing if isinstance(drawing, str) else sanity(drawing["randomised"]),
        )
        for name, drawing in regions.items()
    ]


def sanity(alike: float | None) -> str:
    """Whether a map depends on the weights, in words.

    >>> sanity(0.1)
    'It depends on what the model learned: maps of shuffled weights correlate 0.10 with it.'
    """
    if alike is None:
        return "This map has one value everywhere: it says nothing."
    if alike < ALIKE:
        return (
            "It depends on what the model learned: maps of shuffled weights correlate "
            f"{alike:.2f} with it."
        )
    return (
        f"Do not trust it: maps of shuffled weights correlate {alike:.2f} with it, so that it "
        "shows the image more than the model."
    )


def _probabilities(told: Content) -> Table:
    rows = [[Cell(name), Cell(percent(value))] for name, value in told["probabilities"].items()]
    return Table("Most likely classes", ["class", "probability"], rows)


def _words(words: list[Content]) -> Table:
    rows = [
        [
            Cell(word["word"]),
            Cell(word["class_name"]),
            Cell(str(word["prompts"])),
            Cell(f"{word['change']:+.2f}"),
        ]
        for word in words
    ]
    legend = "How the logit of the class changes when the word is left out of its prompts."
    header = ["word", "class", "prompts", "change"]
    return Table("Words of the prompts", header, rows, words=2, legend=legend)
