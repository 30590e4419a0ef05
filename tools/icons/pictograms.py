"""Pick, clean and write the embedded data set `pictograms` from the drawn held-out icons.

    python tools/icons/render.py package icons/
    python tools/icons/pictograms.py package icons/ adapt/data/embedded/pictograms

Writes `<domain>/<train|test>/<class>/<set>--<name>.png`, `classes.yaml` and `README.md` there, and
`NOTICE` at the root of the repository (or where `--notice` says). Which names show which class is
in `pictograms.yaml` beside this file. The same package gives the same bytes again; half a minute.
"""

import argparse
import json
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from io import BytesIO
from itertools import zip_longest
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import yaml
from PIL import Image

# Sets that name their drawings as emoji are named.
EMOJI_NAMED = {
    "noto",
    "noto-v1",
    "twemoji",
    "streamline-emojis",
    "emojione",
    "fluent-emoji-flat",
    "fluent-emoji",
    "fluent-emoji-high-contrast",
    "emojione-monotone",
}
# Sets whose longer names tell scenes, so that only a whole name is trusted, no wildcard.
LONG_NAMED = {"game-icons", "pinhead", "temaki", "maki"}
# set: (suffix of its outline drawings, suffix of its solid ones); "" means every other name.
STYLES = {
    "lucide": ("", None),
    "lucide-lab": ("", None),
    "fa7-regular": ("", None),
    "fa7-solid": (None, ""),
    "bi": ("", "-fill"),
    "mingcute": ("-line", "-fill"),
    "solar": ("-linear", "-bold"),
    "basil": ("-outline", "-solid"),
    "mage": ("", "-fill"),
    "jam": ("", "-f"),
    "iconamoon": ("", "-fill"),
    "iconoir": ("", "-solid"),
    "majesticons": ("-line", ""),
}
OTHER_STYLES = re.compile(r"-(duotone|light|thin|bold|broken|ai)\b|-(ai|circle|square)-fill$")
# domain: (sets to train on, sets to test on).
SETS = {
    "emoji": (
        ["noto", "noto-v1", "twemoji", "streamline-emojis"],
        ["fluent-emoji-flat", "emojione", "fluent-emoji"],
    ),
    "outline": (
        ["solar", "basil", "jam", "iconamoon", "mage"],
        ["lucide", "mingcute", "bi", "iconoir", "majesticons", "fa7-regular", "lucide-lab"],
    ),
    "solid": (
        ["solar", "basil", "jam", "iconamoon", "mage"],
        ["fa7-solid", "mingcute", "bi", "iconoir", "majesticons"],
    ),
    "colour": (
        ["streamline-freehand-color", "flat-color-icons"],
        ["icon-park", "streamline-color"],
    ),
    "silhouette": (
        ["pinhead", "temaki", "maki"],
        ["game-icons", "fluent-emoji-high-contrast", "emojione-monotone"],
    ),
}
# (domain, split, most images per class): the drawings to adapt with come first, then every test
# split, then what trains the other domains; each leaves out near copies of those before it.
ORDER = [("emoji", "train", 24), ("emoji", "test", 14)]
ORDER += [(domain, split, 12) for split in ("test", "train") for domain in list(SETS)[1:]]
# Two sets that shade the same drawings: one of the two is taken.
SAME_DRAWING = {"fluent-emoji": "fluent-emoji-flat"}
EMOJI_NAMES, ICON_NAMES = 4, 8  # of what a class gathers, that it is prompted with
SENTENCES = ("{}", "an icon of a {}")
NUMBER = re.compile(r"-(\d+|one|two|three|four|five|six|seven)$")

Classes = dict[str, dict[str, Any]]


@dataclass
class Drawing:
    """One candidate image: where it comes from, what it shows and its fingerprint."""

    icon_set: str
    name: str
    label: str
    image: np.ndarray
    bits: np.ndarray

    @property
    def source(self) -> tuple[str, str]:
        """What this drawing shares with the same one in a sibling set or style."""
        return SAME_DRAWING.get(self.icon_set, self.icon_set), self.name.removesuffix("-flat")


@dataclass
class Kept:
    """The drawings taken for one domain and split, and how many were left out and why."""

    drawings: list[Drawing] = field(default_factory=list)
    sibling: int = 0
    inside: int = 0
    across: int = 0


Selection = dict[tuple[str, str], Kept]


