"""Training images that hurt, against fits without them."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from adapt.checks.check import check
from adapt.checks.findings.finding import Place
from adapt.checks.influence import influence_findings
from adapt.checks.model import STRENGTH
from adapt.errors import RecipeError


def view(val: bool) -> tuple[Any, set[int]]:
    """60 training images, three of them with a wrong label, and 30 of val or none."""
    random = np.random.default_rng(0)
    true = np.arange(90 if val else 60) % 3
    features = random.normal(size=(len(true), 6)) * 0.3 + 1.5 * np.eye(3, 6)[true]
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    labels, wrong = true.copy(), {4, 25, 47}
    labels[list(wrong)] = (true[list(wrong)] + 1) % 3
    splits = ["train"] * 60 + ["val"] * (len(true) - 60)
    places = [Place(splits[row], f"{row}.png", "abc"[label]) for row, label in enumerate(labels)]
    made = SimpleNamespace(
        places=places,
        features=features.astype(np.float32),
        targets=labels,
        class_names=list("abc"),
        pictures=[SimpleNamespace(sha256=f"{row:064x}") for row in range(len(true))],
        copies=SimpleNamespace(groups=lambda: [str(row) for row in range(len(true))]),
        rows=lambda *names: [row for row, split in enumerate(splits) if split in names],
    )
    return made, wrong


@pytest.mark.parametrize("val", [True, False])
def test_wrong_labels_come_first(val: bool) -> None:
    made, wrong = view(val)
    (finding,) = influence_findings(made)
    first = [int(place.path.partition(".")[0]) for (place,) in finding.places[:3]]
    assert set(first) == wrong
    assert finding.details["judged_on"] == ("val" if val else "folds")
    assert list(finding.values) == sorted(finding.values, reverse=True)
    assert finding.level == "note"
    assert finding.remove == ()


def test_the_number_is_about_what_a_fit_without_the_image_says() -> None:
    made, _ = view(val=True)
    (finding,) = influence_findings(made)
    x, y = made.features.astype(float), made.targets
    train, val = np.arange(60), np.arange(60, 90)

    def error(rows: np.ndarray) -> float:
        fitted = LogisticRegression(C=STRENGTH, tol=1e-10, max_iter=10_000).fit(x[rows], y[rows])
        return float(1 - fitted.predict_proba(x[val])[np.arange(30), y[val]].mean())

    row = int(finding.places[0][0].path.partition(".")[0])
    falls = error(train) - error(train[train != row])
    assert 0.5 * falls < finding.values[0] < 1.2 * falls


def test_few_images_give_no_finding() -> None:
    made, _ = view(val=False)
    made.rows = lambda *names: list(range(10)) if "train" in names else []
    assert influence_findings(made) == []


def test_it_needs_a_model() -> None:
    with pytest.raises(RecipeError, match="--influence"):
        check("anywhere", model=None, influence=True)
