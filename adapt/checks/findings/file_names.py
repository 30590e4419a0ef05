"""File names that other systems cannot hold, or that do not show what they are."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

from adapt.checks.findings.finding import Finding, Place
from adapt.common.words import DEVICE_NAMES, first_few, plural
from adapt.data.labels.classes import folded

LONGEST = 255
"""Bytes of a name, without its folders, that usual file systems take."""
_NOT_ON_WINDOWS = re.compile(r'[<>:"|?*\\]')
_HIDDEN = ("Cc", "Cf", "Zl", "Zp")
"""Unicode categories of control characters, direction and joining signs, and ends of lines."""


def name_problem(part: str) -> str:
    """Why a file or folder name is a risk, or an empty text.

    Args:
        part: One part of a path.

    >>> name_problem("CON.png"), name_problem("a."), name_problem("cat.png")
    ('is reserved on Windows', 'ends in a dot or blank', '')
    """
    if any("\ud800" <= sign <= "\udfff" for sign in part):
        return "is not UTF-8"
    if any(unicodedata.category(sign) in _HIDDEN for sign in part):
        return "holds a line end, control or invisible character"
    if DEVICE_NAMES.fullmatch(part.split(".")[0].rstrip()):
        return "is reserved on Windows"
    if part.endswith((".", " ")):
        return "ends in a dot or blank"
    if _NOT_ON_WINDOWS.search(part):
        return "holds a character that Windows does not take"
    return f"has more than {LONGEST} bytes" if len(part.encode()) > LONGEST else ""


def file_name_findings(places: Sequence[Place]) -> list[Finding]:
    """Find files that are lost or renamed when the images are copied to another system.

    Args:
        places: Of all images.

    Returns:
        Finding `file_name`, a note, or nothing. `details["problems"]` counts each problem.
    """
    problems: dict[int, str] = {}
    same: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, place in enumerate(places):
        parts = reversed(place.path.split("/"))
        said = next((text for part in parts if (text := name_problem(part))), "")
        if said:
            problems[row] = said
        same[place.split, folded(place.path)].append(row)
    for rows in same.values():
        if len({places[row].path for row in rows}) > 1:
            problems |= dict.fromkeys(rows, "differs from another only in case or form")
    if not problems:
        return []
    rows = sorted(problems)
    counts = Counter(problems.values())
    shown = first_few([f"{count} {text}" for text, count in counts.most_common()])
    verb = "has a name" if len(rows) == 1 else "have names"
    return [
        Finding(
            "file_name",
            "note",
            f"{len(rows)} of {plural(len(places), 'image')} {verb} that other systems may not "
            f"hold, or show as another: {shown}",
            "rename them before you copy or pack them; here they are used as they are",
            tuple((places[row],) for row in rows),
            details={"problems": dict(counts)},
        )
    ]
