"""Answers for images that a head was fitted without."""

import torch

from adapt.methods.auto.out_of_fold import FOLDS, answers_of, head_of, out_of_fold
from adapt.methods.features.cross_validation import rounds
from adapt.methods.features.named import feature_method
from tests.helpers.support_problem import ALL, problem


def test_each_image_is_answered_by_a_head_fitted_without_it() -> None:
    """In the order of the folds, as by fitting each by hand."""
    support, method = problem(ALL), feature_method("nearest_centroid")
    number = rounds(support, FOLDS)
    found = out_of_fold(support, method)
    assert found is not None
    logits, targets = [], []
    for fold in range(int(number.max()) + 1):
        head = method.head(support.part(number != fold))
        with torch.no_grad():
            logits.append(head(support.features[number == fold]).double())
        targets.append(support.targets[number == fold])
    assert torch.equal(found[0], torch.cat(logits))
    assert torch.equal(found[1], torch.cat(targets))


def test_zero_shot_and_nothing_to_hold_out() -> None:
    support = problem(ALL)
    assert torch.equal(head_of(None, support).weight, support.zero_shot)
    answers = answers_of(support, {"zero": None}, [0])["zero"]
    held = rounds(support, FOLDS) == 0
    expected = support.features[held] @ support.zero_shot.T
    torch.testing.assert_close(answers[0].float(), expected)
    assert out_of_fold(problem([0, 1, 2, 3, 4]), None) is None
    assert answers_of(support, {"zero": None}, []) == {}
