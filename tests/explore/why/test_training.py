"""Neighbours and fits without single images, against direct computations."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from adapt.data.images import Images
from adapt.errors import DataError
from adapt.explore.why.training import TrainingSet
from tests.helpers.tiny import CLASSES, draw_folder, tiny_classifier


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    root = draw_folder(tmp_path_factory.mktemp("why") / "train", dict.fromkeys(CLASSES, 6), 0)
    return TrainingSet.of(tiny_classifier(), Images.from_folder(root))


def test_nearest_are_those_of_the_class(training: TrainingSet) -> None:
    feature = training.features[2]
    near = training.nearest(feature, 1, 4)
    cosines = training.features @ feature
    direct = sorted((row for row in range(18) if training.targets[row] == 1),
                    key=lambda row: -cosines[row])[:4]  # fmt: skip
    assert [row for row, _ in near] == direct
    assert [value for _, value in near] == pytest.approx(cosines[direct].tolist())


def test_a_fit_without_an_image(training: TrainingSet) -> None:
    feature, strength = training.features[0], training.probe.strength

    def margin(rows: np.ndarray) -> float:
        fitted = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000)
        fitted.fit(training.features[rows], training.targets[rows])
        logits = fitted.decision_function(feature[None])[0]
        return float(logits[0] - logits[2])

    rows = np.arange(18)
    expected = margin(rows[rows != 5]) - margin(rows)
    assert training.refitted_margin(5, feature, 0, 2) == pytest.approx(expected, abs=2e-3)


def test_agreement_is_that_of_answers(training: TrainingSet) -> None:
    said = training.probe.logits(training.features).argmax(1)
    assert training.agreement() == np.mean(said == training.said)


def test_one_class_is_refused(training: TrainingSet) -> None:
    images = training.images.subset(range(4))
    with pytest.raises(DataError, match="too few classes"):
        TrainingSet.of(tiny_classifier(), images)


def test_an_unknown_class_is_refused(training: TrainingSet, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        TrainingSet.of(tiny_classifier(names=["red_circle", "other"]), training.images)
