"""Each part of `monitor.json` against a direct computation."""

from dataclasses import replace

import numpy as np
import pytest

from adapt.evaluation.unlabelled.label_shift import black_box_shift, most_likely_shift
from adapt.evaluation.unlabelled.reference import reference_of
from adapt.evaluation.unlabelled.two_sample import kernel_test
from adapt.explore.monitor import measures
from adapt.explore.monitor.seen import Seen
from adapt.models.bundle.reference import Reference
from adapt.models.prediction.uncertainty import Uncertainty


@pytest.fixture
def both() -> tuple[Reference, Seen]:
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 2, 80)
    logits = 2 * np.eye(2)[targets] + generator.standard_normal((80, 2))
    reference = reference_of("val", targets, logits, 1.0, generator.standard_normal((80, 4)))
    new = generator.dirichlet([2.0, 1.0], 60)
    features = generator.standard_normal((60, 4)).astype(np.float32) + 0.5
    rows, unknown = np.arange(60), np.arange(60) < 6
    return reference, Seen([str(n) for n in rows], rows, new, unknown, rows, features)


def test_drift(both: tuple[Reference, Seen]) -> None:
    reference, seen = both
    found = measures.drift(reference, seen, 0.05)
    result = kernel_test(reference.features, seen.features.astype(np.float16))
    assert (found["p"], found["drifted"]) == (result.p, True)
    assert found["mmd"] == pytest.approx(result.statistic, abs=1e-9)
    few = replace(seen, features=seen.features[:3])
    assert measures.drift(reference, few, 0.05)["reason"] == "fewer than 5 images on one side"
    other = replace(seen, features=seen.features[:, :2])
    assert measures.drift(reference, other, 0.05)["reason"] == (
        "features of 4 numbers, the model gives 2"
    )
    without = replace(reference, no_features="folds")
    assert measures.drift(without, seen, 0.05)["drifted"] is None


def test_class_mix(both: tuple[Reference, Seen]) -> None:
    reference, seen = both
    found = measures.class_mix(reference, seen, ["a", "b"])
    likely = most_likely_shift(seen.probabilities, reference.prior)
    told = black_box_shift(reference.targets, reference.predicted, seen.predicted, 2)
    for place, row in enumerate(found["classes"]):
        assert row["mlls"]["share"] == pytest.approx(likely[place])
        assert row["bbse"]["share"] == pytest.approx(told[place])
        assert row["reference"] == np.mean(reference.targets == place)
        assert row["predicted"] == np.mean(seen.predicted == place)
    before = np.mean(reference.targets == 0)
    assert found["moved"] == pytest.approx(abs(likely[0] - before))
    low, high = found["classes"][0]["mlls"]["ci"]
    assert ("a" in found["changed"]) == (not low <= before <= high)


def test_unknown_and_unsure(both: tuple[Reference, Seen]) -> None:
    reference, seen = both
    stored = Uncertainty(unknown_detector="msp", unknown_threshold=0.3)
    found = measures.unknowns(seen, stored, None)
    assert found["share"] == 0.1
    assert found["ci"][0] < 0.1 < found["ci"][1]
    assert measures.unknowns(seen, None, None)["reason"].startswith("the model stores no detector")
    found = measures.unsure(reference, seen)
    assert found["below"] == np.sort(reference.confidences)[4]
    assert found["share"] == np.mean(seen.confidences < found["below"])
    assert found["expected"] == 0.05


def test_the_best_alpha_is_the_smallest_of_equals(both: tuple[Reference, Seen]) -> None:
    reference, _ = both
    answers = np.stack([reference.predicted] * 2)
    confidences = np.stack([reference.confidences] * 2)
    line = replace(
        reference, alpha=1.0, alphas=[0.0, 1.0], temperatures=[1.0, 1.0],
        line_answers=answers, line_confidences=confidences,
    )  # fmt: skip
    said = dict.fromkeys((0.0, 1.0), (answers[0], confidences[0]))
    found = measures.along(line, said)
    assert (found["best"], found["shipped"]) == (0.0, 1.0)
    assert [point["estimate"] for point in found["points"]] == pytest.approx(
        [reference.accuracy] * 2
    )
    assert measures.along(reference, {})["best"] is None
