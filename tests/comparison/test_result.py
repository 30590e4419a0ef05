"""From two models to a result: files, pictures, limits, and runs without computing."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binomtest

from adapt.common.files import write_json
from adapt.comparison import compare, result
from adapt.comparison.data import TableForm
from adapt.data.shifts.shift import Shift
from adapt.data.sources.image_list import ImageList
from adapt.data.splits.stored import split_manifest
from adapt.errors import DataError, RecipeError
from adapt.models.classifier import Classifier
from adapt.models.prediction.uncertainty import Uncertainty
from adapt.runs.folder.answers import write_answers
from tests.helpers.paired import many
from tests.helpers.tiny import CLASSES, moved, tiny_classifier


def test_models_are_compared_as_they_predict(start: Classifier, toy_test: ImageList) -> None:
    other = moved(start, 3, 0.3)
    done = compare(start, other, toy_test, ["bright=brightness:4"], ["broken >= 0", "p < 0"])
    own = done.content["sets"]["test"]["accuracy"]
    said = [[answer.label for answer in m.predict(toy_test.paths)] for m in (start, other)]
    right = [[name == true for name, true in zip(n, toy_test.labels, strict=True)] for n in said]
    fixed = sum(new and not old for old, new in zip(*right, strict=True))
    broken = sum(old and not new for old, new in zip(*right, strict=True))
    assert (own["fixed"], own["broken"]) == (fixed, broken)
    assert own["p"] == pytest.approx(binomtest(fixed, fixed + broken, 0.5).pvalue)
    assert list(done.content["sets"]) == ["test", "bright"]
    assert done.content["shift_mean"]["shifts"] == 1
    assert [limit["failed"] for limit in done.content["limits"]] == [True, False]
    assert done.failed
    assert done.content["latency"]["single"]["rounds"] >= 5
    flips = [(name, f) for name, s in done.content["sets"].items() for f in s["flips"]]
    assert len(done.thumbnails) == len(flips)
    for name, flip in flips:
        picture = base64.b64decode(done.thumbnails[f"{name}/{flip['row']}"].partition(",")[2])
        shown = np.asarray(Image.open(io.BytesIO(picture)), np.float64)
        images = toy_test.with_shift(Shift("brightness", 4) if name == "bright" else None)
        assert np.abs(shown - np.asarray(images.open(flip["row"]))).mean() < 20


def test_files_are_written(start: Classifier, toy_test: ImageList, tmp_path: Path) -> None:
    done = compare(start, moved(start), toy_test, latency=False)
    page = done.write(tmp_path / "out")
    assert json.loads((tmp_path / "out" / "diff.json").read_text()) == done.content
    assert page.read_text().startswith("<!doctype html>")
    assert done.write_comment(tmp_path / "comment.md").read_text().startswith("###")
    with pytest.raises(RecipeError, match=r"diff\.html - exists - it would be overwritten"):
        done.write(tmp_path / "out")
    with pytest.raises(RecipeError, match=r"comment\.md - exists - it would be overwritten"):
        done.write_comment(tmp_path / "comment.md")
    assert done.write(tmp_path / "out", overwrite=True) == page
    assert done.content["no_latency"] == "it was not asked for"


def run_folder(folder: Path, images: ImageList, logits: np.ndarray) -> Path:
    folder.mkdir()
    write_json(folder / "split.json", split_manifest({"test": images}))
    judge = CLASSES, 1.0, Uncertainty()
    write_answers(folder, judge, {"test": logits}, {"test": images}, {})
    return folder


def test_runs_are_compared_without_computing(
    tmp_path: Path, toy_root: Path, toy_test: ImageList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result, "opened", None)
    random = np.random.default_rng(0)
    copies = tmp_path / "photos"
    for path in toy_test.paths:
        target = copies / Path(path).relative_to(toy_root / "test")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(Path(path).read_bytes())
    paths = [str(copies / Path(path).relative_to(toy_root / "test")) for path in toy_test.paths]
    images = ImageList(paths, toy_test.labels, None, None, str(copies), {})
    targets = images.targets(CLASSES)
    logits = [random.normal(size=(15, 3)) for _ in range(2)]
    runs = [
        run_folder(tmp_path / name, images, own) for name, own in zip("ab", logits, strict=True)
    ]
    flipped = (logits[0].argmax(1) == targets) != (logits[1].argmax(1) == targets)
    rows = np.flatnonzero(flipped)
    assert len(rows) > 2
    Path(paths[rows[0]]).unlink()
    Path(paths[rows[1]]).write_bytes(b"another file")
    done = compare(*runs)
    assert {flip["row"] for flip in done.content["sets"]["test"]["flips"]} == set(rows.tolist())
    assert set(done.thumbnails) == {f"test/{row}" for row in rows[2:]}
    assert done.content["latency"] is None
    assert "stored by runs" in done.content["no_latency"]
    assert (done.content["a"]["name"], done.content["b"]["name"]) == ("a", "b")


def test_what_does_not_go_together_is_refused(
    start: Classifier, toy_test: ImageList, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match="how a table is read was given, and no table"):
        compare(start, start, table=TableForm("photos"))
    with pytest.raises(RecipeError, match="give DATA too"):
        compare(tmp_path, tmp_path, None, ["a=b"])
    other = tiny_classifier(names=["blue_square", "dog"])
    with pytest.raises(DataError, match="1 class in common"):
        compare(start, other, toy_test)
    with pytest.raises(RecipeError, match="no such quantity"):
        compare(tmp_path, tmp_path, None, (), ["acuracy < 0"])


def test_other_classes_are_said(start: Classifier, toy_test: ImageList) -> None:
    other = tiny_classifier(names=[*CLASSES[:2], "dog"])
    content = compare(start, other, many(toy_test, 1), latency=False).content
    assert content["classes"] == CLASSES[:2]
    assert (content["only_in_a"], content["only_in_b"]) == ([CLASSES[2]], ["dog"])
    assert content["sets"]["test"]["left_out"] == 5


def test_models_of_one_name_are_told_apart(
    start: Classifier, toy_test: ImageList, tmp_path: Path
) -> None:
    folders = [start.save(tmp_path / place / "pets" / "model") for place in ("old", "new")]
    content = compare(*folders, toy_test, latency=False).content
    assert [content[side]["name"] for side in ("a", "b")] == list(map(str, folders))
