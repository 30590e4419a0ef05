"""Files are whole or absent, and JSON is strict."""

import errno
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapt.common.files import (
    check_new,
    json_text,
    not_written,
    part_of,
    plain,
    safe_cell,
    write_json,
    write_result,
    write_text,
    write_whole,
)
from adapt.errors import RecipeError, RunError


def strict(text: str) -> Any:
    """Parse JSON as the standard has it: `NaN` and `Infinity` are no JSON."""

    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = write_text(tmp_path / "scores.json", "old")

    def fail(part: Path) -> None:
        part.write_text("half of the n")
        raise OSError(28, "No space left on device")

    with pytest.raises(RunError) as caught:
        write_whole(file, fail, "use another disk")
    assert str(caught.value) == (
        f"{file} - cannot be written - No space left on device - use another disk"
    )
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["scores.json"]


def test_a_writer_that_is_interrupted_leaves_no_part(tmp_path: Path) -> None:
    def interrupt(part: Path) -> None:
        part.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "new" / "file.txt", interrupt)
    assert list((tmp_path / "new").iterdir()) == []


def test_folders_are_made_and_the_path_is_returned(tmp_path: Path) -> None:
    file = write_text(tmp_path / "a" / "b" / "notes.txt", "caf\u00e9 \ud800")
    assert file == tmp_path / "a" / "b" / "notes.txt"
    assert file.read_text(encoding="utf-8") == "caf\u00e9 \\ud800", (
        "what UTF-8 cannot hold is escaped"
    )
    with pytest.raises(RunError, match=r"cannot be written - .* - choose another place$"):
        write_text(file / "below a file.txt", "x")


@pytest.mark.parametrize(("error", "reason", "space"), [
    (OSError(errno.ENOSPC, "full"), "full", True), (OSError(errno.EFBIG, "big"), "big", True),
    (OSError("read back nothing"), "read back nothing", True),
    (ValueError("I/O error (os error 28)"), "I/O error (os error 28)", True),
    (ValueError("I/O error (os error 2)"), "I/O error (os error 2)", False),
    *((OSError(code, "no"), "no", False)
      for code in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EROFS)),
])  # fmt: skip
def test_the_advice_fits_the_cause(error: Exception, reason: str, space: bool) -> None:
    advice = "free some space there, or leave it" if space else "leave it"
    expected = f"a.csv - cannot be written - {reason} - {advice}"
    assert not_written("a.csv", error, "leave it") == expected


def test_what_is_there_is_not_replaced(tmp_path: Path) -> None:
    new, old = tmp_path / "new", write_text(tmp_path / "old", "x")
    check_new(new)
    check_new(new, old, overwrite=True)
    with pytest.raises(RecipeError) as caught:
        check_new(new, old)
    assert str(caught.value) == (
        f"{old} - exists - it would be overwritten - add --overwrite, or give another name"
    )


def test_parts_of_two_processes_do_not_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = part_of(tmp_path / "model.safetensors")
    monkeypatch.setattr("os.getpid", lambda: 7)
    assert part_of(tmp_path / "model.safetensors") != first
    assert first.parent == tmp_path


def test_numbers_that_are_not_finite_are_null(tmp_path: Path) -> None:
    content = {
        "scores": np.array([0.5, np.nan, np.inf]),
        "count": np.int64(3),
        1: (float("-inf"), True, None, np.float32(0.25)),
    }
    file = write_json(tmp_path / "scores.json", content)
    assert strict(file.read_text()) == {
        "scores": [0.5, None, None], "count": 3, "1": [None, True, None, 0.25],
    }  # fmt: skip
    with pytest.raises(TypeError):
        json_text({"folder": tmp_path})


numbers = st.floats(allow_nan=True, allow_infinity=True)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


def expected(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: expected(item) for key, item in value.items()}
    if isinstance(value, list):
        return [expected(item) for item in value]
    return None if isinstance(value, float) and (math.isnan(value) or math.isinf(value)) else value


@given(values)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert strict(json_text(value)) == expected(value) == plain(value)


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-cmd", "@x", "\tx", "\rx"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert safe_cell(cell) == f"'{cell}"
    assert safe_cell(f"a{cell}") == f"a{cell}"


def test_a_result_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    files = tmp_path / "a.html", tmp_path / "a.json"
    assert write_result(files, "<p>1", {"a": math.nan}, overwrite=False) == files[0]
    assert strict(files[1].read_text()) == {"a": None}
    files[0].unlink()
    with pytest.raises(RecipeError, match=r"a\.json - exists"):
        write_result(files, "<p>2", {}, overwrite=False)
    assert not files[0].exists()
    write_result(files, "<p>2", {}, overwrite=True)
    assert (files[0].read_text(), strict(files[1].read_text())) == ("<p>2", {})
