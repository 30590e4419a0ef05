"""Many runs side by side, against what their own files say."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapt.common.files import write_json
from adapt.comparison.runs import compare_runs, differing_settings
from adapt.data.sources.image_list import ImageList
from adapt.data.splits.stored import split_manifest
from adapt.errors import RecipeError
from adapt.evaluation.metrics.paired import difference_interval
from adapt.models.prediction.uncertainty import Uncertainty
from adapt.runs.folder.answers import write_answers
from tests.helpers.report_fixture import make_scores
from tests.helpers.tiny import CLASSES


def a_run(folder: Path, evals: dict[str, ImageList], seed: int, **changes: Any) -> Path:
    """A run folder with scores, and random answers on some images."""
    folder.mkdir()
    write_json(folder / "scores.json", make_scores(1, CLASSES) | {"name": folder.name} | changes)
    write_json(folder / "timing.json", {"total": 90.0})
    text = f"name: {folder.name}\nseed: {seed}\nmethod: {{name: lora, rank: 4}}\n"
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    if evals:
        random = np.random.default_rng(seed)
        logits = {name: random.normal(size=(len(own), 3)) for name, own in evals.items()}
        write_json(folder / "split.json", split_manifest(evals))
        write_answers(folder, (CLASSES, 1.0, Uncertainty()), logits, evals, {})
    return folder


def right(seed: int, images: ImageList) -> np.ndarray:
    """Where the answers of a run are right."""
    answered = np.random.default_rng(seed).normal(size=(len(images), 3)).argmax(axis=1)
    return answered == np.array([CLASSES.index(label) for label in images.labels])


def test_numbers_are_those_of_the_runs(tmp_path: Path, toy_test: ImageList) -> None:
    scores = make_scores(3, CLASSES)
    folders = [a_run(tmp_path / name, {}, 0) for name in "ab"]
    for folder in folders:
        write_json(folder / "scores.json", scores | {"name": folder.name})
    content = compare_runs(folders).content
    assert content["sets"] == ["test", "domain_0", "gaussian_blur_1", "domain_2"]
    assert content["shifts"] == content["sets"][1:]
    first = content["runs"][0]
    for part, model in (("start", "zero_shot"), ("shipped", "ensemble")):
        own = scores["models"][model]
        assert first[part]["scores"] == {n: own[n]["accuracy"] for n in content["sets"]}
        mean = np.mean([own[name]["accuracy"] for name in content["shifts"]])
        assert first[part]["shift_mean"] == pytest.approx(mean)
    assert (first["alpha"], first["method"], first["seconds"]) == (0.4, "lora", 90.0)
    assert first["calibration_error"] == scores["models"]["ensemble"]["test"]["ece"]
    assert "no stored answers" in content["runs"][1]["no_differences"]


def test_differences_are_paired_image_by_image(tmp_path: Path, toy_test: ImageList) -> None:
    evals = {"test": toy_test, "domain_0": toy_test.subset(range(9))}
    folders = [a_run(tmp_path / str(seed), evals, seed) for seed in (1, 2)]
    second = compare_runs(folders).content["runs"][1]
    before, after = right(1, toy_test), right(2, toy_test)
    entry = second["differences"]["test"]
    assert entry["difference"] == pytest.approx(after.mean() - before.mean())
    both, fixed = int((before & after).sum()), int((~before & after).sum())
    broken = int((before & ~after).sum())
    assert entry["ci"] == pytest.approx(difference_interval(both, fixed, broken, len(toy_test)))
    assert (entry["fixed"], entry["broken"]) == (fixed, broken)
    assert second["shift_difference"]["shifts"] == 1
    shift = second["differences"]["domain_0"]["difference"]
    assert second["shift_difference"]["difference"] == pytest.approx(shift)


def test_where_images_differ_no_difference_is_formed(tmp_path: Path, toy_test: ImageList) -> None:
    first = a_run(tmp_path / "1", {"test": toy_test}, 1)
    other = a_run(tmp_path / "2", {"test": toy_test.subset(range(9))}, 2)
    second = compare_runs([first, other]).content["runs"][1]
    reason = second["differences"]["test"]["reason"]
    assert reason.startswith("test: not the same images (15 images in A, 9 in B, 9 with the same")
    assert "ci" not in second["differences"]["test"]
    assert second["shift_difference"] is None


def test_settings_that_differ_are_found_by_path(tmp_path: Path) -> None:
    one = "name: a\nseed: 0\nmethod: {name: lora, rank: 4}\nevals: {test: {kind: folder}}\n"
    two = "name: b\nseed: 0\nmethod: {name: full, optim: {lr: 0.1}}\nevals: {test: {kind: folder}}"
    found = differing_settings({"a": one, "b": two})
    assert [(entry["key"], entry["values"]) for entry in found] == [
        ("method.name", {"a": "lora", "b": "full"}),
        ("method.rank", {"a": 4}),
        ("method.optim.lr", {"b": 0.1}),
    ]
    assert differing_settings({"a": one, "b": one.replace("name: a", "name: z")}) == []
    assert differing_settings({"a": one, "b": None}) == []


def test_runs_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    folders = [a_run(tmp_path / name, {}, 0, name="same") for name in ("x", "y")]
    assert [run["name"] for run in compare_runs(folders).content["runs"]] == ["x", "y"]
    own = [a_run(tmp_path / n, {}, 0, title=t) for n, t in (("u", "cats"), ("v", "dogs"))]
    assert [run["name"] for run in compare_runs(own).content["runs"]] == ["cats", "dogs"]


def test_the_page_is_written_once(tmp_path: Path) -> None:
    done = compare_runs([a_run(tmp_path / name, {}, 0) for name in "ab"])
    page = done.write(tmp_path / "runs.html")
    assert "<h1>2 runs side by side</h1>" in page.read_text(encoding="utf-8")
    with pytest.raises(RecipeError, match="exists"):
        done.write(page)
    assert done.write(page, overwrite=True) == page
    json.dumps(done.content, allow_nan=False)


def test_what_is_no_run_or_another_kind_is_refused(tmp_path: Path) -> None:
    run = a_run(tmp_path / "a", {}, 0)
    with pytest.raises(RecipeError, match="not two runs"):
        compare_runs([run, tmp_path / "." / "a"])
    other = a_run(tmp_path / "other", {}, 0)
    with pytest.raises(RecipeError, match="a run given twice"):
        compare_runs([run, other, tmp_path / "other" / ".." / "a"])
    with pytest.raises(RecipeError, match="is not a finished run folder"):
        compare_runs([run, tmp_path])
    with pytest.raises(RecipeError, match=r"do not measure the same .* mAP"):
        compare_runs([run, a_run(tmp_path / "b", {}, 0, measure="mAP")])
