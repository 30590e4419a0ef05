"""What all registries share: which files a model is made of, and how one arrives from elsewhere."""

import re
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from adapt.common.files import not_written, part_of
from adapt.common.typed import misfit, resolve_path
from adapt.errors import AdaptError, BundleError, MissingExtraError, RecipeError, RunError
from adapt.export.load import Loaded, listing_path, verified, verify
from adapt.export.record import RECORD
from adapt.models.bundle.manifest import COPY, SIGNATURE, read_manifest, read_mapping

GB = 10**9
MOST_BYTES = 20 * GB
"""Most that is downloaded, unless more is allowed."""
PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
"""Names of files that stay in their folder."""
DATA = (".data", ".json", ".md", ".onnx", ".py", ".safetensors", ".txt")
"""What travels. Readers of other kinds may run what they read: torch takes constants of a `.pt2`
for pickles. `preprocess.py` is for people, and no command runs it."""


def listing_of(folder: Path) -> dict[str, Any]:
    """The file that lists all others: `export.json` of an export, `classifier.json` of a bundle.

    Raises:
        BundleError: When there is none, a name in it does not stay in the folder, or a file is of a
            kind that could run code.
    """
    path = listing_path(folder)
    content = read_mapping(path) if path.name == RECORD else read_manifest(folder)
    if problem := misfit(dict[str, str], content.get("files"), "files"):
        raise BundleError(f"{path} - {problem} - {COPY}")
    if strange := [name for name in content["files"] if PLAIN.fullmatch(name) is None]:
        raise BundleError(
            f"{path} - files - not the name of a file in the folder - {strange[0][:80]!r} - {COPY}"
        )
    if unsafe := [name for name in content["files"] if Path(name).suffix not in DATA]:
        raise BundleError(
            f"{folder / unsafe[0]} - could run code where it is opened - only files of these kinds "
            f"travel: {', '.join(DATA)} - take the bundle, or an export to onnx, lean or open_clip"
        )
    return content


def files_of(folder: Path) -> list[str]:
    """Names of all files of a model, sorted: those that are listed, the list, and a signature."""
    signed = [SIGNATURE] if (folder / SIGNATURE).is_file() else []
    return sorted({*listing_of(folder)["files"], listing_path(folder).name, *signed})


def fetched(fetch: Callable[[Path], object], base: str | Path | None = None) -> Loaded:
    """Fetch a model, verify it, and open it; nothing of it stays on the disk.

    Args:
        fetch: Called with an empty folder that it fills.
        base: See `adapt.models.classifier.Classifier.load`.

    Raises:
        BundleError: When what came is no model, was altered, could run code, or answers otherwise
            than it did.
    """
    with TemporaryDirectory(prefix="adapt-", ignore_cleanup_errors=True) as folder:
        fetch(Path(folder))
        listing_of(Path(folder))
        return verified(folder, base)[0]


def check_installed(module: str, extra: str) -> None:
    """Check that the client of a registry is there.

    Raises:
        MissingExtraError: Naming the extra.
    """
    try:
        import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{module} - not installed - {error} - pip install 'adapt-clip[{extra}]'"
        ) from error


def arrive(
    out: str | Path, fetch: Callable[[Path], object], base: str | Path | None = None
) -> Path:
    """Fetch a model into a folder beside, verify it there, and only then move it to its place.

    Args:
        out: New, or empty.
        fetch: Called with an empty folder that it fills.
        base: See `adapt.models.classifier.Classifier.load`.

    Raises:
        RecipeError: When the folder holds something.
        BundleError: When what came is no model, was altered, or answers otherwise than it did.
        RunError: When the folder cannot be written. Nothing is left in each case.
    """
    out = resolve_path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RecipeError(f"{out} - exists - it would be overwritten - give a new folder")
    part = part_of(out)
    try:
        part.mkdir(parents=True)
        fetch(part)
        listing_of(part)
        verify(part, base)
        if out.exists():
            out.rmdir()
        part.replace(out)
    except AdaptError as error:
        raise type(error)(str(error).replace(str(part), str(out))) from error
    except OSError as error:
        raise RunError(not_written(out, error, "choose another folder")) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return out