def on_white(rgba: np.ndarray) -> np.ndarray:
    """RGB pixels of a drawing laid on white."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return np.rint(rgba[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def perceptual_bits(grey: np.ndarray) -> np.ndarray:
    """The 64 bits of a difference hash, then the 64 of a DCT hash."""
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    waves = cv2.dct(cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA))[:8, :8].ravel()
    return np.concatenate([(small[:, 1:] > small[:, :-1]).ravel(), waves > np.median(waves[1:])])


def fingerprint(rgba: np.ndarray) -> np.ndarray:
    """256 bits: the hashes of the drawing on white, then those of its alpha mask."""
    grey = on_white(rgba).astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.concatenate([perceptual_bits(grey), perceptual_bits(rgba[..., 3].astype(np.float32))])


def near(bits: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which of the other fingerprints are near copies (thresholds set by looking at pairs)."""
    difference, waves, mask_difference, mask_waves = (
        (others != bits).reshape(len(others), 4, 64).sum(axis=2).T
    )
    alike = (difference <= 12) & (difference + waves <= 17)
    same_mask = (mask_difference <= 6) & (mask_waves <= 12)
    return alike | (same_mask & (difference <= 12) & (waves <= 16))


def plain_name(icon_set: str, name: str, domain: str) -> str | None:
    """A name without its style suffix, or None when it is not drawn in the domain's style.

    >>> plain_name("mingcute", "book-2-line", "outline")
    'book'
    >>> plain_name("mingcute", "book-2-fill", "outline") is None
    True
    """
    if icon_set in STYLES:
        outline, solid = STYLES[icon_set]
        mine, other = (outline, solid) if domain == "outline" else (solid, outline)
        if mine is None or not name.endswith(mine) or (not mine and other and name.endswith(other)):
            return None
        name = name.removesuffix(mine)
        if OTHER_STYLES.search(name):
            return None
    return NUMBER.sub("", name.removesuffix("-flat"))


def fits(pattern: str, icon_set: str, name: str, plain: str) -> bool:
    """Whether a pattern of a class, `name` or `set:name`, is about this icon."""
    only, _, wanted = pattern.rpartition(":")
    return only in ("", icon_set) and (fnmatchcase(plain, wanted) or fnmatchcase(name, wanted))


def rank(icon_set: str, name: str, plain: str, entry: dict[str, Any]) -> int | None:
    """Place of a name in the class's list, or None when it does not show the class."""
    if any(fits(pattern, icon_set, name, plain) for pattern in entry.get("not", [])):
        return None
    patterns = entry["emoji" if icon_set in EMOJI_NAMED else "icons"]
    for place, pattern in enumerate(patterns):
        trusted = icon_set not in LONG_NAMED or "*" not in pattern
        if trusted and fits(pattern, icon_set, name, plain):
            return place
    return None


def candidates(
    table: pd.DataFrame, pixels: np.ndarray, domain: str, split: str, label: str, entry: dict
) -> Iterator[Drawing]:
    """Drawings of a class from the sets of a split, best names first, sets taking turns."""
    queues = []
    for icon_set in SETS[domain][split == "test"]:
        found = []
        for row, name in table.loc[table["set"] == icon_set, "name"].items():
            plain = plain_name(icon_set, name, domain)
            place = None if plain is None else rank(icon_set, name, plain, entry)
            if place is not None:
                found.append((place, name, row))
        queues.append([(icon_set, name, row) for _, name, row in sorted(found)])
    for turn in zip_longest(*queues):
        for icon_set, name, row in filter(None, turn):
            rgba = np.asarray(pixels[row])
            yield Drawing(icon_set, name, label, on_white(rgba), fingerprint(rgba))


def select(table: pd.DataFrame, pixels: np.ndarray, classes: Classes) -> Selection:
    """Take drawings in the order of ORDER, leaving out near copies of what is there already."""
    kept = {(domain, split): Kept() for domain, split, _ in ORDER}
    for domain, split, cap in ORDER:
        other_side = [d for (_, side), k in kept.items() if side != split for d in k.drawings]
        across = np.array([d.bits for d in other_side], dtype=bool).reshape(-1, 256)
        for label, entry in classes.items():
            offered = candidates(table, pixels, domain, split, label, entry)
            take(kept[domain, split], offered, across, entry.get("recolours", False), cap)
    return kept


