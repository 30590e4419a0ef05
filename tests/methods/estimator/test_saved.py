"""A fitted estimator comes back from its folder as it was."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.exceptions import NotFittedError

from adapt.common.content import content_hash
from adapt.errors import BundleError, WeightsError
from adapt.methods.auto.ranking import Ranked, Ranking
from adapt.methods.estimator.classifier import FewShotClassifier
from adapt.methods.estimator.saved import ESTIMATOR, FITTED
from adapt.models.bundle.manifest import OWN_HASH, manifest_hash
from tests.helpers.few_shot import LABELS, sample
from tests.helpers.tiny import VIT, draw_folder, run_python

METHODS = [pytest.param("auto", marks=pytest.mark.slow), "zero_shot", "gda", "tip_adapter"]


def fitted(method: str = "gda", labels: Callable[[Any], Any] = lambda label: label) -> Any:
    x, y, text = sample(4, 0)
    return FewShotClassifier.from_features(text, method).fit(x, [labels(label) for label in y])


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(fitted().save(tmp_path_factory.mktemp("saved") / "model"))


@pytest.mark.parametrize("method", METHODS)
def test_round_trip_from_features(method: str, tmp_path: Path) -> None:
    first = fitted(method)
    again = FewShotClassifier.load(first.save(tmp_path / "model"))
    x, y, _ = sample(9, 1)
    np.testing.assert_allclose(again.predict_proba(x), first.predict_proba(x), rtol=1e-4)
    np.testing.assert_array_equal(first.predict(x), again.predict(x))
    assert again.classes_.dtype == first.classes_.dtype
    assert again.temperature_ == first.temperature_
    assert str(again.ranking_) == str(first.ranking_)
    np.testing.assert_array_equal(again.text_features, first.text_features)
    own = first.get_params()
    assert {k: v for k, v in again.get_params().items() if k != "text_features"} == {
        k: v for k, v in own.items() if k != "text_features"
    }
    if method == "auto":  # ranks again with each fit, which takes long
        return
    for model in (first, again):
        model.partial_fit(x, y)
    np.testing.assert_allclose(again.predict_proba(x), first.predict_proba(x), rtol=1e-4)


@pytest.mark.parametrize(
    "labels", [LABELS.index, lambda label: LABELS.index(label) / 2, str, lambda n: n == LABELS[0]]
)
def test_labels_keep_their_type(labels: Callable[[Any], Any], tmp_path: Path) -> None:
    x, y, text = sample(4, 0)
    given = [labels(label) for label in y]
    own = text[: len(set(given))]
    first = FewShotClassifier.from_features(own, "gda").fit(x, given)
    again = FewShotClassifier.load(first.save(tmp_path))
    assert again.classes_.dtype == first.classes_.dtype
    assert again.classes_.tolist() == first.classes_.tolist()


@pytest.mark.slow
def test_round_trip_from_images_in_another_process(tmp_path: Path) -> None:
    root = draw_folder(tmp_path / "images", {"red_circle": 3, "blue_square": 3}, 0)
    paths = sorted(root.rglob("*.png"))
    names = {"red_circle": "red disc", "blue_square": "blue box"}
    first = FewShotClassifier(VIT, "random", "gda", class_names=names)
    first.fit(paths, [path.parent.name for path in paths]).save(tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        ESTIMATOR,
        FITTED,
        "start",
    ]
    code = (
        "import sys\n"
        "from adapt import FewShotClassifier\n"
        "model = FewShotClassifier.load(sys.argv[1])\n"
        "print(model.class_names, model.predict_proba(sys.argv[2:]).tolist())\n"
    )
    given = [str(path) for path in paths]
    printed = run_python(code, tmp_path, str(tmp_path / "model"), *given)
    words, _, numbers = printed.partition("} ")
    assert words + "}" == str(names)
    np.testing.assert_allclose(json.loads(numbers), first.predict_proba(given), atol=1e-6)


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        FewShotClassifier().save(tmp_path / "model")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match="holds other files"):
        fitted().save(tmp_path)
    model = fitted()
    model.settings = {"x": object()}
    with pytest.raises(BundleError, match="cannot be written"):
        model.save(tmp_path / "model")
    assert not list((tmp_path / "model").iterdir())


@pytest.mark.parametrize(
    ("change", "rehash", "expected"),
    [
        (lambda c: c.update(temperature=2.0), False, "altered"),
        (lambda c: c["classes"].reverse(), False, "altered"),
        (lambda c: c.update(temperature=0), True, "labels or temperature"),
        (lambda c: c.update(classes_type="|V8"), True, "labels or temperature"),
        (lambda c: c.update(format=2), True, "format not known - 2"),
        (lambda c: c.update(more=1), True, "other keys - more"),
        (lambda c: c.update(classes={}), True, "classes - not a list"),
        (lambda c: c.update(classes=["a"]), True, "parts do not match"),
        (lambda c: c["parameters"].pop("arch"), True, "parts do not match"),
        (lambda c: c.update(files={}), True, "altered"),
    ],
)
def test_changed_facts(
    change: Callable[[dict[str, Any]], Any],
    rehash: bool,
    expected: str,
    saved: Path,
    tmp_path: Path,
) -> None:
    folder = Path(shutil.copytree(saved, tmp_path / "model"))
    content = json.loads((folder / ESTIMATOR).read_text())
    change(content)
    if rehash:
        content[OWN_HASH] = manifest_hash(content)
    (folder / ESTIMATOR).write_text(json.dumps(content))
    with pytest.raises(BundleError, match=expected):
        FewShotClassifier.load(folder)


def test_changed_files(saved: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(saved, tmp_path / "model"))
    state = load_file(folder / FITTED)
    state["head.bias"][0] = float("nan")
    save_file(state, folder / FITTED)
    with pytest.raises(BundleError, match="altered"):
        FewShotClassifier.load(folder)
    content = json.loads((folder / ESTIMATOR).read_text())
    content["files"][FITTED] = content_hash(folder / FITTED)
    content[OWN_HASH] = manifest_hash(content)
    (folder / ESTIMATOR).write_text(json.dumps(content))
    with pytest.raises(BundleError, match="NaN"):
        FewShotClassifier.load(folder)
    (folder / "more").write_text("")
    with pytest.raises(BundleError, match="more - not a file of this folder"):
        FewShotClassifier.load(folder)
    with pytest.raises(BundleError, match="not a saved estimator"):
        FewShotClassifier.load(tmp_path)


def test_a_model_without_numbers_does_not_predict() -> None:
    model = fitted()
    x, _, _ = sample(2, 1)
    with torch.no_grad():
        model._head.bias[0] = float("nan")
    for ask in (model.predict, model.predict_proba, model.decision_function):
        with pytest.raises(WeightsError, match="gives no numbers") as caught:
            ask(x)
        assert caught.value.exit_code == 4


def test_a_ranking_comes_back(tmp_path: Path) -> None:
    nothing = float("nan")
    model = fitted()
    methods = (Ranked("gda", 0.5, 0.1, 1.0, 4, 0.0, 0.0, 1), Ranked("x", nothing, nothing, nothing))
    answers = (torch.arange(6.0).view(2, 3), torch.tensor([0, 2]))
    model.ranking_ = Ranking(methods, 4, {1: 0.25, 2: 0.5}, {0: nothing, 1: 1.0}, answers)
    again = FewShotClassifier.load(model.save(tmp_path / "model")).ranking_
    assert str(again) == str(model.ranking_)
    assert all(map(torch.equal, again.answers, answers))
