"""The record of predictions: what it counts, and what is no record."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapt.errors import RecipeError, RunError
from adapt.predictions.manifest import NAME, Manifest, Part, check_same

PARTS = [
    Part({"part-00000.csv": "a" * 64}, 3, "b" * 64, {"empty file": 1, "not an image": 1}),
    Part({"part-00001.csv": "c" * 64}, 2, "d" * 64, {"not an image": 1}),
]
MADE = {"model": "f" * 64, "settings": {"top": 5, "threshold": None}}


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    manifest = Manifest(MADE, PARTS, {".txt": 4}, True)
    assert manifest.rows == 5
    assert list(manifest.errors.items()) == [("not an image", 2), ("empty file", 1)]
    manifest.write(tmp_path / NAME)
    assert Manifest.read(tmp_path / NAME) == manifest
    counts = json.loads((tmp_path / NAME).read_text())["counts"]
    assert counts == {"images": 5, "errors": manifest.errors, "skipped": {".txt": 4}}


def test_all_that_differs_is_listed() -> None:
    manifest = Manifest(MADE)
    check_same(manifest.made, json.loads(json.dumps(MADE)), Path("out"))
    other = {"model": "0" * 64, "settings": {"top": 5, "threshold": 0.5}}
    with pytest.raises(RecipeError) as caught:
        check_same(manifest.made, other, Path("out"))
    assert "2 differ from the beginning" in str(caught.value)
    with pytest.raises(RecipeError, match="it began - 1 differs from the beginning - set"):
        check_same(manifest.made, MADE | {"model": "0" * 64}, Path("out"))
    assert "settings.threshold was nothing, is 0.5" in str(caught.value)


def change(content: dict[str, Any], *keys: Any, to: Any) -> None:
    for key in keys[:-1]:
        content = content[key]
    content[keys[-1]] = to


@pytest.mark.parametrize(("keys", "to"), [
    (("format",), 2), (("parts", 0, "rows"), "3"), (("parts", 0, "more"), 1),
    (("parts", 0, "files"), {"../a.csv": "a" * 64}), (("parts",), 3), (("counts",), []),
    (("parts", 1, "errors", "empty file"), None),
])  # fmt: skip
def test_what_is_no_record(keys: tuple[Any, ...], to: Any, tmp_path: Path) -> None:
    Manifest(MADE, PARTS).write(tmp_path / NAME)
    content = json.loads((tmp_path / NAME).read_text())
    change(content, *keys, to=to)
    (tmp_path / NAME).write_text(json.dumps(content))
    with pytest.raises(RunError, match=r"predictions.json - cannot be read - .* --overwrite"):
        Manifest.read(tmp_path / NAME)


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_what_is_no_json(text: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(RunError, match="cannot be read"):
        Manifest.read(tmp_path / NAME)
