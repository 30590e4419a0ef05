"""The estimator: alone, in pipelines of scikit-learn, on images and on features."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from tiny import CLASSES, VIT, draw_folder

from adapt.data.sources import from_folder
from adapt.errors import AdaptError, DataError, RecipeError
from adapt.few_shot import FewShotClassifier
from adapt.methods.auto import feature_methods
from adapt.models.cache_head import CacheHead
from adapt.models.classifier import Classifier

WIDTH, LABELS = 16, ["ant", "bee", "cat", "dog"]


def sample(count: int, seed: int, noise: float = 0.25) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features near one direction for each class; the text directions lie beside them."""
    random, fixed = np.random.default_rng(seed), np.random.default_rng(99)
    means = fixed.normal(size=(len(LABELS), WIDTH))
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    text = means + 0.15 * fixed.normal(size=means.shape)
    targets = np.repeat(np.arange(len(LABELS)), count)
    features = means[targets] + noise * random.normal(size=(len(targets), WIDTH))
    return features, np.array(LABELS)[targets], text / np.linalg.norm(text, axis=1, keepdims=True)


@pytest.mark.parametrize("method", ["auto", "zero_shot", *feature_methods()])
def test_every_method_fits_and_predicts(method: str) -> None:
    x, y, text = sample(4, 0)
    test_x, test_y, _ = sample(25, 1)
    model = FewShotClassifier.from_features(text, method).fit(x, y)
    logits = model.decision_function(test_x)
    assert model.classes_.tolist() == LABELS
    np.testing.assert_array_equal(model.predict(test_x), np.array(LABELS)[logits.argmax(1)])
    powers = np.exp(logits.astype(float) - logits.max(1, keepdims=True))
    expected = powers / powers.sum(1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(test_x), expected, rtol=1e-4, atol=1e-7)
    assert model.score(test_x, test_y) == accuracy_score(test_y, model.predict(test_x)) > 0.5


def test_zero_shot_is_the_cosine_with_the_text() -> None:
    x, y, text = sample(2, 0)
    model = FewShotClassifier.from_features(text, "zero_shot").fit(x, y)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    np.testing.assert_allclose(
        model.decision_function(x), 100 * unit @ text.T, rtol=1e-3, atol=1e-3
    )
    longer = FewShotClassifier.from_features(30 * text, "zero_shot").fit(x, y)
    np.testing.assert_allclose(
        longer.decision_function(x), 30 * unit @ text.T, rtol=1e-3, atol=1e-3
    )


def test_adding_shots_equals_fitting_on_all() -> None:
    x, y, text = sample(6, 0)
    whole = FewShotClassifier.from_features(text, "gda").fit(x, y)
    few = np.arange(len(y)) % 3 == 0
    parts = FewShotClassifier.from_features(text, "gda").fit(x[few], y[few])
    parts.partial_fit(x[~few], y[~few])
    new, _, _ = sample(9, 3)
    np.testing.assert_allclose(
        parts.decision_function(new), whole.decision_function(new), rtol=1e-3, atol=1e-2
    )


def test_adding_a_class() -> None:
    x, y, text = sample(5, 0)
    known = y != "cat"
    order = [0, 1, 3]
    model = FewShotClassifier.from_features(text[order], "gda").fit(x[known], y[known])
    assert "cat" not in model.classes_
    with pytest.raises(DataError, match="do not fit - shape"):
        clone(model).fit(x[known], y[known]).partial_fit(x[~known], y[~known])
    model.partial_fit(x[~known], y[~known], text_features=text)
    assert model.classes_.tolist() == LABELS
    np.testing.assert_array_equal(model.predict(x[~known]), y[~known])


def test_inside_scikit_learn() -> None:
    x, y, text = sample(10, 0)
    model = FewShotClassifier.from_features(text, "gda")
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_val_score(model, x, y, cv=folds)
    direct = []
    for rest, held in folds.split(x, y):
        fitted = clone(model).fit(x[rest], y[rest])
        direct.append(float((fitted.predict(x[held]) == y[held]).mean()))
    np.testing.assert_allclose(scores, direct)
    piped = make_pipeline(FunctionTransformer(lambda rows: 3 * rows), clone(model)).fit(x, y)
    np.testing.assert_array_equal(piped.predict(x), clone(model).fit(x, y).predict(x))
    assert clone(model).get_params()["method"] == "gda"
    assert not hasattr(clone(model.fit(x, y)), "classes_")


