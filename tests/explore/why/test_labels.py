"""Why an image has a label: yes against no, of training images, influence and regions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError, RecipeError
from adapt.explore.why.grad_cam import grad_cam
from adapt.explore.why.labels import explain_label
from adapt.explore.why.settings import WhySettings
from adapt.models.classifier import Classifier
from adapt.models.prediction.labelling import SeveralLabels
from tests.helpers.tiny import CLASSES, draw_folder, tiny_classifier


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> ImageList:
    """Drawings, of which every third has a second label and some have none."""
    root = draw_folder(tmp_path_factory.mktemp("why") / "photos", dict.fromkeys(CLASSES, 6), 0)
    images = from_folder(root)
    sets = [
        tuple(sorted({label, CLASSES[0]})) if row % 3 == 0 else (label,) if row % 5 else ()
        for row, label in enumerate(images.labels)
    ]
    return replace(images, labels=["|".join(own) for own in sets], label_sets=sets)


@pytest.fixture(scope="module")
def model() -> Classifier:
    """Decides on each class by itself, with thresholds of its own."""
    plain = tiny_classifier()
    negations = [[f"no {name}"] for name in plain.class_names]
    labelling = SeveralLabels(negations, (0.1, -0.2, 0.3), (0.4, 0.5, 0.99999))
    return plain.with_labelling(labelling)


@pytest.mark.numerical
def test_training_images_of_a_label(model: Classifier, seen: ImageList) -> None:
    number, settings = 1, WhySettings(label=CLASSES[1], top=3)
    told = explain_label(model, seen.paths[0], seen, settings)
    with torch.no_grad():
        pixels = [model.predictor.pixels(path) for path in seen.paths]
        frames = model.backbone.preprocessing.normalise_batch(torch.from_numpy(np.stack(pixels)))
        features = model.features(frames)
        logits = model.head(features)
        odds = torch.sigmoid(logits / model.temperature + torch.tensor([0.1, -0.2, 0.3]))
    assert told["threshold"] == 0.5
    yes = "answer" if odds[0, number] >= 0.5 else "rival"
    assert told[yes]["class"] == CLASSES[1]
    assert told[yes]["probability"] == pytest.approx(float(odds[0, number]), abs=1e-6)
    x = features.double().numpy()
    has = np.array([CLASSES[1] in own for own in seen.labels_of_each])
    for kind, rows in (("yes", np.flatnonzero(has)), ("no", np.flatnonzero(~has))):
        near = told["training"]["nearest"][yes if kind == "yes" else _other(yes)]
        cosines = x[rows] @ x[0]
        wanted = rows[np.argsort(-cosines, kind="stable")[:3]]
        assert [own["row"] for own in near] == wanted.tolist()
    # the probe is that of the label against its absence; a refit without an image moves its margin
    strength = told["training"]["probe"]["C"]

    def margin(kept: np.ndarray) -> float:
        # two rows of weights under one penalty are one row under half of it
        probe = LogisticRegression(C=2 * strength, tol=1e-10, max_iter=10_000)
        return float(probe.fit(x[kept], has[kept]).decision_function(x[:1])[0])

    every = np.ones(len(x), bool)
    sign = 1 if yes == "answer" else -1
    assert told["training"]["probe"]["margin"] == pytest.approx(sign * margin(every), abs=0.01)
    for side in told["training"]["pulls"].values():
        for pull in side:
            kept = every.copy()
            kept[pull["row"]] = False
            change = sign * (margin(kept) - margin(every))
            assert pull["refitted"] == pytest.approx(change, abs=0.01)


def _other(kind: str) -> str:
    return "rival" if kind == "answer" else "answer"


def test_regions_are_those_of_the_logit(model: Classifier, seen: ImageList) -> None:
    told = explain_label(model, seen.paths[3], None, WhySettings(label=CLASSES[2]))
    assert told["answer"]["class"] == f"not {CLASSES[2]}", "its threshold is out of reach"
    frame = torch.from_numpy(model.predictor.pixels(seen.paths[3])[None])
    pixels = model.backbone.preprocessing.normalise_batch(frame)
    wanted = grad_cam(model, pixels, lambda logits: -logits[:, 2])
    assert told["regions"]["grad_cam"]["map"] == wanted.tolist()
    assert isinstance(told["training"], str)
    assert isinstance(told["words"], str)


def test_what_is_refused(model: Classifier, seen: ImageList, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="not a class"):
        explain_label(model, seen.paths[0], None, WhySettings(label="red_circl"))
    every = replace(seen, label_sets=[(CLASSES[1],)] * len(seen))
    with pytest.raises(DataError, match="with a label and without it"):
        explain_label(model, seen.paths[0], every, WhySettings(label=CLASSES[1]))
