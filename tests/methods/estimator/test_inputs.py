"""What people give to the estimator: labels, words, numbers, settings."""

from pathlib import Path

import numpy as np
import pytest

from adapt.errors import DataError, RecipeError
from adapt.methods.estimator.classifier import FewShotClassifier
from tests.helpers.few_shot import sample, wrong

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize("seed", [None, 1.0, "1", True, 2**63])
def test_a_seed_is_an_integer(seed: object) -> None:
    x, y, text = sample(2, 0)
    with pytest.raises(RecipeError) as caught:
        FewShotClassifier(text_features=text, seed=seed).fit(x, y)  # type: ignore[arg-type]
    assert str(caught.value) == f"seed - not an integer - {seed!r} - give one of at most 63 bits"


def test_a_seed_of_numpy_does() -> None:
    x, y, text = sample(2, 0)
    logits = [
        FewShotClassifier(text_features=text, method="clap", seed=seed).fit(x, y)
        for seed in (np.int64(3), 3)  # type: ignore[arg-type]
    ]
    np.testing.assert_array_equal(*(model.decision_function(x) for model in logits))


def test_class_names_that_are_none() -> None:
    x, y, text = sample(2, 0)
    message = "class_names - not a dictionary - ['ant'] - give words by label"
    assert wrong(x, y, text, class_names=["ant"]) == message
    message = (
        "class_names.ant - not words - 5 - give text\nclass_names.bee - not words - ' ' - give text"
    )
    assert wrong(x, y, text, class_names={"ant": 5, "bee": " ", "cat": "cat"}) == message
    message = f"class_names - two keys for one class - {COMPOSED!r} - keep one"
    assert wrong(x, y, text, class_names={COMPOSED: "a", DECOMPOSED: "b"}) == message


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", None, "b", None], "missing - None, NaN or empty for 2 of 4 images, first 1 - label "
         "these images, or leave them out"),
        (["a", "b", " ", ""], "missing - None, NaN or empty for 2 of 4 images, first 2 - label "
         "these images, or leave them out"),
        ([0.0, 1.0, 1.0, np.nan], "missing - None, NaN or empty for 1 of 4 images, first 3 - label "
         "these images, or leave them out"),
        (np.array(["a", "b", "b", np.nan], dtype=object), "missing - None, NaN or empty for 1 of 4 "
         "images, first 3 - label these images, or leave them out"),
        (["a", 1, "b", 2.5], "cannot be sorted - types float, int, str - give labels of one type"),
        ([["a"], ["b", "c"], ["b"], ["c"]], "cannot be sorted - types list - give labels of one "
         "type"),
        ([["a"], ["b"], ["b"], ["a"]], "not one for each image - shape (4, 1) - give a list of N "
         "labels"),
        ("abba", "not one for each image - shape () - give a list of N labels"),
        ([], "not one for each image - shape (0,) - give a list of N labels"),
    ],
)  # fmt: skip
def test_labels_that_are_none(labels: object, message: str) -> None:
    x, text = np.eye(4), np.eye(2, 4)
    assert wrong(x, labels, text, method="gda") == f"labels - {message}"
    model = FewShotClassifier.from_features(text, "gda").fit(x, ["a", "b", "b", "a"])
    with pytest.raises(DataError, match=r"^labels - "):
        model.partial_fit(x, labels)


def test_paths_are_no_features() -> None:
    x, y, text = sample(1, 0)
    advice = "give features (N, D), not images or their paths"
    paths = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    message = f"features - not numbers - <U5 such as 'a.jpg' - {advice}"
    assert wrong(paths, y, text) == message
    model = FewShotClassifier.from_features(text, "gda").fit(x, y)
    with pytest.raises(DataError) as caught:
        model.predict(list(map(Path, paths)))
    assert str(caught.value) == f"features - not numbers - object such as 'a.jpg' - {advice}"
    message = f"text_features - not numbers - <U5 such as 'a.jpg' - {advice}"
    assert wrong(x, y, paths) == message
    assert wrong([[1.0], [1.0, 2.0]], y, text).startswith("features - not an array - ")
    assert np.array_equal(model.predict(x.astype(object)), model.predict(x))
