"""Modules of a folder are imported, and nothing else."""

import sys
from pathlib import Path

import pytest

from adapt.common.discovery import import_siblings


def test_every_module_of_the_folder_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "kinds_of_things"
    (package / "deeper").mkdir(parents=True)
    for name in ("__init__", "base", "first", "second", "deeper/__init__", "deeper/third"):
        (package / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    import_siblings("kinds_of_things.base")
    imported = {name for name in sys.modules if name.startswith("kinds_of_things")}
    for name in imported:
        monkeypatch.delitem(sys.modules, name)
    names = ("base", "first", "second", "deeper", "deeper.third")
    assert imported == {"kinds_of_things", *(f"kinds_of_things.{name}" for name in names)}
