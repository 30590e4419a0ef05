"""One label or several: probabilities, heads from text, verdicts, and the way through a bundle."""

from pathlib import Path

import numpy as np
import pytest
import torch

from adapt.errors import DataError
from adapt.models.classifier import Classifier
from adapt.models.heads import text_weights
from adapt.models.prediction.labelling import ONE_LABEL, Labelling, SeveralLabels, labelling_of
from tests.helpers.tiny import VIT

NEGATIONS = [["no cat", "without a cat"], ["no dog"]]


@pytest.fixture(scope="module")
def several() -> Classifier:
    start = Classifier.from_clip(VIT, "random", ["cat", "dog"], ["plain"])
    own = SeveralLabels(NEGATIONS, (0.5, -0.25), (0.4, 0.9))
    return start.with_labelling(own).rebuild_head()


def test_one_label_is_a_softmax() -> None:
    logits = torch.tensor([[1.0, 3.0]], dtype=torch.float64)
    assert torch.equal(ONE_LABEL.probabilities(logits), torch.softmax(logits, dim=-1))
    assert ONE_LABEL.facts() is None
    assert not ONE_LABEL.several
    assert labelling_of(None) is ONE_LABEL


def test_probabilities_are_sigmoids_with_offsets(several: Classifier) -> None:
    several = several.with_temperature(2.0)
    logits = torch.tensor([[1.0, 3.0]])
    wanted = 1 / (1 + np.exp(-np.array([1 / 2 + 0.5, 3 / 2 - 0.25])))
    assert np.allclose(several.probabilities(logits).numpy(), wanted)


def test_a_head_from_text_is_prompt_minus_negation(several: Classifier) -> None:
    backbone = several.backbone
    with torch.no_grad():
        wanted = text_weights(backbone, several.prompts) - text_weights(backbone, NEGATIONS)
        assert torch.equal(several.head.weight, wanted)


def test_labels_are_those_above_their_threshold(several: Classifier) -> None:
    said = several.labelling.verdicts(None, [[0.4, 0.89], [0.1, 0.95]], [[0, 0]], 1.0)
    assert said.sets.tolist() == [[True, False], [False, True]]
    assert not said.abstained.any()
    prediction = several.predict(np.zeros((40, 40, 3), np.uint8))[0]
    given = [
        name
        for name, p in prediction.top
        if p >= dict(zip(["cat", "dog"], (0.4, 0.9), strict=True))[name]
    ]
    assert prediction.label == "|".join(sorted(given))
    assert list(prediction.labels) == given


def test_it_goes_through_a_bundle(several: Classifier, tmp_path: Path) -> None:
    several.save(tmp_path / "model")
    again = Classifier.load(tmp_path / "model")
    assert again.labelling == several.labelling
    image = np.full((40, 40, 3), 90, np.uint8)
    assert again.predict(image) == several.predict(image)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"negations": [["x"]], "offsets": [0.0, 1.0], "thresholds": []}, "not one per class"),
        ({"negations": [["x"]], "offsets": [], "thresholds": [1.5]}, "out of range"),
        ({"negations": [[]], "offsets": [], "thresholds": []}, "a class has none"),
        ({"negations": [["x"]], "offsets": []}, "not as it is written"),
        ({"negations": "x", "offsets": [], "thresholds": []}, "negations"),
        ({"negations": [["x"]], "offsets": [float("nan")], "thresholds": []}, "not a number"),
    ],
)
def test_what_is_refused(facts: object, told: str) -> None:
    with pytest.raises(DataError, match=told):
        labelling_of(facts)


def test_it_fits_the_classes(several: Classifier) -> None:
    with pytest.raises(DataError, match="not one per class"):
        several.with_labelling(SeveralLabels([["no x"]]))
    assert isinstance(several.labelling, Labelling)
    assert several.labelling.several
