"""Scores of a run with and without leaked images."""

import numpy as np

from adapt.runs.measures.scores import ENSEMBLE, Outputs, leak_free_scores


def test_leak_free_scores_of_a_run() -> None:
    logits = np.eye(2)[[0, 1, 0, 1]] * 4.0
    targets = np.array([0, 1, 1, 1])
    outputs = Outputs(["a", "b"], {"test": targets}, {ENSEMBLE: {"test": logits}}, {ENSEMBLE: 1.0})
    assert leak_free_scores(outputs, {"test": [0, 1]}) == {
        "test": {"images": 4, "leaked": 2, "accuracy": 0.75, "leak_free_accuracy": 0.5}
    }
    assert leak_free_scores(outputs, {"test": [0, 1, 2, 3]})["test"]["leak_free_accuracy"] is None
