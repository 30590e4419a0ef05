"""The page of a check: every finding with how to fix it, and the images it is about."""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from adapt.common.files import write_text
from adapt.common.words import plural
from adapt.report.record.values import mapping, number
from adapt.report.record.words import enumerated, percent
from adapt.report.templating import environment

MOST = 24
"""Images shown of one finding."""
MOST_TOGETHER = 6
"""Images shown of one set of copies."""
ROWS = 40
"""Rows shown of a table in a finding."""
LEVELS = ("error", "warning", "note")
_VALUES = {
    "tiny": "{:.0f} pixels",
    "extreme_aspect": "{:.1f} : 1",
    "several_frames": "{:.0f} frames",
    "blurred": "sharpness {:.2f}",
    "dark": "brightest {:.0%}",
    "bright": "darkest {:.0%}",
    "suspected_label": "{:.0%}",
    "hurts": "error {:+.2%}",
    "near_copy": "{:.1%} differs",
    "near_leak": "{:.1%} differs",
    "near_conflicting_label": "{:.1%} differs",
}
"""How the number beside an image of a finding is written, where it says something."""
_HEADERS = {
    "name": "class",
    "line": "line for classes.yaml",
    "recall": "zero-shot recall",
    "answered": "mostly answered as",
    "needed": "images needed",
}
Entry = Mapping[str, Any]


