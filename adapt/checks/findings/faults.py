"""Findings about single images: what cannot be used, and what does not look like a good photo."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

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
UNUSABLE = ("unreadable", "blank")
"""Kinds whose images are left out by `--fix`."""
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
    """
    images = _MeasuredImages(pictures, places)
    readable = [row for row, picture in enumerate(pictures) if picture.error is None]
    blank = [row for row in readable if pictures[row].variation < BLANK]
    showing = sorted(set(readable) - set(blank))
    findings = [
        _unreadable(images),
        _suffix(images, readable),
        _tiny(images, readable, smallest),
        _long(images, readable),
        _blank(images, blank),
        _dark(images, showing),
        _bright(images, showing),
        _blurred(images, showing),
        _frames(images, readable),
        _converted(images, readable),
    ]
    return [finding for finding in findings if finding.places]


def decoding_findings(pictures: Sequence[Picture], places: Sequence[Place]) -> list[Finding]:
    """The findings that need nothing but what decoding has shown: names, shapes, frames, colours.

    Args:
        pictures: From `decoded_picture`; those without a format were not decoded.
        places: Place of each image, in the same order.
    """
    images = _MeasuredImages(pictures, places)
    known = [row for row, picture in enumerate(pictures) if picture.format]
    findings = [
        _suffix(images, known),
        _long(images, known),
        _frames(images, known),
        _converted(images, known),
    ]
    return [finding for finding in findings if finding.places]


class _MeasuredImages:
    """The images of a check, from which findings are made."""

    def __init__(self, pictures: Sequence[Picture], places: Sequence[Place]) -> None:
        self.pictures, self.places = pictures, places

    def where(self, rows: Iterable[int], holds: Callable[[Picture], bool]) -> list[int]:
        """The rows whose picture is such."""
        return [row for row in rows if holds(self.pictures[row])]

    def ranked(self, rows: Iterable[int], value: Callable[[Picture], float]) -> list[int]:
        """Rows by value, smallest first."""
        return sorted(rows, key=lambda row: (value(self.pictures[row]), row))

    def finding(
        self,
        kind: str,
        level: str,
        rows: Sequence[int],
        says: str,
        fix: str,
        value: Callable[[Picture], float] | None = None,
        details: dict[str, Any] | None = None,
    ) -> Finding:
        """One finding about these rows; `says` is `singular|plural` of what follows their count."""
        singular, _, several = says.partition("|")
        verb = several if len(rows) != 1 and several else singular
        return Finding(
            kind,
            level,
            f"{len(rows)} of {plural(len(self.pictures), 'image')} {verb}",
            fix,
            tuple((self.places[row],) for row in rows),
            () if value is None else tuple(float(value(self.pictures[row])) for row in rows),
            tuple(self.places[row] for row in rows) if kind in UNUSABLE else (),
            details or {},
        )


def _counted(counts: Counter[str], most: int | None = None) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common(most))


def _unreadable(images: _MeasuredImages) -> Finding:
    rows = [row for row, picture in enumerate(images.pictures) if picture.error is not None]
    reasons = Counter(str(images.pictures[row].error) for row in rows)
    sizes = Counter(place.split for place in images.places)
    lost = Counter(images.places[row].split for row in rows)
    too_many = any(count > UNREADABLE * sizes[split] for split, count in lost.items())
    level, says = "error" if too_many else "warning", f"cannot be read: {_counted(reasons)}"
    fix = f"copy or export them again; to continue without them: {LEFT_OUT}"
    details = {"reasons": dict(reasons), "by_split": dict(lost)}
    return images.finding("unreadable", level, rows, says, fix, details=details)


def _suffix(images: _MeasuredImages, readable: Sequence[int]) -> Finding:
    rows = images.where(readable, lambda picture: not picture.suffix_matches)
    formats = Counter(images.pictures[row].format for row in rows)
    what = f"not fit the content: {_counted(formats)}"
    says = f"has a suffix that does {what}|have suffixes that do {what}"
    fix = "rename them; until then they are read by their content"
    details = {"formats": dict(formats)}
    return images.finding("wrong_extension", "note", rows, says, fix, details=details)


