"""New images beside the held-out ones of a run: every number by a way of its own."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adapt.data.sources.folders import from_folder
from adapt.errors import DataError, RecipeError
from adapt.explore.monitor.result import alarms, monitor
from adapt.explore.monitor.settings import MonitorSettings
from adapt.models.bundle.reference import read_reference
from adapt.models.classifier import Classifier
from adapt.runs.run import Run


def test_the_whole(done: Run, toy_root: Path, tmp_path: Path) -> None:
    found = monitor(done.folder / "model", toy_root / "test")
    content = json.loads(json.dumps(found.content))
    reference = read_reference(done.folder / "model")
    assert reference is not None
    assert content["images"] == 15
    assert content["reference"] == {"source": "val", "images": 12, "kept": 12}
    shipped = Classifier.load(done.folder / "model")
    images = from_folder(toy_root / "test")
    rows = shipped.predict(images.paths, top=3)
    sure = np.mean([row.confidence for row in rows])
    estimators = content["accuracy"]["estimators"]
    assert estimators["average_confidence"]["accuracy"] == pytest.approx(sure, abs=1e-6)
    fallen = reference.confidences.mean() - sure
    doc = np.clip(reference.accuracy - fallen, 0, 1)
    assert estimators["doc"]["accuracy"] == pytest.approx(doc, abs=1e-6)
    assert None not in [each["accuracy"] for each in estimators.values()]
    low, high = content["accuracy"]["ci"]
    assert low <= content["accuracy"]["estimate"] <= high
    assert [point["alpha"] for point in content["along"]["points"]] == [0.0, 0.5, 1.0]
    shares = [row["mlls"]["share"] for row in content["mix"]["classes"]]
    assert sum(shares) == pytest.approx(1)
    table = list(csv.DictReader(io.StringIO(found.table)))
    assert 10 <= len(table) == content["to_label"]["images"] <= 15, "so few that most are"
    by_path = {row.source: row for row in rows}
    for row in table:
        assert by_path[row["path"]].label == row["predicted"]
        assert row["label"] == ""
    page = found.write(tmp_path / "out").read_text(encoding="utf-8")
    assert "15 images without labels" in page
    assert json.loads((tmp_path / "out" / "monitor.json").read_text()) == content
    with pytest.raises(RecipeError, match="exists"):
        found.write(tmp_path / "out")


def test_val_itself_is_no_other_place(done: Run, toy_root: Path) -> None:
    content = monitor(done.folder / "model", toy_root / "val").content
    doc = content["accuracy"]["estimators"]["doc"]["accuracy"]
    assert doc == pytest.approx(content["accuracy"]["reference"])
    assert content["drift"]["p"] == 1.0
    assert content["alarms"] == []


def test_labelled_images_in_place_of_the_bundle(done: Run, toy_root: Path) -> None:
    own = read_reference(done.folder / "model")
    given = monitor(done.folder / "model", toy_root / "test", toy_root / "val").reference
    assert own is not None
    for name in ("confidences", "entropies", "prior"):
        np.testing.assert_allclose(*(np.sort(getattr(r, name)) for r in (given, own)), atol=1e-4)
    for name in ("targets", "predicted", "line_answers"):
        both = (np.sort(getattr(r, name), axis=-1) for r in (given, own))
        np.testing.assert_array_equal(*both)
    assert given.temperatures == pytest.approx(own.temperatures, rel=0.01)


def test_a_model_without_statistics(start: Classifier, toy_root: Path, tmp_path: Path) -> None:
    model = start.save(tmp_path / "model")
    with pytest.raises(RecipeError, match=r"no statistics of held-out images .* --reference"):
        monitor(model, toy_root / "test")
    content = monitor(model, toy_root / "test", toy_root / "val").content
    assert content["accuracy"]["reason"].startswith("no line to its start - no run wrote")
    assert content["accuracy"]["estimators"]["agreement"]["accuracy"] is None
    assert content["along"]["best"] is None


def test_alarms(done: Run, toy_root: Path) -> None:
    settings = MonitorSettings(min_accuracy=1.0, line=False)
    found = monitor(done.folder / "model", toy_root / "test", settings=settings)
    assert found.alarm == bool(found.content["accuracy"]["estimate"] < 1)
    content = found.content | {
        "drift": {"drifted": True, "p": 0.001, "level": 0.05},
        "unknown": {"limit": 0.1, "share": 0.25, "reason": None},
        "accuracy": {"limit": 0.9, "estimate": 0.8},
    }
    assert alarms(content) == [
        "the images are of another distribution: p = 0.001, level 0.05",
        "the estimated accuracy is too low: 80.0 %, limit 90 %",
        "too many images are unknown: 25.0 %, limit 10 %",
    ]
    with pytest.raises(RecipeError, match="--max-unknown - cannot be judged"):
        monitor(
            done.folder / "model", toy_root / "test", settings=replace(settings, max_unknown=0.1)
        )


def test_nothing_to_see(done: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"")
    with pytest.raises(DataError, match="not one can be read - 1 empty file"):
        monitor(done.folder / "model", tmp_path)
