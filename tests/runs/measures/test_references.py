"""Ensembles of outputs of a run against plain sums."""

import numpy as np
import pytest
from scipy.special import softmax

from adapt.ensembling.held_out import HeldOut
from adapt.ensembling.outputs import mix_by_entropy
from adapt.runs.measures.references import output_references
from adapt.runs.measures.scores import ADAPTED, START, Outputs


def test_each_reference_on_each_split() -> None:
    draw = np.random.default_rng(0)
    targets = {"val": draw.integers(0, 3, 40), "test": np.tile([0, 2], 20)}  # test lacks a class
    sizes = dict.fromkeys(targets, (40, 3))
    logits = {
        model: {split: draw.normal(0, 2, size) for split, size in sizes.items()}
        for model in (START, ADAPTED)
    }
    held = HeldOut(targets["val"], {0.0: logits[START]["val"], 1.0: logits[ADAPTED]["val"]})
    outputs = Outputs(list("abc"), targets, logits, dict.fromkeys(logits, 1.0))
    found = output_references(outputs, held)
    first, second = held.temperature(0.0), held.temperature(1.0)
    for split, columns in (("val", [0, 1, 2]), ("test", [0, 2])):
        start, tuned = (logits[model][split][:, columns] for model in (START, ADAPTED))
        places = np.searchsorted(columns, targets[split])
        p, q = softmax(start / first, axis=1), softmax(tuned / second, axis=1)
        product = np.sqrt(p * q)
        mixed, weights = mix_by_entropy(start, tuned, (first, second), offset=True)
        expected = {
            "mean_probabilities": ((p + q) / 2, 0.5),
            "mean_logits": (product / product.sum(axis=1, keepdims=True), 0.5),
            "dawin": (mixed, weights.mean()),
        }
        assert set(found) == set(expected)
        before = float((start.argmax(1) == places).mean())
        for name, (probabilities, weight) in expected.items():
            row, of_true = found[name][split], probabilities[np.arange(40), places]
            accuracy = float((probabilities.argmax(1) == places).mean())
            assert row["accuracy"] == pytest.approx(accuracy)
            assert row["nll"] == pytest.approx(-np.log(of_true).mean(), rel=1e-5)
            assert row["weight"] == pytest.approx(weight)
            assert row["difference"]["accuracy"]["difference"] == pytest.approx(accuracy - before)
