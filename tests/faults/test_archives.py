"""Faults of archives: row F21."""

import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from adapt.data.sources import unpacked
from adapt.data.sources.archives import from_archive
from tests.helpers.packed import class_files, image_bytes, member, refused, write_tar, write_zip

FILES = class_files(2)
NAMES = {
    "../x.png": "it leads out",
    "cat/../../x.png": "it leads out",
    "..\\x.png": "it leads out",
    "/tmp/x.png": "it is absolute",
    "\\x.png": "it is absolute",
    "C:\\x.png": "it is absolute",
    "c:x.png": "it is absolute",
    "cat/..": "it leads out",
    "cat/" + "x" * 300: "over 255 bytes",
    ".": "it is empty",
}
TYPES = {
    "link": tarfile.SYMTYPE,
    "hard link": tarfile.LNKTYPE,
    "fifo": tarfile.FIFOTYPE,
    "device": tarfile.CHRTYPE,
    "disk": tarfile.BLKTYPE,
    "sparse": tarfile.GNUTYPE_SPARSE,
}
SAID = {"hard link": "link", "fifo": "device", "disk": "device", "sparse": "sparse file"}
CASES = [
    *((kind, name) for kind in ("zip", "tar") for name in NAMES),
    *(("tar", name) for name in TYPES),
    ("zip", "link"),
    ("zip", "fifo"),
    ("zip", "bomb"),
    ("tgz", "bomb"),
]


def packed(path: Path, kind: str, name: str) -> str:
    """Write such an archive; what must be said of it."""
    if name in NAMES:
        (write_zip if kind == "zip" else write_tar)(path, [*FILES, (name, image_bytes(1))])
        return f"member {name!r} - unsafe name - {NAMES[name]}"
    if name == "bomb":
        zeros = [(f"cat/{number}.png", bytes(1 << 19)) for number in range(16)]
        write_zip(path, zeros) if kind == "zip" else write_tar(path, zeros, "w:gz")
        return "- a decompression bomb - "
    if kind == "tar":
        with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
            archive.addfile(member("cat/evil.png", 0, TYPES[name], "/etc/passwd"))
    else:
        mode = {"link": stat.S_IFLNK, "fifo": stat.S_IFIFO}[name]
        entry = zipfile.ZipInfo("cat/evil.png")
        entry.external_attr = (mode | 0o777) << 16
        with zipfile.ZipFile(path, "w") as archive_of_zip:
            archive_of_zip.writestr(entry, "/etc/passwd")
    return f"member 'cat/evil.png' - a {SAID.get(name, name)} - "


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_f21_archive_that_leads_out_links_or_explodes(
    kind: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused with the member named, and nothing is left behind, inside the cache or elsewhere."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("ADAPT_CACHE", str(cache))
    monkeypatch.setattr(unpacked, "FREE_BYTES", 1 << 20)
    path = tmp_path / "photos.archive"
    expected = packed(path, kind, name)
    beside = sorted(tmp_path.parent.iterdir())
    message = refused(from_archive, path)
    assert message.startswith(str(path))
    assert expected in message
    assert [file for file in cache.rglob("*") if file.is_file()] == []
    assert sorted(tmp_path.parent.iterdir()) == beside
    assert sorted(tmp_path.iterdir()) == [cache, path]
