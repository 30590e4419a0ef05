"""Findings about single images: what cannot be used, and what looks unlike a good picture."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from adapt.checks.findings.finding import Finding, Place
from adapt.checks.findings.measure import Picture

SMALLEST = 32
"""Shorter side in pixels; below it even small models see a picture that was enlarged."""
LONGEST = 4.0
"""Longer side over shorter side; the usual centre crop sees less than a quarter of the image."""
BLANK = 0.01
"""Standard deviation of every colour: less than the noise of a photo of nothing."""
DARK = 0.2
"""All but the lightest 1 % of the pixels are darker: no white spot as in a night scene."""
BRIGHT = 0.85
"""All but the darkest 1 % of the pixels are lighter: no stroke as in a drawing on white."""
BLURRED = 0.25
"""Sharpness. Of 50 images of each domain of PACS and of clothing, blurred by a Gaussian of 3 of 256
pixels, 19 of 20 have less; of 150 each as they are, all have 0.4 or more."""
UNUSUAL = 3.5
"""Robust standard deviations below the median of the set: where all are soft, none is a fault
(Iglewicz and Hoaglin, 1993)."""
LEAST_DEVIATION = 0.1
"""Of the logarithm of sharpness; a set whose images are all alike has hardly any of its own."""
UNREADABLE = 0.01
"""Share of a split up to which a run goes on without the images that it cannot read."""
LEFT_OUT = "`adapt check DATA --fix quarantine.txt`, then `data.exclude: quarantine.txt`"
LOOK = "look at them, and list in `data.exclude` those that show nothing of their class"


def picture_findings(
    pictures: Sequence[Picture], places: Sequence[Place], smallest: int = SMALLEST
) -> list[Finding]:
    """Say which images are unreadable, misnamed, tiny, long, blank, dark, bright, blurred, ...

    An image that is blank is not also called dark or blurred.

    Args:
        pictures: From `measure`.
        places: Where each stands, in the same order.
        smallest: Shorter side, in pixels, below which an image is tiny.

    Returns:
        Findings with at least one image; `remove` names only what cannot be used.

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
    return f"{len(rows)} of {len(whole)} {'image' if len(whole) == 1 else 'images'}"


def _verb(rows: Sequence[int], one: str, many: str) -> str:
    return one if len(rows) == 1 else many


def _listed(places: Sequence[Place], rows: Iterable[int]) -> tuple[tuple[Place, ...], ...]:
    return tuple((places[row],) for row in rows)


def _ranked(rows: Iterable[int], values: Iterable[float]) -> tuple[list[int], tuple[float, ...]]:
    """Rows by value, the smallest first, and the values."""
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
        fix=f"copy or export them again; to go on without them {LEFT_OUT}",
        places=_listed(places, rows),
        remove=tuple(places[row] for row in rows),
        details={"reasons": dict(reasons), "by_split": dict(lost)},
    )


def _suffix(
    pictures: Sequence[Picture], places: Sequence[Place], readable: Sequence[int]
) -> Finding:
    rows = [row for row in readable if not pictures[row].suffix_matches]
    formats = Counter(pictures[row].format for row in rows)
    what = _verb(rows, "has a name that ends", "have names that end")
    return Finding(
        kind="wrong_extension",
        level="note",
        message=f"{_count(rows, pictures)} {what} unlike the format of the content: "
        + ", ".join(f"{count} {name}" for name, count in formats.most_common()),
        fix="rename them; they are read by their content",
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
        fix="take the originals in place of thumbnails, or list them in `data.exclude`",
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
        fix="cut out what is to be seen, or set `resize_mode: longest` in the preprocessing",
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
        message=f"{_count(rows, pictures)} {_verb(rows, 'is', 'are')} blurred, unlike the others",
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
        "the first is taken",
        fix="save the frame that shows the class as an image of its own, if it is not the first",
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
        fix="none needed; export them as upright 8-bit sRGB to see the same everywhere",
        places=_listed(places, rows),
        details={
            "notes": dict(notes),
            "modes": dict(Counter(pictures[row].mode for row in readable)),
        },
    )
