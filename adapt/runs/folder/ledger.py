"""How often the test sets of a run folder were looked at, and what for."""

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
    """The openings written down so far, the first first; none where there is no ledger.

    Raises:
        RunError: When it cannot be read: what is not known is not called zero.
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
    """Write a ledger; an overwritten run hands on that of the one it replaces."""
    write_json(folder / FILE, {"format": 1, "openings": openings})


def eval_hashes(manifest: Mapping[str, Any], evals: Iterable[str]) -> dict[str, str]:
    """By name of each eval that stands in a manifest, one hash of its files and their labels.

    Args:
        manifest: Of the run; a corruption of an eval has no files of its own and is left out.
        evals: Their names.
    """
    found = {}
    for name in evals:
        if name in manifest["splits"]:
            files = sorted((one["sha256"], one["label"]) for one in manifest["splits"][name])
            found[name] = hashlib.sha256(json.dumps(files).encode()).hexdigest()
    return found


def open_tests(folder: Path, hashes: Mapping[str, str], purpose: str) -> dict[str, int]:
    """Write down that test sets are opened, before they are.

    Args:
        folder: Run folder.
        hashes: By name of each test set, the hash of its content; see `eval_hashes`.
        purpose: What its scores are for.

    Returns:
        By name, how often a set of this content has now been opened.
    """
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    found = read_ledger(folder)
    found += [
        {"time": now, "eval": name, "content": content, "purpose": purpose}
        for name, content in hashes.items()
    ]
    write_ledger(folder, found)
    return {
        name: sum(one["content"] == content for one in found) for name, content in hashes.items()
    }
