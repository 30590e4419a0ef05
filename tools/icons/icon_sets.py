"""Which icon sets may be used, and how an icon's name becomes a concept.

The embedded model is trained on open icon sets; whole sets are held out of that training and
become the embedded `pictograms` data, so that its zero-shot scores are about sets never seen.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ALLOWED_LICENCES = {"MIT", "Apache-2.0", "ISC", "CC0-1.0", "CC-BY-4.0", "CC-BY-3.0"}
SKIPPED_CATEGORIES = {"Logos", "Programming"}
SKIPPED_SETS = {
    "circle-flags",
    "flag",
    "flagpack",
    "cif",
    "geo",
    "svg-spinners",
    "ginetex",
    "bpmn",
    "bitcoin-icons",
}

HELD_OUT_SETS = {
    "lucide",
    "lucide-lab",
    "iconoir",
    "majesticons",
    "mingcute",
    "solar",
    "bi",
    "fa7-solid",
    "fa7-regular",
    "mage",
    "basil",
    "jam",
    "iconamoon",
    "streamline-color",
    "flat-color-icons",
    "streamline-freehand-color",
    "icon-park",
    "noto",
    "noto-v1",
    "twemoji",
    "fluent-emoji",
    "fluent-emoji-flat",
    "emojione",
    "streamline-emojis",
    "game-icons",
    "fluent-emoji-high-contrast",
    "emojione-monotone",
    "pinhead",
    "temaki",
    "maki",
}
# Sets that redraw a held-out set: seeing them while training would leak its shapes.
RELATIVES_OF_HELD_OUT = {
    "feather",
    "fa",
    "fa-solid",
    "fa-regular",
    "fa6-solid",
    "fa6-regular",
    "la",
    "icon-park-outline",
    "icon-park-solid",
    "icon-park-twotone",
    "streamline",
    "streamline-freehand",
    "emojione-v1",
}

STYLE_WORDS = {
    "outline",
    "outlined",
    "outlines",
    "solid",
    "filled",
    "fill",
    "line",
    "linear",
    "bold",
    "duotone",
    "twotone",
    "thin",
    "light",
    "regular",
    "rounded",
    "round",
    "sharp",
    "broken",
    "bulk",
    "baseline",
    "remix",
    "flat",
    "duo",
    "tone",
    "two",
    "alt",
    "o",
    "variant",
    "print",
    "poly",
    "color",
    "emoji",
    "stroke",
    "twoline",
    "24px",
    "new",
}


@dataclass(frozen=True)
class Icon:
    """One drawing: its set, its name there, the concept it shows, and its SVG."""

    icon_set: str
    name: str
    concept: str
    colour: bool
    held_out: bool
    svg: str


def concept_of(name: str, suffixes: dict[str, str]) -> str:
    """The words of an icon's name without those that only tell its style.

    >>> concept_of("alarm-clock-line-duotone", {"line-duotone": "Line Duotone"})
    'alarm clock'
    >>> concept_of("camera-2-24-filled", {"24-filled": "24px"})
    'camera'
    """
    for suffix in sorted(filter(None, suffixes), key=len, reverse=True):
        name = name.removesuffix(f"-{suffix}").removeprefix(f"{suffix}-")
    words = [word for word in re.split(r"[-_\s]+", name.lower()) if word]
    while len(words) > 1 and (words[-1] in STYLE_WORDS or words[-1].isdigit()):
        words.pop()
    while len(words) > 1 and (words[0] in STYLE_WORDS or words[0].isdigit()):
        words.pop(0)
    return " ".join(words)


def read_set(path: Path, info: dict[str, object], held_out: bool) -> Iterator[Icon]:
    """Every visible icon of one Iconify JSON file (aliases are copies and left out)."""
    data = json.loads(path.read_text(encoding="utf-8"))
    affixes = {**data.get("suffixes", {}), **data.get("prefixes", {})}
    for name, icon in data["icons"].items():
        if icon.get("hidden"):
            continue
        box = [
            icon.get(key, data.get(key, default))
            for key, default in (("left", 0), ("top", 0), ("width", 16), ("height", 16))
        ]
        size = max(box[2], box[3])
        left, top = box[0] - (size - box[2]) / 2, box[1] - (size - box[3]) / 2
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="{left} {top} {size} {size}">{icon["body"]}</svg>'
        )
        colour = bool(info.get("palette"))
        yield Icon(path.stem, name, concept_of(name, affixes), colour, held_out, svg)


def read_icons(package: Path) -> Iterator[Icon]:
    """Every icon of the unpacked `@iconify/json` package that may be used."""
    collections = json.loads((package / "collections.json").read_text(encoding="utf-8"))
    for name, info in collections.items():
        held_out = name in HELD_OUT_SETS
        if (
            info["license"].get("spdx") not in ALLOWED_LICENCES
            or name in SKIPPED_SETS | RELATIVES_OF_HELD_OUT
        ):
            continue
        if info.get("category") in SKIPPED_CATEGORIES:
            continue
        yield from read_set(package / "json" / f"{name}.json", info, held_out)
