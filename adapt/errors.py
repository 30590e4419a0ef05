"""Everything `adapt` raises on purpose. Each message reads: path - what - given - what to do."""

import difflib
from collections.abc import Iterable
from pathlib import Path

LONGEST_REASON = 300
NO_MEMORY = (
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
    "MPS backend out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "could not create a primitive",  # oneDNN, whose kernels need memory of their own
)
"""In errors of PyTorch that have no type of their own."""


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
    """State dicts that should match do not, or weights are not numbers."""

    exit_code = 4


class BundleError(AdaptError, ValueError):
    """A bundle is damaged, altered, or not one of ours."""

    exit_code = 4


class RunError(AdaptError, RuntimeError):
    """Training or writing failed midway; what was finished is kept."""

    exit_code = 5


class Interrupted(KeyboardInterrupt):
    """A run was stopped by a signal and can be continued in its folder.

    No `AdaptError`: code that goes on after errors must end here.

    Args:
        sentence: What was saved.
        folder: Run folder.
    """

    def __init__(self, sentence: str, folder: Path) -> None:
        super().__init__(sentence)
        self.folder = folder


class MissingExtraError(AdaptError, ImportError):
    """An optional package is needed."""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """A short hint naming the nearest known word, or the empty string.

    >>> did_you_mean("lra", ["lora", "full"])
    ", did you mean 'lora'?"
    >>> did_you_mean("xyz", ["lora", "full"])
    ''
    """
    near = difflib.get_close_matches(given, list(known), n=1, cutoff=0.51)
    return f", did you mean {near[0]!r}?" if near else ""


def one_line(error: BaseException) -> str:
    r"""Why something failed, on one line, without the advice of others to read unsafe files.

    >>> one_line(ValueError("first\n  second"))
    'first second'
    >>> one_line(ValueError("Weights only load failed ... set `weights_only` to `False` ..."))
    'it holds more than tensors, and what else it holds could run code'
    """
    text = " ".join(str(error).split())
    if "weights_only" in text or "Weights only" in text:
        return "it holds more than tensors, and what else it holds could run code"
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} ..."


def out_of_memory(error: BaseException) -> bool:
    """Whether a device or the machine had no memory left; PyTorch need not be there.

    >>> out_of_memory(MemoryError()), out_of_memory(RuntimeError("shapes differ"))
    (True, False)
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in NO_MEMORY)
