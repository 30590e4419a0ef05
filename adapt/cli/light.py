"""What a command leaves out of its imports, because most models do not need it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

TRANSFORMERS = "transformers"


@contextmanager
def without_transformers() -> Iterator[None]:
    """Import open_clip inside without transformers, which takes a third of the time of a command.

    Only text encoders of Hugging Face need it, and find it when they are built. For commands alone:
    in a program of others open_clip must find all that is installed.
    """
    if TRANSFORMERS in sys.modules or "open_clip" in sys.modules:
        yield
        return
    sys.modules[TRANSFORMERS] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[TRANSFORMERS]
