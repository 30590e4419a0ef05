"""What a notebook shows of a classifier, a curve, scores and a check."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

import adapt
from adapt.data.image_data import ImageData
from adapt.evaluation.evaluate import Scores
from adapt.models.classifier import Classifier


def cells(html: str) -> dict[str, list[str | None]]:
    """Rows of a table by their first cell."""
    rows = ElementTree.fromstring(html).findall("tbody/tr")
    return {str(row[0].text): [cell.text for cell in row[1:]] for row in rows}


def test_a_classifier(start: Classifier) -> None:
    rows = cells(start._repr_html_())
    assert rows["head"] == ["from text"]
    assert rows["weights"] == [f"{sum(weight.numel() for weight in start.parameters()):,}"]
    count = len(start.class_names)
    assert rows["classes"] == [f"{count}: {', '.join(start.class_names)}"]
    head = start.head.weight.detach().numpy()
    units = head / np.linalg.norm(head, axis=1, keepdims=True)
    shown = np.asarray(start.plot().axes[0].images[0].get_array())
    np.testing.assert_allclose(shown, units @ units.T, atol=1e-5)


def test_a_curve_scores_and_a_check(start: Classifier, toy_root: Path) -> None:
    data = ImageData.from_folder(toy_root / "train", val=0.4)
    assert data.val is not None
    tuned = adapt.method("nearest_centroid").fit(start, data)
    _, curve = adapt.wise_ft(start, tuned, data.val)
    rows = cells(curve._repr_html_())
    assert len(rows) == len(curve.points)
    assert sum("(chosen)" in alpha for alpha in rows) == 1
    assert len(curve.plot().axes[0].lines) == 2
    scores = adapt.evaluate({"start": start, "tuned": tuned}, {"val": data.val})
    for model, own in scores.items():
        [shown] = cells(scores._repr_html_())[model]
        assert str(shown).startswith(f"{100 * own['val']['accuracy']:.1f} % (")
    assert len(scores.plot().axes[0].get_yticklabels()) == 1
    checked = adapt.check(toy_root / "train", model=None)
    messages = [finding.message for finding in checked.findings]
    shown_rows = ElementTree.fromstring(checked._repr_html_()).findall("tbody/tr")
    assert [row[1].text for row in shown_rows] == messages
    assert len(checked.plot().axes[0].patches) == len({each.kind for each in checked.findings})


def test_scores_of_several_labels() -> None:
    scores = Scores(
        {
            "start": {"val": {"n": 3, "mAP": 0.25}, "empty": {"n": 2, "mAP": None}},
            "tuned": {"val": {"n": 3, "mAP": 0.5, "mAP_ci": [0.4, 0.6]}},
        }
    )
    html = scores._repr_html_()
    assert ElementTree.fromstring(html).findtext("caption") == "mAP"
    shown = cells(html)
    assert shown["start"] == ["25.0 %", "n/a"]
    assert shown["tuned"] == ["50.0 % (40.0 to 60.0)", None]
    assert scores.plot().axes[0].get_xlabel() == "mAP"