def take(
    mine: Kept, offered: Iterable[Drawing], across: np.ndarray, recolours: bool, cap: int
) -> None:
    """Add offered drawings of one class until `cap`, skipping near copies."""
    count = 0
    for new in offered:
        if count == cap:
            return
        if any(new.source == old.source for old in mine.drawings):
            mine.sibling += 1
        elif near(new.bits, across).any():
            mine.across += 1
        elif is_repeat(new, mine.drawings, recolours):
            mine.inside += 1
        else:
            mine.drawings.append(new)
            count += 1


def is_repeat(new: Drawing, drawings: list[Drawing], recolours: bool) -> bool:
    """Whether a split already has a near copy (one in another colour, if those count)."""
    bits = np.array([old.bits for old in drawings], dtype=bool).reshape(-1, 256)
    for old in (drawings[i] for i in np.flatnonzero(near(new.bits, bits))):
        change = np.abs(new.image.astype(int) - old.image).mean()
        if not (recolours and old.label == new.label and change > 12):
            return True
    return False


def png(image: np.ndarray) -> bytes:
    """A small PNG: 16 greys for an icon without colour, else at most 128 colours."""
    colours = 16 if (image == image[..., :1]).all() else 128
    whole = Image.fromarray(image)
    packed = whole.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = BytesIO()
    packed.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def write_images(kept: Selection, out: Path) -> int:
    """Write every image; returns their bytes."""
    total = 0
    for domain in SETS:
        shutil.rmtree(out / domain, ignore_errors=True)
    for (domain, split), group in kept.items():
        for drawing in group.drawings:
            folder = out / domain / split / drawing.label
            folder.mkdir(parents=True, exist_ok=True)
            data = png(drawing.image)
            (folder / f"{drawing.icon_set}--{drawing.name}.png").write_bytes(data)
            total += len(data)
    return total


def count_table(kept: Selection, classes: Classes) -> pd.DataFrame:
    """Images per class (rows) in every domain and split (columns)."""
    counts = pd.DataFrame(
        {
            f"{domain} {split}": pd.Series(
                [d.label for d in kept[domain, split].drawings], dtype=str
            ).value_counts()
            for domain in SETS
            for split in ("train", "test")
        }
    )
    return counts.reindex(list(classes)).fillna(0).astype(int)


def markdown(table: pd.DataFrame) -> str:
    """A table as Markdown, its index first."""
    head = ["", *table.columns]
    rows = [map(str, row) for row in table.itertuples()]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def credit(name: str, info: dict[str, Any]) -> str:
    """One line that names a set, its author and its licence."""
    author, licence = info["author"], info["license"]
    url = licence.get("url") or f"https://spdx.org/licenses/{licence['spdx']}.html"
    who = f"{author['name']} ({author['url']})" if author.get("url") else author["name"]
    return f"{info['name']} [{name}], by {who}, {licence['spdx']}: {url}"


def notice(used: Iterable[str], trained: Iterable[str], collections: dict[str, Any]) -> str:
    """The text of NOTICE: whose drawings the data set has and the embedded model learned from."""
    shown = "\n".join(f"- {credit(name, collections[name])}" for name in sorted(used))
    learned = "\n".join(f"- {credit(name, collections[name])}" for name in sorted(trained))
    return NOTICE.format(shown=shown, learned=learned)


def card(kept: Selection, classes: Classes, total: int, collections: dict[str, Any]) -> str:
    """The text of the data card."""
    per_class = count_table(kept, classes)
    splits = pd.DataFrame(
        {domain: map(", ".join, pair) for domain, pair in SETS.items()},
        index=["train sets", "test sets"],
    ).T
    columns = ["kept", "same drawing in a sibling set", "near copy inside", "near copy across"]
    dropped = pd.DataFrame(
        {
            f"{domain} {split}": [len(k.drawings), k.sibling, k.inside, k.across]
            for (domain, split), k in kept.items()
        },
        index=columns,
    ).T
    dropped.loc["all"] = dropped.sum()
    used = {drawing.icon_set for group in kept.values() for drawing in group.drawings}
    return CARD.format(
        images=per_class.to_numpy().sum(),
        classes=len(classes),
        megabytes=f"{total / 1e6:.1f}",
        splits=markdown(splits),
        per_class=markdown(per_class),
        dropped=markdown(dropped),
        sets="\n".join(f"- {credit(name, collections[name])}" for name in sorted(used)),
    )


