"""Findings about single images: what cannot be used, and what does not look like a good photo."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from adapt.checks.findings.finding import Finding, Place
from adapt.checks.findings.measure import Picture
from adapt.common.words import plural

SMALLEST = 32
"""Shorter side in pixels; below it, even small models see an enlarged picture."""
LONGEST = 4.0
"""Longer side over shorter side; above it, the usual centre crop sees less than a quarter."""
BLANK = 0.01
"""Standard deviation of every colour: below it, there is less than the noise of a photo."""
DARK = 0.2
"""All but the lightest 1 % of the pixels are darker, unlike a night scene with lights."""
BRIGHT = 0.85
"""All but the darkest 1 % of the pixels are lighter, unlike a drawing on white."""
BLURRED = 0.25
"""Sharpness. Of 50 images of each domain of PACS and of clothing, blurred by a Gaussian of 3 of 256
pixels, 19 of 20 have less; of 150 each as they are, all have 0.4 or more."""
UNUSUAL = 3.5
"""Robust standard deviations below the median of the set: where all images are soft, none is a
fault (Iglewicz and Hoaglin, 1993)."""
LEAST_DEVIATION = 0.1
"""Least deviation of the logarithm of sharpness: images that are all alike have almost none."""
UNREADABLE = 0.01
"""Fraction of a split up to which a run continues without its unreadable images."""
LEFT_OUT = "`adapt check DATA --fix quarantine.txt`, then `data.exclude: quarantine.txt`"
LOOK = "look at them, and list those that do not show their class in `data.exclude`"


def picture_findings(
    pictures: Sequence[Picture], places: Sequence[Place], smallest: int = SMALLEST
) -> list[Finding]:
    """Find images that are unreadable, misnamed, tiny, long, blank, dark, bright, blurred, ...

    An image that is blank is not also called dark or blurred.

    Args:
        pictures: From `measure`.
        places: Place of each image, in the same order.
        smallest: Shorter side, in pixels, below which an image is tiny.

    Returns:
        Findings with at least one image; `remove` names only images that cannot be used.

    >>> [found] = picture_findings([Picture("", "empty file")], [Place("train", "a.png", "cat")])
    >>> found.kind, found.message
    ('unreadable', '1 of 1 image cannot be read: 1 empty file')
    """
    readable = [row for row, picture in enumerate(pictures) if picture.error is None]
    blank = [row for row in readable if pictures[row].variation < BLANK]
    showing = sorted(set(readable) - set(blank))
    found = [
        _unreadable(pictures, places),
        _suffix(pictures, places, readable),
        _tiny(pictures, places, readable, smallest),
        _long(pictures, places, readable),
        _blank(pictures, places, blank),
        _dark(pictures, places, showing),
        _bright(pictures, places, showing),
        _blurred(pictures, places, showing),
        _frames(pictures, places, readable),
        _converted(pictures, places, readable),
    ]
    return [finding for finding in found if finding.places]


def _count(rows: Sequence[int], whole: Sequence[object]) -> str:
    return f"{len(rows)} of {plural(len(whole), 'image')}"


def _verb(rows: Sequence[int], singular: str, several: str) -> str:
    return singular if len(rows) == 1 else several


def _listed(places: Sequence[Place], rows: Iterable[int]) -> tuple[tuple[Place, ...], ...]:
    return tuple((places[row],) for row in rows)


def _ranked(rows: Iterable[int], values: Iterable[float]) -> tuple[list[int], tuple[float, ...]]:
    """Rows by value, smallest first, and the values."""
    pairs = sorted(zip(values, rows, strict=True))
    return [row for _, row in pairs], tuple(value for value, _ in pairs)


def _unreadable(pictures: Sequence[Picture], places: Sequence[Place]) -> Finding:
    rows = [row for row, picture in enumerate(pictures) if picture.error is not None]
    reasons = Counter(str(pictures[row].error) for row in rows)
    said = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    sizes = Counter(place.split for place in places)
    lost = Counter(places[row].split for row in rows)
    too_many = any(count > UNREADABLE * sizes[split] for split, count in lost.items())
    return Finding(
        kind="unreadable",
        level="error" if too_many else "warning",
        message=f"{_count(rows, pictures)} cannot be read: {said}",
        fix=f"copy or export them again; to continue without them: {LEFT_OUT}",
        places=_listed(places, rows),
        remove=tuple(places[row] for row in rows),
        details={"reasons": dict(reasons), "by_split": dict(lost)},
    )


def _suffix(
    pictures: Sequence[Picture], places: Sequence[Place], readable: Sequence[int]
) -> Finding:
    rows = [row for row in readable if not pictures[row].suffix_matches]
    formats = Counter(pictures[row].format for row in rows)
    what = _verb(rows, "has a suffix that does", "have suffixes that do")
    return Finding(
        kind="wrong_extension",
        level="note",
        message=f"{_count(rows, pictures)} {what} not fit the content: "
        + ", ".join(f"{count} {name}" for name, count in formats.most_common()),
        fix="rename them; until then they are read by their content",
        places=_listed(places, rows),
        details={"formats": dict(formats)},
    )


def _tiny(
    pictures: Sequence[Picture], places: Sequence[Place], readable: Sequence[int], smallest: int
) -> Finding:
    sides = {row: min(pictures[row].width, pictures[row].height) for row in readable}
    small = [row for row in readable if sides[row] < smallest]
    rows, values = _ranked(small, [float(sides[row]) for row in small])
    return Finding(
        kind="tiny",
        level="warning",
        message=f"{_count(rows, pictures)} {_verb(rows, 'is', 'are')} smaller than {smallest} "
        "pixels on the shorter side",
        fix="use the originals instead of thumbnails, or list them in `data.exclude`",
        places=_listed(places, rows),
        values=values,
        details={"smallest": smallest},
    )


def _long(pictures: Sequence[Picture], places: Sequence[Place], readable: Sequence[int]) -> Finding:
    sides = {row: sorted((pictures[row].width, pictures[row].height)) for row in readable}
    ratios = {row: long / short for row, (short, long) in sides.items() if long > LONGEST * short}
    rows, values = _ranked(ratios, [-ratio for ratio in ratios.values()])
    return Finding(
        kind="extreme_aspect",
        level="note",
        message=f"{_count(rows, pictures)} {_verb(rows, 'is', 'are')} more than {LONGEST:g} times "
        "as long as wide: the model sees only the centre",
        fix="crop them to what they show, or set `resize_mode: longest` in the preprocessing",
        places=_listed(places, rows),
        values=tuple(-value for value in values),
    )


def _blank(pictures: Sequence[Picture], places: Sequence[Place], rows: Sequence[int]) -> Finding:
    return Finding(
        kind="blank",
        level="warning",
        message=f"{_count(rows, pictures)} {_verb(rows, 'is', 'are')} blank",
        fix=LEFT_OUT,
        places=_listed(places, rows),
        values=tuple(pictures[row].variation for row in rows),
        remove=tuple(places[row] for row in rows),
    )


def _dark(pictures: Sequence[Picture], places: Sequence[Place], showing: Sequence[int]) -> Finding:
    dark = [row for row in showing if pictures[row].lightest < DARK]
    rows, values = _ranked(dark, [pictures[row].lightest for row in dark])
    return Finding(
        kind="dark",
        level="note",
        message=f"{_count(rows, pictures)} {_verb(rows, 'is', 'are')} dark all over",
        fix=LOOK,
        places=_listed(places, rows),
        values=values,
    )


def _bright(
    pictures: Sequence[Picture], places: Sequence[Place], showing: Sequence[int]
) -> Finding:
    bright = [row for row in showing if pictures[row].darkest > BRIGHT]
    rows, values = _ranked(bright, [1 - pictures[row].darkest for row in bright])
    return Finding(
        kind="bright",
        level="note",
        message=f"{_count(rows, pictures)} {_verb(rows, 'is', 'are')} bright all over",
        fix=LOOK,
        places=_listed(places, rows),
        values=tuple(1 - value for value in values),
    )


def _blurred(
    pictures: Sequence[Picture], places: Sequence[Place], showing: Sequence[int]
) -> Finding:
    sharpness = [pictures[row].sharpness for row in showing]
    bound = blur_bound(sharpness)
    blurred = [row for row in showing if pictures[row].sharpness < bound]
    rows, values = _ranked(blurred, [pictures[row].sharpness for row in blurred])
    return Finding(
        kind="blurred",
        level="note",
        message=f"{_count(rows, pictures)} {_verb(rows, 'is', 'are')} more blurred than the others",
        fix=LOOK,
        places=_listed(places, rows),
        values=values,
        details={"bound": bound},
    )


def blur_bound(sharpness: Sequence[float]) -> float:
    """Sharpness below which an image of a set is blurred.

    Args:
        sharpness: Of all images of the set.

    Returns:
        `BLURRED`, or less where the whole set is soft.

    >>> blur_bound([1.0, 1.1, 0.9, 1.0]), blur_bound([0.1] * 4) < 0.08
    (0.25, True)
    """
    steep = np.log([value for value in sharpness if value > 0])
    if steep.size == 0:
        return 0.0
    middle = float(np.median(steep))
    deviation = 1.4826 * float(np.median(np.abs(steep - middle)))
    unusual = middle - UNUSUAL * max(deviation, LEAST_DEVIATION)
    return min(BLURRED, float(np.exp(unusual)))


def _frames(
    pictures: Sequence[Picture], places: Sequence[Place], readable: Sequence[int]
) -> Finding:
    rows = [row for row in readable if pictures[row].frames > 1]
    return Finding(
        kind="several_frames",
        level="note",
        message=f"{_count(rows, pictures)} {_verb(rows, 'has', 'have')} several frames or pages; "
        "the first is used",
        fix="if the first does not show the class, save the frame that does as a separate image",
        places=_listed(places, rows),
        values=tuple(float(pictures[row].frames) for row in rows),
    )


def _converted(
    pictures: Sequence[Picture], places: Sequence[Place], readable: Sequence[int]
) -> Finding:
    rows = [row for row in readable if any("frames" not in note for note in pictures[row].notes)]
    notes = Counter(note for row in rows for note in pictures[row].notes if "frames" not in note)
    return Finding(
        kind="converted",
        level="note",
        message=f"{_count(rows, pictures)} {_verb(rows, 'was', 'were')} converted to be shown: "
        + ", ".join(f"{count} {note}" for note, count in notes.most_common(5)),
        fix="none needed; export them as upright 8-bit sRGB so that they look the same everywhere",
        places=_listed(places, rows),
        details={
            "notes": dict(notes),
            "modes": dict(Counter(pictures[row].mode for row in readable)),
        },
    )
