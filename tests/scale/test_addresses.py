"""Files elsewhere: what is asked for, and what a store may answer."""

import builtins
from collections import Counter
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from adapt.data.decoding.formats import ImageError
from adapt.errors import DataError, MissingExtraError
from adapt.scale import addresses
from adapt.scale.addresses import (
    fetch_images,
    file_system,
    is_folder,
    local_copy,
    matching,
    size_of,
    walk_addresses,
)


class Faulty(MemoryFileSystem):
    """A store that refuses one file, and stores folders as files too, as some of S3 do."""

    protocol = "faulty"
    store: dict[str, Any] = {}  # noqa: RUF012 (as its base has it)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("faulty://", "memory://")))

    def cat_file(self, path: str, start: Any = None, end: Any = None, **words: Any) -> bytes:
        if path.endswith("secret.jpg"):
            raise PermissionError("Access Denied")
        return bytes(super().cat_file(path, start, end, **words))

    def ls(self, path: str, detail: bool = True, **words: Any) -> Any:
        if path.endswith("closed"):
            raise PermissionError("Access Denied")
        listed = list(super().ls(path, detail, **words))
        return [*listed, {"name": path, "type": "file", "size": 0}] if detail else listed


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> str:
    fsspec.register_implementation("faulty", Faulty, clobber=True)
    monkeypatch.setattr(Faulty, "store", {})
    system = Faulty()
    for name in ("b/2.jpg", "b/1.JPG", "a.jpg", "c/secret.jpg", "d.txt", ".hidden/x.jpg"):
        system.pipe_file(f"/top/{name}", name.encode())
    return "faulty://top"


def test_folders_are_walked_as_here(store: str, tmp_path: Path) -> None:
    left = Counter[str]()
    walked = list(walk_addresses(store, lambda suffix: left.update([suffix])))
    names = ["a.jpg", "b/1.JPG", "b/2.jpg", "c/secret.jpg"]
    assert walked == [f"{store}/{name}" for name in names]
    assert left == {".txt": 1}
    assert is_folder(f"{store}/b")
    assert not is_folder(f"{store}/a.jpg")
    assert size_of(f"{store}/b/2.jpg") == 7
    assert matching(f"{store}/b/*") == {f"{store}/b/1.JPG": 7, f"{store}/b/2.jpg": 7}


def test_one_file_that_is_refused_is_one_error(store: str) -> None:
    names = [f"{store}/{name}" for name in ("a.jpg", "c/secret.jpg", "none.jpg")]
    good, closed, missing, other = fetch_images([*names, "nowhere://x.jpg"])
    assert good == b"a.jpg"
    assert isinstance(closed, ImageError)
    assert "Access Denied" in str(closed)
    assert isinstance(missing, ImageError)
    assert missing.reason == "no such file"
    assert isinstance(other, ImageError)
    assert str(other).startswith("nowhere://x.jpg - cannot be read - Protocol not known")


def test_no_file_is_held_beyond_the_limit(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "LARGEST", 4)
    (large,) = fetch_images([f"{store}/a.jpg"])
    assert isinstance(large, ImageError)
    assert large.reason == "too large"


def test_a_copy_is_there_while_it_is_read(store: str, tmp_path: Path) -> None:
    with local_copy(f"{store}/b/2.jpg") as path:
        assert Path(path).name == "2.jpg"
        assert Path(path).read_bytes() == b"b/2.jpg"
    assert not Path(path).exists()
    with local_copy("here.tar") as path:
        assert path == "here.tar"
    with pytest.raises(DataError, match="not found"), local_copy(f"{store}/none.tar"):
        pass


def test_what_a_store_raises_is_a_sentence(store: str) -> None:
    Faulty().pipe_file("/top/closed/x.jpg", b"")
    with pytest.raises(DataError, match="cannot be read - Access Denied - check the address"):
        list(walk_addresses(store, str))
    with pytest.raises(DataError, match="nothing fits the pattern"):
        matching(f"{store}/*.gif")


def test_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "s3fs":
            raise ImportError("No module named 's3fs'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"pip install 'adapt-clip\[s3\]'"):
        file_system("s3://bucket/a.jpg")
