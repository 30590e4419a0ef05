"""What a format is, and all formats by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from adapt.common.registry import Registry
from adapt.common.words import listed
from adapt.data.decoding.preprocessing import PixelArray
from adapt.errors import BundleError, MissingExtraError, RecipeError, did_you_mean
from adapt.export.answers import Runtime
from adapt.export.record import Record
from adapt.models.classifier import Classifier


@dataclass(frozen=True)
class Format:
    """One way of writing a model.

    Attributes:
        what: What it is, for a listing.
        write: Writes the files of a model into a folder that is empty.
        read: Opens such a folder in the runtime that the format is for.
        needs: Modules of the optional dependencies.
        extra: Name of the extra that installs these.
        int8: Replaces the written model by one in eight bits, given images (S, S, 3) of uint8 to
            take the ranges of activations from; None where the format has none.
        card: Name of the file for the model card; empty where there is none.
        runs_code: Whether what is opened can run code: only a trusted one is opened then.
    """

    what: str
    write: Callable[[Classifier, Path], object]
    read: Callable[[Path, Record], Runtime]
    needs: tuple[str, ...] = ()
    extra: str = ""
    int8: Callable[[Path, Sequence[PixelArray]], object] | None = None
    card: str = ""
    runs_code: bool = False

    def check_installed(self, name: str) -> None:
        """Check that its optional dependencies are there.

        Raises:
            MissingExtraError: Naming the extra.
        """
        for module in self.needs:
            try:
                import_module(module)
            except ImportError as error:
                raise MissingExtraError(
                    f"format {name} - {module} is not installed - {error} - "
                    f"pip install 'adapt-clip[{self.extra}]'"
                ) from error

    def check_trusted(self, folder: Path, name: str, trust: bool) -> None:
        """Refuse to open what can run code, unless its origin is trusted.

        Raises:
            BundleError: With the way to open it.
        """
        if self.runs_code and not trust:
            raise BundleError(
                f"{folder} - opening a {name} program can run code - PyTorch reads it with pickle "
                "and eval - if you know where it comes from, add trust=True or --trust; the format "
                "onnx needs no trust"
            )


FORMATS: Registry[Format] = Registry("format", "adapt.export.formats")


def format_of(name: str) -> Format:
    """A format by its name.

    Raises:
        RecipeError: When it is not known.
        MissingExtraError: When its optional dependencies are not installed.
    """
    table = FORMATS.table()
    if name not in table:
        raise RecipeError(
            f"format - not known - {name!r}{did_you_mean(name, table)} - use {listed(list(table))}"
        )
    table[name].check_installed(name)
    return table[name]
