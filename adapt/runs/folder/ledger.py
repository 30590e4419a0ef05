"""How often the test sets of a run folder were opened, and what for."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from adapt.common.files import write_json
from adapt.errors import RunError

FILE = "ledger.json"


def read_ledger(folder: Path) -> list[dict[str, Any]]:
    """The openings recorded so far, oldest first; none when there is no ledger.

    Raises:
        RunError: When it cannot be read: an unknown number is not zero.
    """
    path = folder / FILE
    if not path.is_file():
        return []
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["openings"])
    except (ValueError, LookupError, TypeError) as error:
        raise RunError(
            f"{path} - not a ledger - {error} - move the run folder away and run again"
        ) from error


def write_ledger(folder: Path, openings: list[dict[str, Any]]) -> None:
    """Write the ledger; a run that replaces another continues its ledger."""
    write_json(folder / FILE, {"format": 1, "openings": openings})


def eval_hashes(manifest: Mapping[str, Any], evals: Iterable[str]) -> dict[str, str]:
    """One hash of the files and labels of each eval in a manifest, by name.

    Args:
        manifest: Of the run; a corruption of an eval has no files of its own and is left out.
        evals: Names of evals.
    """
    hashes = {}
    for name in evals:
        if name in manifest["splits"]:
            files = sorted((row["sha256"], row["label"]) for row in manifest["splits"][name])
            hashes[name] = hashlib.sha256(json.dumps(files).encode()).hexdigest()
    return hashes


def open_tests(folder: Path, hashes: Mapping[str, str], purpose: str, by: str) -> dict[str, int]:
    """Record that test sets are about to be opened.

    A run that was stopped and goes on looks at the same model again: that is the same opening.

    Args:
        folder: Run folder.
        hashes: Hash of the content of each test set, by name; see `eval_hashes`.
        purpose: What the scores are for.
        by: Name of the run, the same each time that it goes on.

    Returns:
        How often a set with this content has now been opened, by name.
    """
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    openings = read_ledger(folder)
    known = {(opening.get("by"), opening["eval"], opening["content"]) for opening in openings}
    openings += [
        {"time": now, "eval": name, "content": content, "purpose": purpose, "by": by}
        for name, content in hashes.items()
        if (by, name, content) not in known
    ]
    write_ledger(folder, openings)
    return {
        name: sum(opening["content"] == content for opening in openings)
        for name, content in hashes.items()
    }