def _tiny(images: _MeasuredImages, readable: Sequence[int], smallest: int) -> Finding:
    def side(picture: Picture) -> int:
        return min(picture.width, picture.height)

    rows = images.ranked(images.where(readable, lambda shown: side(shown) < smallest), side)
    what = f"smaller than {smallest} pixels on the shorter side"
    fix = "use the originals instead of thumbnails, or list them in `data.exclude`"
    details = {"smallest": smallest}
    return images.finding("tiny", "warning", rows, f"is {what}|are {what}", fix, side, details)


def _long(images: _MeasuredImages, readable: Sequence[int]) -> Finding:
    def ratio(picture: Picture) -> float:
        short, long = sorted((picture.width, picture.height))
        return long / short

    long = images.where(readable, lambda picture: ratio(picture) > LONGEST)
    rows = images.ranked(long, lambda picture: -ratio(picture))
    what = f"more than {LONGEST:g} times as long as wide: the model sees only the centre"
    fix = "crop them to what they show, or set `resize_mode: longest` in the preprocessing"
    return images.finding("extreme_aspect", "note", rows, f"is {what}|are {what}", fix, ratio)


def _blank(images: _MeasuredImages, rows: Sequence[int]) -> Finding:
    says, value = "is blank|are blank", lambda picture: picture.variation
    return images.finding("blank", "warning", rows, says, LEFT_OUT, value)


def _dark(images: _MeasuredImages, showing: Sequence[int]) -> Finding:
    def lightest(picture: Picture) -> float:
        return picture.lightest

    rows = images.ranked(images.where(showing, lambda shown: shown.lightest < DARK), lightest)
    says = "is dark all over|are dark all over"
    return images.finding("dark", "note", rows, says, LOOK, lightest)


def _bright(images: _MeasuredImages, showing: Sequence[int]) -> Finding:
    bright = images.where(showing, lambda picture: picture.darkest > BRIGHT)
    rows = images.ranked(bright, lambda picture: -picture.darkest)
    says = "is bright all over|are bright all over"
    return images.finding("bright", "note", rows, says, LOOK, lambda picture: picture.darkest)


def _blurred(images: _MeasuredImages, showing: Sequence[int]) -> Finding:
    def sharpness(picture: Picture) -> float:
        return picture.sharpness

    bound = blur_bound([images.pictures[row].sharpness for row in showing])
    rows = images.ranked(images.where(showing, lambda shown: shown.sharpness < bound), sharpness)
    says = "is more blurred than the others|are more blurred than the others"
    return images.finding("blurred", "note", rows, says, LOOK, sharpness, {"bound": bound})


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


def _frames(images: _MeasuredImages, readable: Sequence[int]) -> Finding:
    rows = images.where(readable, lambda picture: picture.frames > 1)
    what = "several frames or pages; the first is used"
    fix = "if the first does not show the class, save the frame that does as a separate image"
    says = f"has {what}|have {what}"
    return images.finding("several_frames", "note", rows, says, fix, lambda shown: shown.frames)


def _converted(images: _MeasuredImages, readable: Sequence[int]) -> Finding:
    notes = {
        row: [note for note in images.pictures[row].notes if "frames" not in note]
        for row in readable
    }
    rows = [row for row in readable if notes[row]]
    counts = Counter(note for row in rows for note in notes[row])
    what = f"converted to be shown: {_counted(counts, 5)}"
    fix = "none needed; export them as upright 8-bit sRGB so that they look the same everywhere"
    modes = Counter(images.pictures[row].mode for row in readable)
    details = {"notes": dict(counts), "modes": dict(modes)}
    return images.finding("converted", "note", rows, f"was {what}|were {what}", fix, None, details)
