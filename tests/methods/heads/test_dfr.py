"""DFR against scikit-learn on balanced subsets, and what it is for."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from adapt.errors import DataError
from adapt.methods.features.groups import SupportGroups
from adapt.methods.heads.dfr import DFR, balanced_rows, halves
from adapt.methods.heads.linear_probe import LinearProbe
from tests.helpers.spurious import spurious, worst


@pytest.mark.numerical
@pytest.mark.filterwarnings("ignore:'penalty' was deprecated")
def test_the_mean_of_regressions_on_balanced_subsets() -> None:
    """The same subsets, standardised and fitted by scikit-learn; the difference of both rows."""
    support = spurious(12)
    head = DFR(C=0.3, draws=3).head(support)
    x, y = support.features.numpy().astype(np.float64), support.targets.numpy()
    scaler = StandardScaler().fit(x)
    numbers = SupportGroups.of(support).numbers
    random = torch.Generator().manual_seed(0)
    weights, biases = [], []
    for _ in range(3):
        rows = balanced_rows(numbers, random).numpy()
        assert np.bincount(numbers[rows]).tolist() == [12] * 4
        fitted = LogisticRegression(
            solver="liblinear", penalty="l1", C=0.3, tol=1e-8, max_iter=10_000
        ).fit(scaler.transform(x[rows]), y[rows])
        weights.append(fitted.coef_[0])
        biases.append(fitted.intercept_[0])
    scores = scaler.transform(x) @ np.mean(weights, 0) + np.mean(biases)
    with torch.no_grad():
        logits = head(support.features)
    assert (logits[:, 1] - logits[:, 0]).numpy() == pytest.approx(scores, abs=0.01)


def test_the_worst_group_is_better_served_than_by_a_probe() -> None:
    support, test = spurious(8), spurious(200, 7)
    probe = LinearProbe(C=10.0, initialisation="zero").head(support)
    assert worst(DFR(draws=5).head(support), test) > worst(probe, test) + 0.1


@pytest.mark.parametrize("val", [0, 20])
def test_it_is_the_same_again_and_searches(val: int) -> None:
    support = spurious(10, val=val)
    first, second = (DFR(draws=2).head(support) for _ in range(2))
    assert torch.equal(first.weight, second.weight)


def test_halves_have_every_group() -> None:
    numbers = torch.tensor([0, 0, 0, 1, 1, 2])
    first, second = halves(numbers, torch.Generator().manual_seed(0))
    assert set(numbers[first].tolist()) == set(numbers[second].tolist()) == {0, 1, 2}
    assert sorted([*first.tolist(), *second.tolist()]) == [0, 1, 2, 3, 4, 5, 5]


def test_a_class_without_images_is_refused() -> None:
    support = spurious(5).part(torch.arange(80))
    with pytest.raises(DataError, match="a class without images - class 1 of 2"):
        DFR().head(support)
