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
from adapt.common.files import plain, write_json, write_text
from adapt.data.decoding.open import ImageError, open_image
from adapt.data.splits.exclusions import Excluded, format_exclusions
from adapt.report.check_page import shown_places

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
"""Kinds that change scores most, the gravest first; others follow as they were made."""


def finding_entry(finding: Finding, pictures: Mapping[Key, Picture]) -> Entry:
    """A finding as it stands in `check.json`.

    Args:
        finding: What was found.
        pictures: What was measured, by set and path.
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
        tuple(tuple(place(one) for one in places) for places in entry["places"]),
        tuple(entry["values"]),
        tuple(place(one) for one in entry["remove"]),
        dict(entry["details"]),
    )


def addressed(content: Entry, data: str) -> Entry:
    """The commands that mend a finding with the data they are about, ready to be copied."""
    command = f"adapt check {shlex.quote(data)}"
    findings = [
        one | {"fix": one["fix"].replace("adapt check DATA", command)}
        for one in content["findings"]
    ]
    return content | {"data": data, "findings": findings}


def in_order(findings: list[Finding]) -> list[Finding]:
    """By level, then by how much they change scores."""

    def rank(one: Finding) -> tuple[int, int]:
        place = ORDER.index(one.kind) if one.kind in ORDER else len(ORDER)
        return LEVELS.index(one.level), place

    return sorted(findings, key=rank)


def exclusions(content: Mapping[str, Any], labels: bool = False) -> list[Excluded]:
    """The lines of a list for `data.exclude`: every image that a finding would have left out.

    Args:
        content: `check.json`.
        labels: Whether suspected labels are among them; suspicion is no proof.

    Returns:
        One line an image, each under the first finding that names it. A file that cannot be
        opened has no content to be known by and is not among them.
    """
    lines: dict[Key, Excluded] = {}
    for finding in content["findings"]:
        named = list(finding["remove"])
        if labels and finding["kind"] == LABELS:
            named += [place for places in finding["places"] for place in places]
        for one in named:
            line = Excluded(one["sha256"], one["split"], one["path"], finding["kind"])
            if line.sha256:
                lines.setdefault((line.split, line.path), line)
    return list(lines.values())


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


def small_pictures(
    content: Mapping[str, Any], paths: Mapping[str, str], step: Callable[[int], None]
) -> dict[str, str]:
    """Data URIs of the images that the page shows, by content hash.

    Args:
        content: `check.json`.
        paths: A file of each content.
        step: Called with how many are done.
    """
    wanted = [
        place["sha256"]
        for finding in content["findings"]
        for places in shown_places(finding)
        for place in places
        if place["sha256"]
    ]
    hashes = list(dict.fromkeys(wanted))
    found: dict[str, str] = {}
    with ThreadPoolExecutor(4) as pool:
        drawn = pool.map(small_picture, [paths[digest] for digest in hashes])
        for done, (digest, picture) in enumerate(zip(hashes, drawn, strict=True), start=1):
            if picture is not None:
                found[digest] = picture
            step(done)
    return found


def small_picture(path: str) -> str | None:
    """A JPEG of at most `SIDE` pixels as a data URI, or None for a file that cannot be read."""
    try:
        image = open_image(path, at_least=SIDE)
    except ImageError:
        return None
    width, height = image.size
    scale = SIDE / max(width, height)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
