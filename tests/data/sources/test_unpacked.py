"""Packed sources are unpacked once, safely, and within budgets."""

import io
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.data.sources import archives, unpacked
from adapt.data.sources.archives import from_archive
from adapt.data.sources.unpacked import Writer
from adapt.errors import DataError
from tests.data.sources.test_archives import FILES
from tests.helpers.packed import refused, write_folder, write_zip


def test_unpacked_once(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_zip(tmp_path / "a.zip", FILES)
    first = from_archive(path)
    with monkeypatch.context() as patched:
        patched.setattr(archives, "read_members", None)  # a second reading would fail
        second = from_archive(path)
        renamed = from_archive(path.rename(tmp_path / "b.zip"))
    assert (second.paths, second.notes) == (first.paths, first.notes)
    assert renamed.paths == first.paths
    assert len(list(cache.iterdir())) == 1
    changed = from_archive(write_zip(tmp_path / "b.zip", FILES[1:]))
    assert len(changed) == len(FILES) - 1
    assert changed.root != first.root


@pytest.mark.parametrize("harm", ["remove", "shorten", "record"])
def test_harmed_cache_is_made_again(tmp_path: Path, harm: str) -> None:
    path = write_zip(tmp_path / "a.zip", FILES)
    first = from_archive(path)
    victim = Path(first.paths[3])
    if harm == "remove":
        victim.unlink()
    elif harm == "shorten":
        victim.write_bytes(b"")
    else:
        (Path(first.root).parent / "unpacked.json").write_text("{")
    assert from_archive(path).paths == first.paths
    assert victim.read_bytes() == dict(FILES)["/".join(victim.parts[-2:])]


PIECES = ["..", ".", "", "a", "B", "C:", "\\", "é", "\0", "~", " "]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=6), st.sampled_from(["/", "\\", ""]))
def test_no_name_leaves_the_folder(pieces: list[str], joint: str) -> None:
    name = joint.join(pieces)
    try:
        parts = Writer("a", 0, Path("/base")).parts(name)
    except DataError:
        return
    # Independent: what the system makes of it, on POSIX and on Windows.
    for separator in "/\\":
        target = os.path.normpath("/base/" + name.replace("\\", "/"))
        assert target == "/base" or target.startswith("/base/"), (name, separator)
        assert separator not in "".join(parts)
    assert target == os.path.normpath("/base/" + "/".join(parts))


def test_budgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_zip(tmp_path / "a.zip", FILES)
    with monkeypatch.context() as patched:
        patched.setattr(unpacked, "MAX_FILES", 17)
        assert "too much to unpack - 18 files" in refused(from_archive, path)
        patched.setattr(unpacked, "MAX_FILES", 18)
        patched.setattr(unpacked, "MAX_BYTES", sum(len(c) for _, c in FILES) - 1)
        assert "too much to unpack" in refused(from_archive, path)
        patched.setattr(unpacked, "MAX_BYTES", sum(len(c) for _, c in FILES))
        assert len(from_archive(path)) == 18


def test_budgets_go_by_the_header_and_by_what_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacked, "FREE_BYTES", 1 << 20)
    unread = io.BytesIO(bytes(4 << 20))
    told = Writer("a", 10, tmp_path / "told")
    assert "a decompression bomb" in refused(told.write, "x.png", unread, 4 << 20)
    assert unread.tell() == 0
    silent = Writer("a", 10, tmp_path / "silent")
    assert "a decompression bomb" in refused(silent.write, "x.png", unread, 0)
    assert silent.total <= 1 << 20


def test_interrupted(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_zip(tmp_path / "a.zip", FILES)
    write, count = Writer.write, iter(range(100))

    def stop(self: Writer, *arguments: Any) -> str:
        if next(count) == 7:
            raise KeyboardInterrupt
        return write(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Writer, "write", stop)
        with pytest.raises(KeyboardInterrupt):
            from_archive(path)
    assert list(cache.iterdir()) == []
    old, fresh = cache / ".new-killed", cache / ".new-running"
    for left in (old, fresh):
        write_folder(left / "files", FILES[:3])
    long_ago = time.time() - 2 * unpacked.LEFT_OVER
    os.utime(old, (long_ago, long_ago))
    assert len(from_archive(path)) == len(FILES)
    assert not old.exists()
    assert fresh.exists()


def test_several_at_a_time(tmp_path: Path, cache: Path) -> None:
    path = write_zip(tmp_path / "a.zip", FILES)
    found: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: found.append(from_archive(path).paths)) for _ in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(paths == found[0] for paths in found)
    assert len(list(cache.iterdir())) == 1
    assert len(from_archive(path)) == len(FILES)


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("ADAPT_CACHE", str(tmp_path / "file"))
    message = refused(from_archive, write_zip(tmp_path / "a.zip", FILES))
    assert "cannot be unpacked" in message
    assert "set ADAPT_CACHE" in message


def test_notes_of_the_record_name_no_place(tmp_path: Path, cache: Path) -> None:
    from_archive(write_zip(tmp_path / "a.zip", [*FILES, (".DS_Store", b"")]))
    record = json.loads(next(cache.rglob("unpacked.json")).read_text())
    assert record["files"] == len(FILES)
    assert record["bytes"] == sum(len(content) for _, content in FILES)
    assert str(tmp_path) not in json.dumps(record)