def test_labels_may_be_numbers() -> None:
    x, y, text = sample(3, 0)
    numbers = np.array([LABELS.index(label) * 10 for label in y])
    model = FewShotClassifier.from_features(text, "gda").fit(x, numbers)
    assert set(model.predict(x)) <= {0, 10, 20, 30}


def test_images_and_a_bundle(tmp_path: Path) -> None:
    images = from_folder(draw_folder(tmp_path / "data", dict.fromkeys(CLASSES, 4), seed=0))
    model = FewShotClassifier(VIT, "random", method="gda").fit(images.paths, images.labels)
    logits = model.decision_function(images.paths)
    again = Classifier.load(model.to_classifier().save(tmp_path / "model"))
    found = again.predict(images.paths)
    assert [one.label for one in found] == [CLASSES[place] for place in logits.argmax(1)]
    opened = [images.open(index) for index in range(3)]
    np.testing.assert_allclose(model.decision_function(opened), logits[:3], rtol=1e-4, atol=1e-4)


def test_one_shot_of_a_class_and_the_ranking() -> None:
    x, y, text = sample(6, 0)
    keep = (y != "dog") | (np.arange(len(y)) == int(np.flatnonzero(y == "dog")[0]))
    model = FewShotClassifier.from_features(text).fit(x[keep], y[keep])
    assert model.ranking_ is not None
    names = [one.name for one in model.ranking_.methods]
    assert sorted(names) == sorted([*feature_methods(), "zero_shot"])
    assert model.ranking_.images == 18  # the only dog is held out by none
    assert set(model.ranking_.recall) == {0, 1, 2}


def test_one_image_of_each_class_leaves_nothing_to_rank_on() -> None:
    x, y, text = sample(1, 0)
    model = FewShotClassifier.from_features(text).fit(x, y)
    assert model.ranking_ is not None
    assert model.ranking_.images == 0
    assert np.isnan(model.ranking_.methods[0].accuracy)


def test_repeated_shots_are_no_trouble() -> None:
    x, y, text = sample(2, 0)
    model = FewShotClassifier.from_features(text, "gda").fit(np.tile(x, (3, 1)), np.tile(y, 3))
    assert np.isfinite(model.decision_function(x)).all()


def wrong(x: np.ndarray, y: np.ndarray, text: np.ndarray, **settings: object) -> str:
    with pytest.raises(AdaptError) as caught:
        FewShotClassifier(text_features=text, **settings).fit(x, y)  # type: ignore[arg-type]
    return str(caught.value)


def test_what_is_wrong_is_said() -> None:
    x, y, text = sample(3, 0)
    broken = x.copy()
    broken[4, 2] = np.nan
    assert "NaN or infinity in 1 rows, first 4" in wrong(broken, y, text)
    assert f"give (N, {WIDTH})" in wrong(x[:, :5], y, text)
    assert "numbers differ - 12 images, 11 labels" in wrong(x, y[:-1], text)
    assert "one class" in wrong(x[:3], y[:3], text[:1])
    assert "for 3 classes" in wrong(x[:9], y[:9], text)
    assert "did you mean 'gda'" in wrong(x, y, text, method="gdaa")
    assert "do not fit gda" in wrong(x, y, text, method="gda", settings={"alfa": 1})
    assert "row of zeros" in wrong(np.zeros_like(x), y, text)
    model = FewShotClassifier.from_features(text, "gda").fit(x, y)
    with pytest.raises(RecipeError, match="no image tower"):
        model.to_classifier()
    with pytest.raises(DataError, match="wrong width"):
        model.predict(x[:, :3])
    with pytest.raises(NotFittedError):
        FewShotClassifier.from_features(text).predict(x)


def test_a_cached_head_travels() -> None:
    x, y, text = sample(4, 0)
    if "tip_adapter" not in feature_methods():
        pytest.skip("no method with a cache")
    model = FewShotClassifier.from_features(text, "tip_adapter").fit(x, y)
    assert isinstance(model._head, CacheHead)
