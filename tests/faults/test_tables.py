"""Faults of tables of labels: row F19."""

from pathlib import Path

import pytest

from adapt.data.sources.tables import from_table
from tests.helpers.packed import draw, refused

TABLES = {
    "path,lable\na.png,x": "no column 'label' - given ['path', 'lable'], did you mean 'lable'?",
    "path,label\ndog/a.png,dog\ncat/2.png,": ", line 3, column 'label' - no value - ''",
    "path,label\n\ndog/a.png,dog\n,dog": ", line 4, column 'path' - no value - ''",
    "path,label\ndog/a.png,dog\n../x.png,dog": ", line 3, column 'path' - leads out of the root - ",
    "path,label\n/etc/passwd,dog": ", line 2, column 'path' - leads out of the root - '/etc/pass",
    "path,label\ndog/a.png,dog\ndog/./a.png,cat": ", line 3, column 'path' - listed twice - "
    "'dog/./a.png' as 'dog' in line 2 and as 'cat' here",
    "path,label\ndog/a.png,dog,x": ", line 2 - wrong number of cells - 3 for 2 columns",
    'path,label\ndog/a.png,dog\n"cat/2.png,cat': "cannot be read as CSV",
    "path,label\n": " - no images - 0 rows below the header",
    "": " - no column 'path' - given []",
    "path,label,label\na,b,c": ", column 'label' - is listed twice",
    "path,label\nnone/1.png,dog": " - not one of its images is there - 'none/1.png' under ",
    "path,label\ndog\\a.png,dog": "write / in place of \\",
    "path,label\ndog/a.png,dog\ncat/2.png,Caf\udce9": ", line 3 - not UTF-8 - byte 0xe9",
    "path,label\ndog/a.png,dog\n\0.png,dog": ", line 3, column 'path' - not a path - '\\x00.png'",
}
READ = {
    "semicolons": b"path;label\ndog/a.png;dog\ncat/2.png;cat\n",
    "BOM": b"\xef\xbb\xbfpath,label\ndog/a.png,dog\ncat/2.png,cat\n",
    "tabs and CRLF": b"path\tlabel\r\ndog/a.png\tdog\r\ncat/2.png\tcat\r\n",
    "CR": b"path,label\rdog/a.png,dog\rcat/2.png,cat\r",
    "other columns, other case": b"PATH, Label ,note\ndog/a.png,dog,\ncat/2.png,cat,x\n",
}
WORDS = ["None", "nan", "NA", "null"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("dog/a.png", "cat/2.png"):
        draw(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("case", [*TABLES, *READ, *WORDS])
def test_f19_table_with_a_fault(root: Path, case: str) -> None:
    """Each names its row and column; encodings that are clear, and words, are read."""
    path = root / "labels.csv"
    if case in READ:
        path.write_bytes(READ[case])
        assert from_table(path).labels == ["cat", "dog"]
    elif case in WORDS:
        path.write_text(f"path,label\ndog/a.png,{case}\ncat/2.png,fox\n")
        assert from_table(path).class_names == sorted([case, "fox"])
    else:
        path.write_bytes(case.encode("utf-8", "surrogateescape"))
        message = refused(from_table, path)
        assert message.startswith(str(path))
        assert TABLES[case] in message
