"""Pages whose words are written by hand and whose tables are written by a script."""

from collections.abc import Sequence
from pathlib import Path


def rewrite_below(page: Path, marker: str, lines: Sequence[str]) -> None:
    """Write everything below the marker of a page anew; what stands above it stays.

    Args:
        page: A Markdown file.
        marker: Its own line; it is added where it is missing.
        lines: What stands below.
    """
    words = page.read_text(encoding="utf-8").split(marker)[0].rstrip()
    page.write_text("\n".join([words, "", marker, *lines]) + "\n", encoding="utf-8")
