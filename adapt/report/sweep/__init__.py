"""The pages of a sweep, from the content of `sweep.json`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["write_pages"]


def write_pages(folder: Path, content: Mapping[str, Any]) -> list[Path]:
    """Write `sweep.html`, `sweep.md` and the figures of a sweep into its folder.

    Args:
        folder: Of the sweep.
        content: `sweep.json`.

    Returns:
        Both pages.

    Raises:
        RunError: When they cannot be written.
    """
    # Imported here so that a sweep is planned and refused without loading matplotlib.
    from adapt.report.sweep.page import write

    return write(folder, content)
