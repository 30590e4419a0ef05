"""Files are known by their bytes, and remembered until they change."""

import hashlib
import os
from pathlib import Path

import pytest

from adapt.common import content
from adapt.common.content import content_hash, content_hashes
from adapt.errors import DataError


def test_hash_of_a_large_file(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000  # several blocks
    (tmp_path / "a.bin").write_bytes(data)
    assert content_hash(tmp_path / "a.bin") == hashlib.sha256(data).hexdigest()
    with pytest.raises(DataError, match="cannot be read - No such file"):
        content_hash(tmp_path / "b.bin")


def test_hashes_are_remembered_until_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.txt"
    file.write_text("first")
    assert content_hashes([]) == []
    first = content_hashes([str(file), str(file)])
    assert first == [hashlib.sha256(b"first").hexdigest()] * 2
    with monkeypatch.context() as patch:
        patch.setattr(content, "content_hash", lambda path: pytest.fail("it was hashed again"))
        assert content_hashes([str(file)]) == first[:1]
    file.write_text("other")
    os.utime(file, ns=(1, 1))
    assert content_hashes([str(file)]) == [hashlib.sha256(b"other").hexdigest()]
    with pytest.raises(DataError, match="cannot be read"):
        content_hashes([str(file), str(tmp_path / "gone.txt")])
