"""Estimates side by side, each against its own function; the interval against its parts."""

import numpy as np
import pytest

from adapt.evaluation.unlabelled.agreement import agreement_on_the_line
from adapt.evaluation.unlabelled.confidence import (
    average_thresholded_confidence,
    difference_of_confidences,
)
from adapt.evaluation.unlabelled.estimates import (
    AVERAGED,
    DEFAULT,
    TITLES,
    accuracies_along,
    accuracy_estimates,
    estimate_interval,
)
from adapt.evaluation.unlabelled.reference import reference_of

pytestmark = pytest.mark.numerical


def world(seed: int = 0) -> tuple:  # type: ignore[type-arg]
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, 4, 200)
    sure = np.eye(4)[targets]
    logits = {a: 2 * (1 + a) * sure + generator.standard_normal((200, 4)) for a in (0.0, 0.5, 1.0)}
    points = {alpha: (own, 1.0) for alpha, own in logits.items()}
    reference = reference_of("val", targets, logits[0.5], 1.0, "none", (0.5, points))
    line = {}
    for alpha in points:
        new = generator.dirichlet(np.full(4, 0.5), 150)
        line[alpha] = (new.argmax(1), new.max(1).astype(np.float32))
    return reference, generator.dirichlet(np.full(4, 0.5), 150), line, logits, targets


def test_each_is_its_own_function() -> None:
    reference, new, line, logits, targets = world()
    found = accuracy_estimates(reference, new, line)
    assert list(found) == list(TITLES)
    right = reference.predicted == targets
    confidences = new.max(1)
    assert found["average_confidence"] == pytest.approx(confidences.mean())
    doc = difference_of_confidences(reference.confidences, right, confidences)
    assert found["doc"] == pytest.approx(doc)
    atc = average_thresholded_confidence(reference.confidences, right, confidences)
    assert found["atc_confidence"] == pytest.approx(atc, abs=1e-6)
    before = (logits[0.0].argmax(1) == logits[0.5].argmax(1)).mean()
    after = (line[0.0][0] == line[0.5][0]).mean()
    assert found["agreement"] == pytest.approx(max(0, right.mean() - before + after))
    answers = np.stack([logits[alpha].argmax(1) for alpha in (0.0, 0.5, 1.0)])
    accuracies = (answers == targets).mean(1)
    aline = agreement_on_the_line(answers, accuracies, np.stack([line[a][0] for a in line]))
    assert found["agreement_line"] == pytest.approx(aline[1])
    assert found["mean"] == pytest.approx(np.mean([found[name] for name in AVERAGED]))
    assert DEFAULT in found


def test_without_a_line_those_that_compare_models_are_left_out() -> None:
    reference, new, *_ = world()
    found = accuracy_estimates(reference, new)
    assert set(TITLES) - set(found) == {"agreement", "agreement_line"}
    assert found["mean"] == pytest.approx(np.mean([found[name] for name in AVERAGED]))


def test_along_the_line_each_point_has_its_own_threshold() -> None:
    reference, _, line, *_ = world()
    estimated = accuracies_along(reference, line)
    right = reference.line_answers[2] == reference.targets
    both = (
        difference_of_confidences(reference.line_confidences[2], right, line[1.0][1]),
        average_thresholded_confidence(reference.line_confidences[2], right, line[1.0][1]),
    )
    assert list(estimated) == [0.0, 0.5, 1.0]
    assert estimated[1.0] == pytest.approx(np.mean(both))


def test_the_interval_holds_its_estimate_and_grows_with_the_fall() -> None:
    near, far = estimate_interval(0.9, 0.9, 500, 500), estimate_interval(0.6, 0.9, 500, 500)
    assert near[0] < 0.9 < near[1] <= 1
    assert far[1] - far[0] > 2 * (near[1] - near[0])
    assert estimate_interval(0.02, 0.5, 50, 50)[0] == 0
