"""What a check writes: `check.json`, small pictures for the page, and the list of `--fix`."""

import base64
import io
import shlex
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image

from adapt.checks.findings.finding import LEVELS, Finding, Place
from adapt.checks.findings.measure import Picture
from adapt.checks.findings.names import PLACEHOLDER, PROPOSED
from adapt.common.files import plain, write_json, write_text
from adapt.data.decoding.open import ImageError, open_image
from adapt.data.splits.exclusions import Excluded, exclusion_line, format_exclusions
from adapt.report.check_page import ExclusionChoice, shown_places

SIDE = 160
"""Longest side of a small picture, in pixels."""
QUALITY = 82
LABELS = "suspected_label"
Entry = dict[str, Any]
Key = tuple[str, str]
"""Set and path of an image."""
ORDER = (
    "unreadable",
    "conflicting_label",
    "extra_class",
    "leak",
    "near_leak",
    "suspected_label",
    "near_conflicting_label",
    "exact_copy",
    "near_copy",
)
"""The kinds that change scores most, most serious first; others follow in their order."""


def finding_entry(finding: Finding, pictures: Mapping[Key, Picture]) -> Entry:
    """A finding as `check.json` holds it.

    Args:
        finding: The finding.
        pictures: The measurements, by set and path.
    """

    def entry(place: Place) -> Entry:
        picture = pictures[place.split, place.path]
        error = {} if picture.error is None else {"error": picture.error}
        return {**place._asdict(), "sha256": picture.sha256, **error}

    return {
        "kind": finding.kind,
        "level": finding.level,
        "message": finding.message,
        "fix": finding.fix,
        "places": [[entry(place) for place in places] for places in finding.places],
        "values": [plain(value) for value in finding.values],
        "remove": [entry(place) for place in finding.remove],
        "details": plain(finding.details),
    }


def entry_finding(entry: Mapping[str, Any]) -> Finding:
    """The inverse of `finding_entry`.

    >>> entry = finding_entry(Finding("blank", "note", "1 image is blank", "look at it"), {})
    >>> entry_finding(entry).kind
    'blank'
    """

    def place(stored: Mapping[str, str]) -> Place:
        return Place(stored["split"], stored["path"], stored["label"])

    return Finding(
        entry["kind"],
        entry["level"],
        entry["message"],
        entry["fix"],
        tuple(tuple(map(place, places)) for places in entry["places"]),
        tuple(entry["values"]),
        tuple(map(place, entry["remove"])),
        dict(entry["details"]),
    )


def addressed(content: Entry, data: str) -> Entry:
    """Put the data into the commands that fix a finding, so that they can be copied."""
    command = f"adapt check {shlex.quote(data)}"
    findings = [
        finding | {"fix": finding["fix"].replace("adapt check DATA", command)}
        for finding in content["findings"]
    ]
    return content | {"data": data, "findings": findings}


def in_order(findings: list[Finding]) -> list[Finding]:
    """By level, then by how much they change scores."""

    def rank(finding: Finding) -> tuple[int, int]:
        place = ORDER.index(finding.kind) if finding.kind in ORDER else len(ORDER)
        return LEVELS.index(finding.level), place

    return sorted(findings, key=rank)


def exclusions(content: Mapping[str, Any], labels: bool = False) -> list[Excluded]:
    """The lines of a list for `data.exclude`: every image that a finding asks to leave out.

    Args:
        content: `check.json`.
        labels: Whether to include suspected labels; a suspicion is no proof.

    Returns:
        One line per image, under the first finding that names it. A file that cannot be opened has
        no content hash and is not listed.
    """
    lines: dict[Key, Excluded] = {}
    for finding in content["findings"]:
        named = list(finding["remove"])
        if labels and finding["kind"] == LABELS:
            named += [place for places in finding["places"] for place in places]
        for place in named:
            line = Excluded(place["sha256"], place["split"], place["path"], finding["kind"])
            if line.sha256:
                lines.setdefault((line.split, line.path), line)
    return list(lines.values())


def choices(content: Mapping[str, Any]) -> dict[Key, ExclusionChoice]:
    """What the page needs to save a list: the line of each image that a finding shows or removes.

    Args:
        content: `check.json`.
    """
    removed = {(line.split, line.path): line for line in exclusions(content)}
    lines = dict(removed)
    for finding in content["findings"]:
        for place in (place for places in finding["places"] for place in places):
            line = Excluded(place["sha256"], place["split"], place["path"], finding["kind"])
            if line.sha256:
                lines.setdefault((line.split, line.path), line)
    return {
        key: ExclusionChoice(exclusion_line(line), key in removed) for key, line in lines.items()
    }


def write_check(folder: Path, content: Mapping[str, Any]) -> Path:
    """Write `check.json`; see `write_json`."""
    return write_json(folder / "check.json", content)


def write_exclusions(
    path: str | Path, content: Mapping[str, Any], labels: bool = False
) -> list[Excluded]:
    """Write the list of `--fix`; see `exclusions` and `write_text`."""
    lines = exclusions(content, labels)
    write_text(Path(path), format_exclusions(lines))
    return lines


def proposed_names(content: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Lines for `data.classes`: the words of classes whose names are not written as words.

    Args:
        content: `check.json`.

    Returns:
        Lines of words that can be guessed, and of those that only the user knows.
    """
    told = {
        entry["name"]: entry["line"]
        for finding in content["findings"]
        if finding["kind"] in PROPOSED
        for entry in finding["details"]["classes"]
    }
    lines = [told[name] for name in sorted(told)]
    unknown = [line for line in lines if line.endswith(PLACEHOLDER)]
    return [line for line in lines if line not in unknown], unknown


def write_names(path: str | Path, content: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Write class names for `data.classes`; see `proposed_names` and `write_text`.

    What only the user knows stands in comments, so that it is not taken for words.
    """
    lines, unknown = proposed_names(content)
    write_text(Path(path), "\n".join([*lines, *(f"# {line}" for line in unknown), ""]))
    return lines, unknown


def small_pictures(
    content: Mapping[str, Any], paths: Mapping[str, str], step: Callable[[int], None]
) -> dict[str, str]:
    """Data URIs of the images that the page shows, by content hash.

    Args:
        content: `check.json`.
        paths: One file for each content hash.
        step: Called with the number of pictures that are done.
    """
    wanted = [
        place["sha256"]
        for finding in content["findings"]
        for places in shown_places(finding)
        for place in places
        if place["sha256"]
    ]
    hashes = list(dict.fromkeys(wanted))
    uris: dict[str, str] = {}
    with ThreadPoolExecutor(4) as pool:
        drawn = pool.map(small_picture, [paths[digest] for digest in hashes])
        for done, (digest, picture) in enumerate(zip(hashes, drawn, strict=True), start=1):
            if picture is not None:
                uris[digest] = picture
            step(done)
    return uris


def small_picture(path: str) -> str | None:
    """A JPEG of at most `SIDE` pixels as a data URI, or None for a file that cannot be read."""
    try:
        return picture_uri(open_image(path, at_least=SIDE))
    except ImageError:
        return None


def picture_uri(image: Image.Image) -> str:
    """A JPEG of at most `SIDE` pixels as a data URI."""
    width, height = image.size
    scale = SIDE / max(width, height)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
