"""What a run stores of its held-out images is what its models say of them."""

import json
from pathlib import Path

import numpy as np
import pytest

from adapt.models.bundle.reference import read_reference
from adapt.models.classifier import Classifier
from tests.helpers.monitored import run_on


def probabilities_by_predict(model: Classifier, paths: list[str]) -> np.ndarray:
    rows = model.predict(paths, top=len(model.class_names))
    return np.array([[dict(row.top)[name] for name in model.class_names] for row in rows])


@pytest.mark.usefixtures("tiny_architectures")
def test_val_as_predict_sees_it(toy_root: Path, tmp_path: Path) -> None:
    done = run_on(toy_root, tmp_path / "run")
    stored = read_reference(done.folder / "model")
    assert stored is not None
    assert (stored.source, stored.images, stored.no_features) == ("val", 12, "")
    assert (stored.alpha, stored.alphas) == (0.5, [0.0, 0.5, 1.0])
    shipped = Classifier.load(done.folder / "model")
    entries = json.loads((done.folder / "split.json").read_text())["splits"]["val"]
    paths = [str(toy_root / "val" / entry["path"]) for entry in entries]
    said = probabilities_by_predict(shipped, paths)
    targets = [shipped.class_names.index(entry["label"]) for entry in entries]
    np.testing.assert_array_equal(stored.targets, targets)
    np.testing.assert_array_equal(stored.predicted, said.argmax(1))
    np.testing.assert_allclose(stored.confidences, said.max(1), atol=1e-5)
    np.testing.assert_allclose(stored.prior, said.mean(0), atol=1e-5)
    features = [row.features for row in shipped.predictor.stream(paths, features=True)]
    np.testing.assert_allclose(stored.features, np.stack(features), atol=1e-3)
    adapted = Classifier.load(done.folder / "adapted")
    ends = probabilities_by_predict(adapted, paths)
    np.testing.assert_array_equal(stored.line_answers[2], ends.argmax(1))
    assert (done.folder / "model" / "reference.safetensors").stat().st_size < 2_000_000


@pytest.mark.usefixtures("tiny_architectures")
def test_folds_keep_features_only_where_no_image_trained_the_encoder(
    toy_root: Path, tmp_path: Path
) -> None:
    folds = "{from: train, folds: 2}"
    stored = [
        read_reference(run_on(toy_root, tmp_path / name, method, folds).folder / "model")
        for name, method in {
            "full": "{name: full, optim: {epochs: 1}}",
            "gda": "{name: gda}",
        }.items()
    ]
    trained, head_only = stored
    assert trained is not None
    assert head_only is not None
    assert (trained.source, len(trained.targets)) == ("folds", 24)
    assert trained.no_features.startswith("all held-out images were in the training")
    assert trained.features.shape == (0, 0)
    assert (head_only.no_features, len(head_only.features)) == ("", 24)
