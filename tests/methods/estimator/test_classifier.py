"""The estimator: alone, in pipelines of scikit-learn, on images and on features."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from adapt.data.labels.classes import ClassName
from adapt.data.sources.folders import from_folder
from adapt.errors import AdaptError, DataError, RecipeError
from adapt.methods.estimator.classifier import FewShotClassifier
from adapt.methods.features.cross_validation import rounds
from adapt.methods.features.named import feature_methods
from adapt.methods.features.support import Support
from adapt.methods.heads.gda import GDA
from adapt.models.cache_head import CacheHead
from adapt.models.classifier import Classifier
from tests.helpers.few_shot import LABELS, WIDTH, sample, wrong
from tests.helpers.tiny import CLASSES, VIT, draw_folder

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize("method", ["auto", "zero_shot", *feature_methods()])
def test_every_method_fits_and_predicts(method: str) -> None:
    x, y, text = sample(4, 0)
    test_x, test_y, _ = sample(25, 1)
    model = FewShotClassifier.from_features(text, method).fit(x, y)
    logits = model.decision_function(test_x)
    assert model.classes_.tolist() == LABELS
    np.testing.assert_array_equal(model.predict(test_x), np.array(LABELS)[logits.argmax(1)])
    own = logits.astype(float) / model.temperature_
    powers = np.exp(own - own.max(1, keepdims=True))
    expected = powers / powers.sum(1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(test_x), expected, rtol=1e-4, atol=1e-7)
    assert model.score(test_x, test_y) == accuracy_score(test_y, model.predict(test_x)) > 0.5


@pytest.mark.numerical
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


@pytest.mark.numerical
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


@pytest.mark.numerical
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


@pytest.mark.numerical
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
    ranked = {*feature_methods(), "mixture", "zero_shot"} - {"devise"}
    assert sorted(names) == sorted(ranked)
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
    assert "row of zeros" in wrong(np.zeros_like(x), y, text)
    model = FewShotClassifier.from_features(text, "gda").fit(x, y)
    with pytest.raises(RecipeError, match="no image encoder"):
        model.to_classifier()
    with pytest.raises(DataError, match="wrong width"):
        model.predict(x[:, :3])
    for ask in (lambda one: one.predict(x), FewShotClassifier.to_classifier):
        with pytest.raises(NotFittedError, match="not fitted - no head - call fit first"):
            ask(FewShotClassifier.from_features(text))


def failures() -> dict[str, Callable[[FewShotClassifier], object]]:
    """Calls that fail on an estimator fitted on all classes but `cat`, by what they raise."""
    x, y, text = sample(3, 5)
    nan = np.where(np.arange(WIDTH) == 3, np.nan, x)
    return {
        "text_features - do not fit": lambda one: one.partial_fit(x, y),
        "features - not finite": lambda one: one.fit(nan[y != "cat"], y[y != "cat"]),
        "fit - numbers differ": lambda one: one.partial_fit(x[:2], y[:1]),
        "text_features - another width": lambda one: one.partial_fit(x[:, :9], y, np.eye(4, 9)),
        "labels - cannot be sorted": lambda one: one.partial_fit(x, [7] * len(x)),
        "labels - missing": lambda one: one.partial_fit(x[:2], ["ant", None]),
        "settings.alpha - out of range": lambda one: one.set_params(
            settings={"alpha": -1.0}
        ).partial_fit(x, y, text),
    }


@pytest.mark.parametrize("message", failures())
def test_a_call_that_fails_changes_nothing(message: str) -> None:
    x, y, text = sample(4, 0)
    known, others = y != "cat", [0, 1, 3]
    new, _, _ = sample(9, 3)
    model = FewShotClassifier.from_features(text[others], "gda").fit(x[known], y[known])
    before, kept = model.decision_function(new), dict(vars(model))
    with pytest.raises(AdaptError, match=message):
        failures()[message](model)
    state = {name: value for name, value in vars(model).items() if name != "settings"}
    assert state.keys() == kept.keys() - {"settings"}
    assert all(value is kept[name] for name, value in state.items())
    np.testing.assert_array_equal(model.decision_function(new), before)
    model.set_params(settings=None).partial_fit(x[~known], y[~known], text)
    order = np.argsort(~known, kind="stable")
    whole = FewShotClassifier.from_features(text, "gda").fit(x[order], y[order])
    np.testing.assert_array_equal(model.decision_function(new), whole.decision_function(new))


def test_a_first_fit_that_fails_leaves_it_unfitted() -> None:
    x, y, text = sample(3, 0)
    model = FewShotClassifier.from_features(text, "gda")
    untouched = dict(vars(model))
    for call in (model.fit, model.partial_fit):
        with pytest.raises(DataError, match="numbers differ"):
            call(x[:-1], y)
    assert vars(model) == untouched
    with pytest.raises(NotFittedError):
        model.predict(x)
    model.partial_fit(x, y)
    whole = FewShotClassifier.from_features(text, "gda").fit(x, y)
    np.testing.assert_array_equal(model.decision_function(x), whole.decision_function(x))


@pytest.mark.parametrize("method", ["zero_shot", "clap"])
def test_new_directions_are_used(method: str) -> None:
    x, y, text = sample(4, 0)
    other = np.roll(text, 1, axis=0)
    model = FewShotClassifier.from_features(text, method).fit(x[::2], y[::2])
    model.partial_fit(x[1::2], y[1::2], text_features=other)
    order = [*range(0, len(y), 2), *range(1, len(y), 2)]
    fresh = FewShotClassifier.from_features(other, method).fit(x[order], y[order])
    np.testing.assert_array_equal(model.decision_function(x), fresh.decision_function(x))
    first = FewShotClassifier(method=method).partial_fit(x[order], y[order], text_features=other)
    np.testing.assert_array_equal(first.decision_function(x), fresh.decision_function(x))


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        (
            "clap",
            {"views": 4},
            "settings.views - more than one - 4 - leave it out: this estimator sees one view of "
            "each image",
        ),
        (
            "lp_plus_plus",
            {"select_on_val": True},
            "settings.select_on_val - nothing to select on - True - leave it out: this estimator "
            "has no val images",
        ),
        ("clap", {"epochs": 2.5}, "settings.epochs - wrong type - 2.5 - give an integer"),
        ("clap", {"epochs": True}, "settings.epochs - wrong type - True - give an integer"),
        ("knn", {"neighbours": 2.0}, "settings.neighbours - wrong type - 2.0 - give an integer or "
         "None"),
        ("knn", {"alone": "no"}, "settings.alone - wrong type - 'no' - give True or False"),
        ("gda", {"alpha": "1"}, "settings.alpha - wrong type - '1' - give a number or None"),
        ("gda", {"alpha": -1}, "settings.alpha - out of range - -1 - give null (choose) or 0 or "
         "more, at most 1,000,000"),
        ("gda", {"alfa": 1}, "settings.alfa - unknown, did you mean 'alpha'? - 1 - settings of "
         "gda: alpha, views"),
        ("zero_shot", {"views": 1}, "settings.views - unknown - 1 - settings of zero_shot: none"),
        ("gda", [1], "settings - not a dictionary - [1] - give values by name"),
        ("auto", {"candidates": "gda"}, "settings.candidates - wrong type - 'gda' - give a list"),
        (
            "auto",
            {"candidates": ["gdaa"]},
            "settings.candidates - no feature-space method - 'gdaa', did you mean 'gda'? - choose "
            f"from {', '.join(feature_methods())}",
        ),
        (
            "linear_probe",
            {"class_weights": {"bat": 2.0}},
            "settings.class_weights.bat - not a class, did you mean 'cat'? - 2.0 - classes are: "
            "ant, bee, cat, dog",
        ),
    ],
)  # fmt: skip
def test_settings_without_effect_or_of_the_wrong_kind(
    method: str, settings: object, message: str
) -> None:
    x, y, text = sample(2, 0)
    with pytest.raises(RecipeError) as caught:
        FewShotClassifier(text_features=text, method=method, settings=settings).fit(x, y)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_settings_of_numpy_and_one_view_do() -> None:
    x, y, text = sample(2, 0)
    plain = FewShotClassifier.from_features(text, "clap", epochs=7).fit(x, y)
    same = FewShotClassifier.from_features(text, "clap", epochs=np.int64(7), views=1).fit(x, y)
    np.testing.assert_array_equal(plain.decision_function(x), same.decision_function(x))


def test_a_refusal_while_fitting_is_about_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, text = sample(2, 0)

    def refuse(self: GDA, support: object) -> None:
        raise ValueError("too small")

    monkeypatch.setattr(GDA, "head", refuse)
    message = "settings - do not fit gda - too small - correct them"
    assert wrong(x, y, text, method="gda") == message


@pytest.mark.parametrize("kind", [np.int64, np.uint8, int, np.float64])
def test_class_names_by_number(kind: type) -> None:
    x, y, text = sample(2, 0)
    numbers = [kind(LABELS.index(label)) for label in y]
    FewShotClassifier(text_features=text, method="gda", class_names={0: "ship"}).fit(x, numbers)
    message = wrong(x, list(map(str, map(LABELS.index, y))), text, class_names={0: "ship", 9: "b"})
    assert message == ("class_names - not labels - 0, 9 - the labels are: '0', '1', '2', '3'")


@pytest.mark.numerical
def test_words_reach_the_prompts(tmp_path: Path) -> None:
    images = from_folder(draw_folder(tmp_path / "data", dict.fromkeys(CLASSES, 2), seed=0))
    labels = [DECOMPOSED if one == CLASSES[0] else one for one in images.labels]
    words = {COMPOSED: "sea", CLASSES[1]: " tree "}
    templates = ["a photo of a {}."]
    model = FewShotClassifier(
        VIT, "random", method="zero_shot", class_names=words, templates=templates
    ).fit(images.paths, labels)
    classifier = model.to_classifier()
    said = dict(zip(classifier.class_names, classifier.prompts, strict=True))
    assert said == {
        COMPOSED: ["a photo of a sea."],
        CLASSES[1]: ["a photo of a tree."],
        CLASSES[2]: ["a photo of a red circle."],
    }
    names = [ClassName(name, said[name][0][13:-1]) for name in classifier.class_names]
    direct = Classifier.from_clip(VIT, "random", names, templates)
    np.testing.assert_array_equal(
        classifier.head.weight.detach().numpy(), direct.head.weight.detach().numpy()
    )
    assert set(model.predict(images.paths)) <= {DECOMPOSED, *CLASSES[1:]}  # labels as given


@pytest.mark.numerical
def test_new_words_and_classes_of_images(tmp_path: Path) -> None:
    images = from_folder(draw_folder(tmp_path / "data", dict.fromkeys(CLASSES, 3), seed=0))
    paths, labels = np.array(images.paths), np.array(images.labels)
    known = labels != CLASSES[1]
    model = FewShotClassifier(VIT, "random", method="gda").fit(paths[known], labels[known])
    encoder = model._start.backbone
    with pytest.raises(RecipeError) as caught:
        model.partial_fit(paths[~known], labels[~known], text_features=np.eye(3))
    assert str(caught.value) == (
        "text_features - fitted on images - directions of classes - leave them out: words of new "
        "classes go into class_names"
    )
    words = dict.fromkeys(CLASSES[1:2], "tree")
    model.set_params(class_names=words).partial_fit(paths[~known], labels[~known])
    order = np.argsort(~known, kind="stable")
    whole = FewShotClassifier(VIT, "random", method="gda", class_names=words)
    whole.fit(paths[order], labels[order])
    np.testing.assert_allclose(
        model.decision_function(paths), whole.decision_function(paths), rtol=1e-3, atol=1e-2
    )
    assert model._start.backbone is encoder
    start = model._start
    assert model.partial_fit(paths[:2], labels[:2])._start is start


def test_images_that_are_none() -> None:
    model = FewShotClassifier(VIT, "random", method="gda")
    ones = {
        "images - one, not a list - str - give a list of images": "a.jpg",
        "images - one, not a list - ndarray of shape (9, 9, 3) - ": np.zeros((9, 9, 3), np.uint8),
        "predict - not images - int - give a path": 5,
    }
    for message, given in ones.items():
        with pytest.raises(DataError) as caught:
            model.fit(given, ["a", "b"])
        assert str(caught.value).startswith(message)
    with pytest.raises(DataError, match=r"^images - empty - 0 given - give at least one$"):
        model.fit([], ["a", "b"])


def test_class_weights_by_number() -> None:
    x, y, text = sample(3, 0)
    x, y = x[:-2], y[:-2]
    numbers = np.array([LABELS.index(label) for label in y])

    def logits(weights: object, labels: np.ndarray = numbers) -> np.ndarray:
        settings = {"class_weights": weights, "C": 1.0}
        model = FewShotClassifier.from_features(text, "linear_probe", **settings)
        return model.fit(x, labels).decision_function(x)

    by_number = logits({3: 5.0})
    np.testing.assert_array_equal(by_number, logits({"dog": 5.0}, y))
    np.testing.assert_array_equal(by_number, logits({"3": 5.0}))
    np.testing.assert_array_equal(by_number, logits({3: 5}, numbers.astype(float)))
    assert np.abs(by_number - logits("none")).max() > 0.01
    given = {"class_weights": {3: 5.0, "3": 1.0}}
    message = "settings.class_weights - two keys for one class - '3' - keep one"
    assert wrong(x, numbers, text, method="linear_probe", settings=given) == message
    assert given == {"class_weights": {3: 5.0, "3": 1.0}}  # settings stay as they are


@pytest.mark.parametrize("label", [COMPOSED, DECOMPOSED])
def test_unicode_forms_of_a_name_are_the_same(label: str) -> None:
    x, y, text = sample(3, 0)
    own = np.where(y == "dog", label, y).astype("<U5")
    fitted = [
        FewShotClassifier(
            text_features=text,
            method="linear_probe",
            settings={"class_weights": {key: 5.0}, "C": 1.0},
            class_names={key: "coffee"},
        ).fit(x, own)
        for key in (COMPOSED, DECOMPOSED)
    ]
    np.testing.assert_array_equal(*(model.decision_function(x) for model in fitted))
    assert label in fitted[0].classes_
    both = own.copy()
    both[0] = DECOMPOSED if label == COMPOSED else COMPOSED
    assert wrong(x, both, np.eye(5, WIDTH)) == (
        f"labels - two classes have equal names - {COMPOSED!r} and {COMPOSED!r} are the same - "
        "rename or merge them"
    )


def test_labels_are_kept_as_they_are() -> None:
    x, y, text = sample(2, 0)
    numbers = torch.tensor([LABELS.index(label) for label in y])
    assert FewShotClassifier.from_features(text, "gda").fit(x, numbers).classes_.dtype == np.int64
    model = FewShotClassifier.from_features(text, "gda").fit(x, numbers.numpy().astype(np.int16))
    assert model.partial_fit(x[:2], [0, 1]).classes_.tolist() == [0, 1, 2, 3]
    truth = FewShotClassifier.from_features(text[:2], "gda").fit(x[:4], y[:4] == "ant")
    assert truth.predict(x[:1]).tolist() == [True]


@pytest.mark.numerical
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_torch_features(kind: torch.dtype) -> None:
    x, y, text = (torch.from_numpy(one) if one.dtype == float else one for one in sample(3, 0))
    x, text = (one.to(kind).requires_grad_() for one in (x, text))
    model = FewShotClassifier.from_features(text, "zero_shot").fit(x, y)
    rows, directions = (one.detach().double().numpy() for one in (x, text))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    expected = 100 * rows @ directions.T
    np.testing.assert_allclose(model.decision_function(x), expected, rtol=1e-4, atol=1e-4)
    listed = clone(model).set_params(text_features=list(text)).fit(list(x), y)
    np.testing.assert_array_equal(listed.decision_function(x), model.decision_function(x))


@pytest.mark.numerical
@pytest.mark.parametrize("factor", [1e-200, 1e-30, 1e30, 1e200])
def test_the_size_of_features_plays_no_part(factor: float) -> None:
    x, y, text = sample(3, 0)
    model = FewShotClassifier.from_features(text, "zero_shot").fit(x, y)
    np.testing.assert_allclose(
        model.decision_function(factor * x), model.decision_function(x), rtol=1e-5, atol=1e-4
    )


@pytest.mark.numerical
def test_directions_have_one_length() -> None:
    x, y, text = sample(2, 0)
    longer = text * [[30.0], [30.0], [30.0], [31.0]]
    assert wrong(x, y, longer) == (
        "text_features - rows of unequal length - 30 to 31 - give unit rows, or all of one "
        "length: exp(logit scale)"
    )
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    for near, scale in ((30 * text, 30), (text * [[1.004], [0.996], [1.0], [1.0]], 100)):
        model = FewShotClassifier.from_features(near, "zero_shot").fit(x, y)
        expected = scale * unit @ text.T
        np.testing.assert_allclose(model.decision_function(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.numerical
def test_two_classes_as_scikit_learn_wants_them() -> None:
    x, y, text = sample(12, 0, noise=0.6)
    two = np.isin(y, LABELS[:2])
    x, y = x[two], y[two]
    model = FewShotClassifier.from_features(text[:2], "zero_shot").fit(x, y)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    logits = 100 * unit @ text[:2].T
    decision = model.decision_function(x)
    assert decision.shape == (len(x),)
    np.testing.assert_allclose(decision, logits[:, 1] - logits[:, 0], rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(model.predict(x), np.where(decision > 0, "bee", "ant"))
    second = 1 / (1 + np.exp(-decision.astype(float) / model.temperature_))
    expected = np.stack([1 - second, second], axis=1)
    np.testing.assert_allclose(model.predict_proba(x), expected, rtol=1e-3, atol=1e-6)
    scores = cross_val_score(clone(model), x, y, cv=3, scoring="roc_auc")
    direct = []
    for _, held in StratifiedKFold(3).split(x, y):
        first, other = (decision[held][y[held] == one] for one in LABELS[:2])
        direct.append(np.mean(other[:, None] > first[None]))
    np.testing.assert_allclose(scores, direct)
    sure = CalibratedClassifierCV(clone(model), cv=3).fit(x, y)
    probabilities = sure.predict_proba(x)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    np.testing.assert_array_equal(sure.predict(x), np.array(LABELS)[probabilities.argmax(1)])
    assert accuracy_score(y, sure.predict(x)) > 0.7


def test_a_cached_head_travels() -> None:
    x, y, text = sample(4, 0)
    if "tip_adapter" not in feature_methods():
        pytest.skip("no method with a cache")
    model = FewShotClassifier.from_features(text, "tip_adapter").fit(x, y)
    assert isinstance(model._head, CacheHead)


@pytest.mark.numerical
def test_probabilities_are_as_sure_as_out_of_fold_images_are_right() -> None:
    """Of a grid of temperatures none explains images better that the head had not seen."""
    x, y, text = sample(6, 0)
    model = FewShotClassifier.from_features(text, "gda", alpha=1.0).fit(x, y)
    unit = torch.nn.functional.normalize(torch.from_numpy(x).float(), dim=1)
    targets = torch.from_numpy(np.searchsorted(LABELS, y))
    scaled = torch.from_numpy(100 * text / np.linalg.norm(text, axis=1, keepdims=True)).float()
    support = Support(unit[None], targets, scaled)
    number, rows = rounds(support, 3), []
    for image in range(len(y)):
        rest = number != number[image]
        rows.append(GDA(alpha=1.0).head(support.part(rest))(unit[image]).detach().double())
    logits = torch.stack(rows)

    def loss(temperature: float) -> float:
        return float(torch.nn.functional.cross_entropy(logits / temperature, targets))

    grid = np.geomspace(0.05, 1e4, 400)
    assert loss(model.temperature_) <= min(map(loss, grid)) + 1e-6
    alone = FewShotClassifier.from_features(text, "gda").fit(text, LABELS)
    assert alone.temperature_ == 1.0


def test_a_grid_search_reaches_single_settings() -> None:
    """scikit-learn's own search over a hyper-parameter of the method, the other one kept."""
    random = np.random.default_rng(0)
    text = np.eye(3)
    features = np.repeat(text, 8, axis=0) + 0.3 * random.normal(size=(24, 3))
    labels = np.repeat(["a", "b", "c"], 8)
    model = FewShotClassifier.from_features(text, method="tip_adapter", beta=2.0)
    search = GridSearchCV(model, {"settings__alpha": [0.5, 3.0]}, cv=2).fit(features, labels)
    best = search.best_params_["settings__alpha"]
    assert search.best_estimator_.settings == {"beta": 2.0, "alpha": best}
    assert search.best_estimator_.get_params()["settings__beta"] == 2.0
    assert model.settings == {"beta": 2.0}
    for alpha in (0.5, 3.0):
        alone = FewShotClassifier.from_features(text, method="tip_adapter", beta=2.0, alpha=alpha)
        place = search.cv_results_["param_settings__alpha"].tolist().index(alpha)
        expected = cross_val_score(alone, features, labels, cv=2).mean()
        assert search.cv_results_["mean_test_score"][place] == pytest.approx(expected)