CARD = """# pictograms: small drawings of the same things in five styles

{images} images (64x64 PNG, {megabytes} MB) of {classes} kinds of things, drawn by people for open
icon and emoji sets, in five domains: `outline` and `solid` interface icons, `colour` icons, `emoji`
and `silhouette` pictograms. `emoji` is the domain to adapt to: 20 to 24 images per class to train
on, 10 to 14 to test on. The others show what adapting did elsewhere: 6 to 12 test images per class,
with up to 12 training images, or none.

The embedded model never saw these sets, nor sets that redraw them: see `tools/icons/icon_sets.py`.
`classes.yaml` gives the words to show CLIP for each folder. An image's file name gives the set and
the name of its icon. Icons without colour are black on white.

## How it is split

By icon set: inside a domain a set is only trained on or only tested on, never both, and a set that
is drawn in two domains is on the same side in both.

{splits}

Images per class:

{per_class}

## How near copies were removed

Every drawing gets a 64-bit difference hash and a 64-bit DCT hash of its picture on white, and the
same two of its alpha mask. Two drawings are near copies when their pictures differ in at most 12
bits of the first and 17 of both, or their masks in at most 6 and 12 and their pictures in at most
12 and 16. The limits were set by looking at pairs. No training image of any domain is a near copy
of a test image of any domain. Inside a split one of two near copies is kept; only for `book`,
`heart` and `money` does another colour (12 of 255 on average) count as another drawing. Of a
drawing that sibling sets shade differently (Fluent flat and Fluent, Streamline line and flat) one
is kept. Icons are offered by the order of the names in `tools/icons/pictograms.yaml`, sets taking
turns, up to the cap; left out:

{dropped}

## Known limits

- Some classes are wide (animal, vehicle, medical equipment, sign) so that emoji sets have enough
  drawings; the same emoji is drawn by several vendors, in train and in test.
- Several classes have no training images in `colour`, and few in `silhouette`, `outline`, `solid`.
- Names chose the images and contact sheets were looked over; a few oddly drawn icons remain.
- People are drawn in their default skin tone only, and mostly by companies from few countries.
- 64 pixels, white background, colours reduced to 128 (16 greys for icons without colour).

## Sets and licences

{sets}
"""

NOTICE = """adapt
Licensed under the Apache License, Version 2.0 (Apache-2.0): see LICENSE.

1. Images in the embedded data set `pictograms` (adapt/data/embedded/pictograms)

The images are drawings of the icon sets below, taken from the npm package @iconify/json. They were
changed: rendered to 64x64 pixels, composited on white, and reduced to at most 128 colours. Each
stays under the licence of its set; its file name starts with the name in brackets.

{shown}

2. Icon sets the embedded model was trained on

The weights of the embedded model were learned from renderings of these sets, which are not
themselves part of this project.

{learned}
"""


def class_words(classes: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Words and prompts of each class: its own name, and the names of what it gathers."""
    found = {}
    for label, entry in classes.items():
        listed = [*entry["emoji"][:EMOJI_NAMES], *entry["icons"][:ICON_NAMES]]
        members = [name.replace("-", " ") for name in listed if "*" not in name]
        named = dict.fromkeys([entry["words"], *members])
        found[label] = {
            "words": entry["words"],
            "prompts": [sentence.format(name) for name in named for sentence in SENTENCES],
        }
    return found


def main() -> None:
    """Build the data set, its card and the notice."""
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path)
    parser.add_argument("icons", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--notice", type=Path, default=here.parents[1] / "NOTICE")
    arguments = parser.parse_args()
    classes = yaml.safe_load((here / "pictograms.yaml").read_text(encoding="utf-8"))
    classes = dict(sorted(classes.items()))
    collections = json.loads((arguments.package / "collections.json").read_text(encoding="utf-8"))
    table = pd.read_parquet(arguments.icons / "icons.parquet")
    pixels = np.load(arguments.icons / "pixels.npy", mmap_mode="r")
    kept = select(table[table["held_out"]], pixels, classes)
    total = write_images(kept, arguments.out)
    words = yaml.safe_dump(class_words(classes), sort_keys=True, width=100)
    text = card(kept, classes, total, collections)
    for name, content in (("classes.yaml", words), ("README.md", text)):
        (arguments.out / name).write_text(content, encoding="utf-8")
    used = {drawing.icon_set for group in kept.values() for drawing in group.drawings}
    trained = set(table.loc[~table["held_out"], "set"])
    arguments.notice.write_text(notice(used, trained, collections), encoding="utf-8")
    sys.stderr.write(f"{count_table(kept, classes).to_string()}\n{total} bytes of images\n")


if __name__ == "__main__":
    main()
