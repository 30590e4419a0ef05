"""Whole runs: the same images give the same split hash and the same metrics in every form."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapt.runs.folder.answers import read_answers
from adapt.runs.run import Run, run
from tests.helpers.packed import (
    CLASSES,
    class_files,
    hub_table,
    save_to_disk,
    table_of,
    write_folder,
    write_shards,
    write_zip,
)
from tests.helpers.tiny import VIT

FILES, TEST = class_files(), class_files(3, seed=900)
LABELS = {"_type": "ClassLabel", "names": list(CLASSES)}
FEATURES: dict[str, Any] = {"image": {"_type": "Image"}, "label": LABELS}
RECIPE = """
version: 1
name: forms
model: {{arch: {arch}, pretrained: random}}
data: {{train: {train}, val: {{from: train, fraction: 0.3}}}}
method: {{name: full, optim: {{lr: 1.0e-3, epochs: 1, batch_size: 8}}}}
ensemble: {{alphas: 3, corruptions: [gaussian_noise]}}
evals: {{test: {{kind: folder, root: {test}}}}}
report: {{formats: []}}
runtime: {{accelerator: cpu, precision: "32", workers: "0"}}
"""


def source(form: str, folder: Path) -> str:
    """The training images in one form, as a recipe names it."""
    if form == "shards":
        classes = folder / "classes.txt"
        classes.write_text("\n".join(CLASSES))
        shards = write_shards(folder / "shards", FILES, label="index")
        return f"{{kind: shards, path: {shards}, class_list: {classes}}}"
    if form == "huggingface":
        hub = save_to_disk(folder / "hub", hub_table(FILES), FEATURES)
        return f"{{kind: huggingface, path: {hub}}}"
    if form == "archive":
        return f"{{kind: archive, path: {write_zip(folder / 'photos.zip', FILES)}}}"
    root = write_folder(folder / "photos", FILES)
    if form == "folder":
        return f"{{kind: folder, root: {root}}}"
    table, path = table_of(FILES).sample(frac=1, random_state=1), root / f"labels.{form}"
    table.to_csv(path, index=False) if form == "csv" else table.to_parquet(path)
    return f"{{kind: table, path: {path}}}"


def check_stored_answers(done: Run) -> None:
    """What is stored of the shipped model gives its accuracy again."""
    stored, scores = read_answers(done.folder), done.scores["models"][done.scores["shipped"]]
    own = stored.evals["test"]
    right = [
        stored.class_names[row.argmax()] == label
        for row, label in zip(own.logits, own.images.labels, strict=True)
    ]
    assert scores["test"]["accuracy"] == pytest.approx(sum(right) / len(right))
    assert stored.uncertainty == done.classifier.uncertainty
    assert stored.temperature == done.classifier.temperature


def check_log(folder: Path) -> None:
    """What the log says of test sets and of the curve is true."""
    log = (folder / "log.txt").read_text(encoding="utf-8")
    assert f"{len(CLASSES)} classes, 1 eval, split" in log
    points = json.loads((folder / "curve.json").read_text(encoding="utf-8"))["points"]
    on_test = sum("test" in point for point in points)
    assert f"curve of the mixed model: {len(points)} points on val, {on_test} on the evals" in log


def run_form(form: str, folder: Path) -> tuple[str, dict[str, Any]]:
    folder.mkdir()
    test = write_folder(folder / "test", TEST)
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE.format(arch=VIT, train=source(form, folder), test=test))
    done = run(recipe, [], folder / "run")
    check_stored_answers(done)
    check_log(done.folder)
    split = json.loads((done.folder / "split.json").read_text(encoding="utf-8"))
    return split["hash"], done.scores["models"]


@pytest.mark.parametrize("form", ["csv", "parquet", "huggingface", "shards", "archive"])
def test_the_form_changes_nothing(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADAPT_CACHE", str(tmp_path / "cache"))
    assert run_form(form, tmp_path / "other") == run_form("folder", tmp_path / "one")
