"""A model arrives whole and verified, or not at all."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from adapt.errors import BundleError, RecipeError, RunError
from adapt.export.registries.folders import arrive, files_of


def test_files_of(shipped: dict[str, Path], tmp_path: Path) -> None:
    for folder in shipped.values():
        assert files_of(folder) == sorted(path.name for path in folder.iterdir())
    with pytest.raises(BundleError, match="not a bundle"):
        files_of(tmp_path)


def copy_of(source: Path) -> Callable[[Path], object]:
    return lambda part: shutil.copytree(source, part, dirs_exist_ok=True)


def test_arrives(shipped: dict[str, Path], tmp_path: Path) -> None:
    for place in (tmp_path / "deep" / "new", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        assert arrive(place, copy_of(shipped["plain"])) == place
        assert files_of(place) == files_of(shipped["plain"])
        assert [path.name for path in place.parent.iterdir() if ".part" in path.name] == []
    with pytest.raises(RecipeError, match="would be overwritten"):
        arrive(tmp_path / "empty", copy_of(shipped["plain"]))


def test_or_not_at_all(shipped: dict[str, Path], tmp_path: Path) -> None:
    def altered(part: Path) -> None:
        copy_of(shipped["plain"])(part)
        (part / "head.safetensors").write_bytes(b"")

    with pytest.raises(BundleError, match=rf"^{tmp_path}/new/head.safetensors - altered"):
        arrive(tmp_path / "new", altered)

    def full(part: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match=r"cannot be written - No space left on device"):
        arrive(tmp_path / "new", full)
    with pytest.raises(KeyboardInterrupt):
        arrive(tmp_path / "new", lambda part: (_ for _ in ()).throw(KeyboardInterrupt))
    assert list(tmp_path.iterdir()) == []
