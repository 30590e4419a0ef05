"""Where files that can always be made again are kept: unpacked archives, features, answers."""

import os
from pathlib import Path


def cache_folder(*parts: str) -> Path:
    """A folder for one kind of such files; it is made by whoever writes there.

    That is below `ADAPT_CACHE` when the environment sets it, else below `XDG_CACHE_HOME/adapt`,
    else `~/.cache/adapt`. Deleting it loses nothing but time.

    Args:
        parts: Folder names below it.
    """
    own = os.environ.get("ADAPT_CACHE")
    if own:
        return Path(own).joinpath(*parts)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "adapt", *parts)