SCRIPT = (Path(__file__).parent / "templates" / "check.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class ExclusionChoice:
    """What is written of an image to the list that the page saves."""

    line: str
    """The line that leaves it out."""
    left_out: bool
    """Whether it is left out unless someone decides otherwise: by `--fix`, too."""


Choices = Mapping[tuple[str, str], ExclusionChoice]
"""By set and path."""
KEPT_ALL: Choices = {}


@dataclass(frozen=True)
class Card:
    """One image: a data URI, or None with the reason in `missing`."""

    label: str
    path: str
    split: str
    image: str | None
    missing: str
    choice: ExclusionChoice | None
    """None for a file that cannot be opened, and so is left out anyway."""


@dataclass(frozen=True)
class Group:
    """Images that belong together, and what is said of them."""

    cards: list[Card]
    caption: str
    more: int


@dataclass(frozen=True)
class Rows:
    """A small table."""

    header: list[str]
    rows: list[list[str]]
    bars: list[float]
    """For each row, its images as a fraction of the largest number; empty without such numbers."""
    more: int


@dataclass(frozen=True)
class ShownFinding:
    """One finding, as the page shows it."""

    kind: str
    title: str
    level: str
    message: str
    fix: str
    groups: list[Group]
    together: bool
    more: int
    table: Rows | None

    @property
    def several(self) -> bool:
        """Whether more than one image is shown."""
        return sum(len(group.cards) for group in self.groups) > 1


def level_counts(content: Mapping[str, Any]) -> dict[str, int]:
    """How many findings there are of each level."""
    counts = Counter(str(finding.get("level")) for finding in content["findings"])
    return {level: counts[level] for level in LEVELS}


def verdict(content: Mapping[str, Any]) -> str:
    """One sentence on the whole check.

    Args:
        content: `check.json`.

    >>> verdict({"findings": [], "sets": {"train": {"images": 2, "readable": 2}}, "classes": ["a"]})
    'Clean: nothing is wrong with 2 images of 1 class.'
    """
    classes = plural(len(content["classes"]), "class")
    whole = f"{plural(_images(content), 'image')} of {classes}"
    counts = level_counts(content)
    if not any(counts.values()):
        return f"Clean: nothing is wrong with {whole}."
    if counts["error"]:
        advice = "Fix the errors before you run: the scores would be wrong."
    elif counts["warning"]:
        advice = "Look at the warnings before you run."
    else:
        advice = "Ready to run."
    words = [plural(count, level) for level, count in counts.items() if count]
    return f"{enumerated(words)} in {whole}. {advice}"


def shown_places(finding: Entry) -> list[list[Entry]]:
    """The images of a finding that the page shows: `MOST` in all, by sets of copies."""
    groups: list[list[Entry]] = []
    room = MOST
    for places in finding["places"]:
        chosen = list(places[:MOST_TOGETHER])
        if len(chosen) > room:
            break
        room -= len(chosen)
        groups.append(chosen)
    return groups


def write_check_page(
    path: Path,
    content: Mapping[str, Any],
    thumbnails: Mapping[str, str],
    choices: Choices = KEPT_ALL,
) -> Path:
    """Write the page of a check, one file that needs no other.

    Args:
        path: The file.
        content: `check.json`.
        thumbnails: Data URI of a small image, by content hash.
        choices: Images that can be ticked to be left out; the page saves those as a list.

    Returns:
        The path.

    Raises:
        RunError: When it cannot be written.
    """
    return write_text(path, render(content, thumbnails, choices), "choose another --out")


def render(
    content: Mapping[str, Any], thumbnails: Mapping[str, str], choices: Choices = KEPT_ALL
) -> str:
    """The text of the page; see `write_check_page`."""
    model = mapping(content.get("model"))
    findings = [_shown(finding, thumbnails, choices) for finding in content["findings"]]
    cards = [card for finding in findings for group in finding.groups for card in group.cards]
    ticked = {card.choice.line for card in cards if card.choice is not None}
    left_out = {choice.line for choice in choices.values() if choice.left_out}
    return (
        environment()
        .get_template("check.html.j2")
        .render(
            content=content,
            verdict=verdict(content),
            counts=level_counts(content),
            images=_images(content),
            findings=findings,
            leaks=_leak_rows(mapping(content.get("leak_free"))),
            leaking=any(row["leaked"] for row in mapping(content.get("leak_free")).values()),
            model=" / ".join(str(model[key]) for key in ("arch", "pretrained") if key in model),
            weak=bool(model.get("embedded")),
            choosing=bool(ticked or left_out),
            left_out=len(left_out),
            not_shown=_data(sorted(left_out - ticked)),
            script=Markup(SCRIPT),
            script_hash=base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode(),
        )
    )


def _data(value: object) -> Markup:
    """JSON for a script element, which no text in it can end."""
    text = json.dumps(value).replace("<", "\\u003c")
    return Markup(text)


def _images(content: Mapping[str, Any]) -> int:
    return sum(counts["images"] for counts in content["sets"].values())


def _shown(finding: Entry, thumbnails: Mapping[str, str], choices: Choices) -> ShownFinding:
    groups = shown_places(finding)
    values = finding.get("values") or []
    shown = [
        Group(
            [_card(place, thumbnails, choices) for place in chosen],
            _caption(finding, index, values),
            len(finding["places"][index]) - len(chosen),
        )
        for index, chosen in enumerate(groups)
    ]
    return ShownFinding(
        kind=str(finding["kind"]),
        title=str(finding["kind"]).replace("_", " ").capitalize(),
        level=str(finding["level"]),
        message=str(finding["message"]),
        fix=str(finding["fix"]),
        groups=shown,
        together=any(len(places) > 1 for places in finding["places"]),
        more=len(finding["places"]) - len(groups),
        table=_table(mapping(finding.get("details"))),
    )


def _card(place: Entry, thumbnails: Mapping[str, str], choices: Choices) -> Card:
    image = thumbnails.get(str(place.get("sha256") or ""))
    missing = "" if image else str(place.get("error") or "cannot be shown")
    split, path = str(place["split"]), str(place["path"])
    return Card(str(place["label"]), path, split, image, missing, choices.get((split, path)))


def _caption(finding: Entry, index: int, values: Sequence[object]) -> str:
    value = number(values[index]) if index < len(values) else None
    words = "" if value is None else _VALUES.get(str(finding["kind"]), "")
    measured = words.format(value).replace("%", " %") if words else ""
    suggested = mapping(finding.get("details")).get("suggested") or []
    if index < len(suggested):
        given = finding["places"][index][0]["label"]
        return f"{given} → {suggested[index]}" + (f", {measured}" if measured else "")
    return measured


def _table(details: Mapping[str, Any]) -> Rows | None:
    """The classes that a finding is about, one per row."""
    rows = _class_rows(details.get("classes"), mapping(details.get("needed")))
    if not rows:
        return None
    header = list(dict.fromkeys(str(key) for row in rows for key in row))
    cells = [[_cell(key, row.get(key)) for key in header] for row in rows[:ROWS]]
    counts = [number(row.get("images")) or 0 for row in rows]
    compared = isinstance(details.get("classes"), Mapping) and max(counts) > 0
    bars = [count / max(counts) for count in counts[:ROWS]] if compared else []
    return Rows([_HEADERS.get(name, name) for name in header], cells, bars, len(rows) - len(cells))


def _class_rows(given: object, needed: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Rows of what findings keep under `classes`: counts, names by set, classes, sets of them."""
    if isinstance(given, Mapping):
        counted = [(name, value) for name, value in given.items() if isinstance(value, int)]
        rows = [
            {"name": name, "images": value} | ({"needed": needed[name]} if name in needed else {})
            for name, value in sorted(counted, key=lambda count: (-count[1], count[0]))
        ]
        named = [(name, value) for name, value in given.items() if isinstance(value, list)]
        return rows or [{"set": name, "classes": ", ".join(value)} for name, value in named]
    listed = given if isinstance(given, list) else []
    flat = [row for rows in listed for row in (rows if isinstance(rows, list) else [rows])]
    return [row for row in flat if isinstance(row, Mapping)]


def _cell(key: str, value: object) -> str:
    if value is None:
        return "n/a"
    if key == "recall":
        return percent(value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _leak_rows(leak_free: Mapping[str, Any]) -> list[list[str]]:
    return [
        [
            name,
            f"{row['images']:,}",
            percent(row.get("accuracy")),
            f"{row['leaked']:,}",
            percent(row.get("leak_free_accuracy")),
        ]
        for name, row in leak_free.items()
    ]
