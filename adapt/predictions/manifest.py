"""`predictions.json`: what predictions were made with, how many there are, and what is finished.

It holds no times and no places that change, so that a run that was killed and went on leaves the
bytes of one that was not.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from adapt.common.content import content_hash
from adapt.common.files import write_json
from adapt.common.typed import misfit
from adapt.errors import RecipeError, RunError
from adapt.runs.folder.resume import differences

NAME, FORMAT = "predictions.json", 1
AGAIN = "begin again with --overwrite"


@dataclass(frozen=True)
class Part:
    """One table that is finished, and what lies beside it."""

    files: dict[str, str]
    """SHA-256 of the table and of its features, by file name."""
    rows: int
    names: str
    """SHA-256 of the names of its images: another source is found out without opening one."""
    errors: dict[str, int]
    """Number of images with an error, by reason."""

    def check(self, folder: Path) -> None:
        """Check that its files are as they were written.

        Raises:
            RunError: When one is missing or altered.
        """
        for name, expected in self.files.items():
            path = folder / name
            if not path.is_file() or content_hash(path) != expected:
                what = "altered" if path.is_file() else "missing"
                raise RunError(f"{path} - {what} - it was finished before - {AGAIN}")


@dataclass
class Manifest:
    """All of `predictions.json`."""

    made: dict[str, Any]
    """Versions, hash of the model, source, settings: what must be equal for rows to be equal."""
    parts: list[Part] = field(default_factory=list)
    """In order."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Files that are no images, by suffix, once all is finished."""
    finished: bool = False

    @property
    def rows(self) -> int:
        """Rows of all finished parts."""
        return sum(part.rows for part in self.parts)

    @property
    def errors(self) -> dict[str, int]:
        """Images with an error, by reason, most frequent first."""
        total = Counter[str]()
        for part in self.parts:
            total.update(part.errors)
        return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))

    def write(self, path: Path) -> None:
        """Write it, whole or not at all."""
        counts = {"images": self.rows, "errors": self.errors, "skipped": self.skipped}
        content = {"format": FORMAT, **self.made, "finished": self.finished, "counts": counts}
        write_json(path, {**content, "parts": [asdict(part) for part in self.parts]})

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """Read it.

        Raises:
            RunError: When it is damaged, or from another version.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("format") != FORMAT:
                raise ValueError("another format")
            rest = {name: content.pop(name) for name in ("finished", "counts", "parts")}
            skipped = rest["counts"]["skipped"]
            parts = [_part(given) for given in rest["parts"]]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise RunError(f"{path} - cannot be read - {reason} - {AGAIN}") from error
        return cls(content, parts, skipped, bool(rest["finished"]))


def check_same(before: Mapping[str, Any], after: Mapping[str, Any], folder: Path) -> None:
    """Check that rows which are to be added would be made as those that are there.

    Args:
        before: What those were made with.
        after: What is there now.
        folder: Where they are, for the message.

    Raises:
        RecipeError: Lists everything that differs.
    """
    others = [f"{key} was {was}, is {now}" for key, was, now in differences(before, after)]
    if others:
        lines = "\n  ".join(others)
        differ = "1 differs" if len(others) == 1 else f"{len(others)} differ"
        raise RecipeError(
            f"{folder} - cannot go on otherwise than it began - {differ} from the "
            f"beginning - set them back, or {AGAIN}:\n  {lines}"
        )


def _part(given: Any) -> Part:
    hints: dict[str, Any] = {
        "files": dict[str, str], "rows": int, "names": str, "errors": dict[str, int],
    }  # fmt: skip
    if set(given) != {item.name for item in fields(Part)}:
        raise ValueError(f"fields of a part: {', '.join(map(str, given))}")
    for key, hint in hints.items():
        if problem := misfit(hint, given[key], f"parts.{key}"):
            raise ValueError(problem)
    if strange := [name for name in given["files"] if Path(name).name != name]:
        raise ValueError(f"a file outside of the folder: {strange[0]}")
    return Part(**given)
