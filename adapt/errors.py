"""Everything `adapt` raises on purpose. Each message reads: path - what - given - what to do."""

import difflib
from collections.abc import Iterable


class AdaptError(Exception):
    """Base of all errors raised on purpose; ``exit_code`` is what the command line returns."""

    exit_code = 2


class RecipeError(AdaptError, ValueError):
    """A recipe or an argument is wrong. Holds every problem found, one per line."""


class ModelError(AdaptError, ValueError):
    """A model cannot be built as asked: unknown name, missing weights, wrong pairing."""


class DataError(AdaptError, ValueError):
    """Images or labels cannot be used as they are."""

    exit_code = 3


class WeightsError(AdaptError, ValueError):
    """State dicts that should match do not."""

    exit_code = 4


class BundleError(AdaptError, ValueError):
    """A bundle is damaged, altered, or not one of ours."""

    exit_code = 4


class RunError(AdaptError, RuntimeError):
    """Training or writing failed midway; what was finished is kept."""

    exit_code = 5


class MissingExtraError(AdaptError, ImportError):
    """An optional package is needed."""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """A short hint naming the nearest known word, or the empty string.

    >>> did_you_mean("lra", ["lora", "full"])
    ", did you mean 'lora'?"
    >>> did_you_mean("xyz", ["lora", "full"])
    ''
    """
    near = difflib.get_close_matches(given, list(known), n=1, cutoff=0.5)
    return f", did you mean {near[0]!r}?" if near else ""
