"""The key of what is kept: every file that an answer depends on changes it."""

import ast
import shutil
from pathlib import Path

import pytest

from adapt.checks import cache

ROOM = Path(cache.__file__).parent


def test_the_key_is_made_of_files_that_exist() -> None:
    """A key of paths that lead nowhere would serve old answers after a move."""
    for module in (*cache.DECODER, *cache.MEASURES, *cache.CHECKS):
        assert cache.source_files(module)
    assert set(cache.source_files("adapt.checks")) == set(ROOM.rglob("*.py"))
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        cache.source_files("adapt.nowhere")


def test_a_new_changed_or_renamed_file_changes_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = shutil.copytree(ROOM, tmp_path / "room")
    monkeypatch.syspath_prepend(tmp_path)

    def key() -> str:
        return cache.source_hash(["room"])

    keys = [key()]
    (room / "findings" / "new.py").write_text("")
    keys.append(key())
    (room / "findings" / "new.py").write_text("EDGE = 3")
    keys.append(key())
    (room / "findings" / "new.py").rename(room / "findings" / "newer.py")
    keys.append(key())
    assert len(set(keys)) == 4
    (room / "findings" / "newer.py").unlink()
    assert key() == keys[0]


def test_an_answer_is_kept_by_the_code_of_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache.answer_path("question")
    assert cache.answer_path("question") == before
    monkeypatch.setattr(cache, "CHECKS", cache.CHECKS[1:])
    assert cache.answer_path("question") != before


def test_the_code_of_measurements_is_listed() -> None:
    """Measurements are kept by the files that make them, and by what these import."""
    listed = {
        path for name in (*cache.DECODER, *cache.MEASURES) for path in cache.source_files(name)
    }
    for path in cache.source_files(cache.MEASURES[0]) + cache.source_files(cache.MEASURES[1]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            if name.startswith("adapt.") and not name.startswith("adapt.common"):
                assert set(cache.source_files(name)) <= listed, name
