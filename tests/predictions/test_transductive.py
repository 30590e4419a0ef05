"""Predictions under the mix of classes that the set itself suggests."""

import json
from pathlib import Path

import numpy as np
import pytest

from adapt.data.sources.folders import from_folder
from adapt.errors import DataError, RecipeError
from adapt.evaluation.unlabelled.label_shift import most_likely_shift, with_mix
from adapt.evaluation.unlabelled.transclip import transclip
from adapt.models.classifier import Classifier
from adapt.models.prediction.uncertainty import Uncertainty
from adapt.predictions.run import predict_files
from adapt.predictions.settings import PredictionSettings
from tests.helpers.references import some_reference


@pytest.fixture
def model(start: Classifier, tmp_path: Path) -> Path:
    """With a threshold that some images pass."""
    stored = Uncertainty(abstain_below=0.4, abstain_coverage=0.9)
    judge = start.with_temperature(0.2).with_uncertainty(stored)
    return judge.save(tmp_path / "model", reference=some_reference())


def test_every_row_is_bayes_rule_under_the_mix_of_all(
    model: Path, toy_root: Path, tmp_path: Path
) -> None:
    photos = toy_root / "test"
    (tmp_path / "list.csv").write_text(
        "path\n" + "\n".join([*from_folder(photos).paths, "missing.png"]) + "\n"
    )
    settings = PredictionSettings(transductive="mix", top=3, features="npy")
    predict_files(model, tmp_path / "list.csv", tmp_path / "out.jsonl", settings)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert rows[-1]["reason"] == "no such file"
    assert np.load(tmp_path / "out.features.npy").shape == (16, 24)
    names = Classifier.load(model).class_names
    plain = Classifier.load(model).predict(from_folder(photos).paths, top=3)
    before = np.array([[dict(row.top)[name] for name in names] for row in plain])
    prior = some_reference().prior
    after = with_mix(before, prior, most_likely_shift(before, prior))
    assert abs(after - before).max() > 0.01
    for row, own in zip(rows[:-1], after, strict=True):
        listed = {each["label"]: each["probability"] for each in row["top3"]}
        np.testing.assert_allclose([listed[name] for name in names], own, atol=1e-6)
        assert row["label"] == names[int(own.argmax())]
        assert row["confidence"] == pytest.approx(own.max(), abs=1e-6)
        assert row["abstained"] == bool(own.max() < 0.4)


def test_images_that_look_alike_agree(start: Classifier, toy_root: Path, tmp_path: Path) -> None:
    """Features are those of the model, and only written where that is asked for."""
    model = start.with_temperature(0.2).save(tmp_path / "plain")
    paths = from_folder(toy_root / "test").paths
    listed = "\n".join(["path", *paths, "missing.png"])
    (tmp_path / "list.csv").write_text(listed + "\n")
    settings = PredictionSettings(transductive="transclip", top=3)
    predict_files(model, tmp_path / "list.csv", tmp_path / "out.jsonl", settings)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert rows[-1]["reason"] == "no such file"
    assert sorted(path.name for path in tmp_path.glob("out.*")) == ["out.jsonl", "out.jsonl.json"]
    loaded = Classifier.load(model)
    plain = loaded.predict(paths, top=3)
    before = np.array([[dict(row.top)[name] for name in loaded.class_names] for row in plain])
    predict_files(model, toy_root / "test", tmp_path / "f.csv", PredictionSettings(features="npy"))
    after = transclip(np.load(tmp_path / "f.features.npy"), before)
    assert abs(after - before).max() > 0.01
    for row, own in zip(rows[:-1], after, strict=True):
        given = {each["label"]: each["probability"] for each in row["top3"]}
        np.testing.assert_allclose([given[name] for name in loaded.class_names], own, atol=1e-4)


def test_off_by_default(model: Path, toy_root: Path, tmp_path: Path) -> None:
    for name, settings in {"a": PredictionSettings(), "b": None}.items():
        predict_files(model, toy_root / "test", tmp_path / f"{name}.csv", settings)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_refused(start: Classifier, toy_root: Path, tmp_path: Path) -> None:
    plain = start.save(tmp_path / "plain")
    mix = PredictionSettings(transductive="mix")
    with pytest.raises(RecipeError, match="does not say which mix of classes it expects"):
        predict_files(plain, toy_root / "test", tmp_path / "out.csv", mix)
    (tmp_path / "list.csv").write_text(f"path\n{from_folder(toy_root / 'test').paths[0]}\n")
    alike = PredictionSettings(transductive="transclip")
    with pytest.raises(
        DataError, match="transclip - too few images to know each other - 1 without"
    ):
        predict_files(plain, tmp_path / "list.csv", tmp_path / "out.csv", alike)
    assert not (tmp_path / "out.csv").exists()
