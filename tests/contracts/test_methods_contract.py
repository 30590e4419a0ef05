"""What every method promises, checked on each one that is registered."""

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import adapt
from adapt.data.image_data import ImageData
from adapt.data.sources.image_list import ImageList
from adapt.errors import RecipeError
from adapt.methods import base, get, register, schemas
from adapt.methods.features.base import HeadMethod
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.features.encode import predict_logits
from adapt.training.features.pixels import prepare
from adapt.training.settings import Optim
from tests.helpers.methods import METHODS, WITH_OPTIM, make
from tests.helpers.tiny import bit_equal, tiny_classifier, weights

SHORT = Optim(lr=3e-3, epochs=1, batch_size=12)
LONG = Optim(lr=3e-3, epochs=12, batch_size=12)
LONG_OF = {  # few numbers train on top of random ones: they must go far
    "bitfit": replace(LONG, lr=0.1),
    "norm_tuning": replace(LONG, lr=0.1),
    "prompt_tuning": replace(LONG, lr=0.3, epochs=24),
    "clip_lora": replace(LONG, lr=2e-2, epochs=24),
    "lit": replace(LONG, lr=1e-2, epochs=24),
}


def learner(name: str) -> Any:
    """The method with time to learn."""
    return make(name, LONG_OF.get(name, LONG))


def accuracy(classifier: Classifier, images: ImageList, context: Context) -> float:
    pixels = prepare(images, classifier.backbone.preprocessing)
    logits = predict_logits(classifier, pixels, context.runtime)
    return float((logits.argmax(1) == images.targets(classifier.class_names)).mean())


def test_methods_are_found() -> None:
    """Every file in the three folders and below them, and nothing else."""
    room = Path(base.__file__).parent
    files = {
        ".".join(("adapt.methods", *path.relative_to(room).with_suffix("").parts))
        for folder in base.PLACES
        for path in (room / folder).rglob("*.py")
        if "@register(" in path.read_text(encoding="utf-8")
    }
    assert len(files) > 20
    assert {schema.__module__ for schema in schemas().values()} == files


@pytest.mark.parametrize("name", METHODS)
def test_defaults_and_signature(name: str) -> None:
    schema = schemas()[name]
    assert schema() == schema(), "defaults must be equal and not shared"
    if hasattr(schema(), "optim"):
        assert schema().optim is not schema().optim
    parameters = inspect.signature(schema.fit).parameters
    assert list(parameters) == ["self", "start", "data", "context"]
    assert parameters["data"].annotation is ImageData, "it sees train and val only"
    assert parameters["context"].default is None
    assert schema.__doc__
    with pytest.raises(TypeError):
        schema(no_such_setting=1)


@pytest.mark.parametrize("name", METHODS)
def test_prepare_says_what_trains(
    name: str, start: Classifier, toy_data: ImageData, context: Context
) -> None:
    """What it freezes stays bit for bit, what it does not moves; a head from text may follow."""
    before = weights(start)
    prepared = make(name, SHORT).prepare(start)
    assert bit_equal(before, weights(start))
    own = {value.data_ptr() for value in prepared.state_dict().values() if value.numel()}
    assert not own & {value.data_ptr() for value in start.state_dict().values()}
    named = dict(prepared.named_parameters())
    trains = {key for key, parameter in named.items() if parameter.requires_grad}
    assert bool(trains) is (name != "zero_shot")
    tuned = make(name, SHORT).fit(start, toy_data, context)
    after = weights(tuned)
    text = any(not key.startswith(("backbone.model.visual.", "head.")) for key in trains)
    for key in named.keys() & before.keys():
        # Of a head on features some parts may stay as they are: a bias, the text beside a cache.
        free = text or isinstance(make(name, SHORT), HeadMethod)
        if not (free and key.startswith("head.")):
            assert (key in trains) is not torch.equal(before[key], after[key]), key
    assert all(parameter.requires_grad for parameter in tuned.parameters())


def test_data_of_a_fit_holds_no_test_images(toy_data: ImageData) -> None:
    fields = {name for name, value in vars(toy_data).items() if isinstance(value, ImageList)}
    assert fields == {"train", "val"}
    assert not {n for n, value in vars(Context()).items() if isinstance(value, ImageList)}


@pytest.mark.parametrize("name", METHODS)
def test_one_fit(
    name: str, start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    before = weights(start)
    state = torch.get_rng_state()
    first = make(name, SHORT).fit(start, toy_data, context)
    torch.manual_seed(99)
    np.random.seed(99)
    again = make(name, SHORT).fit(start, toy_data, context)
    torch.set_rng_state(state)
    assert bit_equal(before, weights(start)), "the start must not change"
    assert bit_equal(weights(first), weights(again)), "the same seed gives the same weights"
    after = weights(first)
    shapes = [{k: v.shape for k, v in state.items()} for state in (before, after)]
    assert shapes[0] == {k: shapes[1][k] for k in shapes[0]}, "a cache may come in addition"
    own = {value.data_ptr() for value in first.state_dict().values() if value.numel()}
    assert not own & {value.data_ptr() for value in start.state_dict().values()}
    assert first.class_names == start.class_names
    assert first.prompts == start.prompts
    assert first.backbone.preprocessing == start.backbone.preprocessing
    assert not first.training
    loaded = Classifier.load(first.save(tmp_path / "model"))
    pixels = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(first(pixels), loaded(pixels))
    assert first.head_from_text == loaded.head_from_text
    if first.head_from_text:
        torch.testing.assert_close(
            first.clone().rebuild_head().head.weight, first.head.weight, atol=1e-5, rtol=0
        )


@pytest.mark.parametrize("name", WITH_OPTIM)
def test_workers_and_seed(
    name: str, start: Classifier, toy_data: ImageData, context: Context
) -> None:
    def fit(workers: str, seed: int) -> dict[str, torch.Tensor]:
        own = replace(
            context,
            runtime=replace(context.runtime, workers=workers),
            seed=seed,
            augmentation="clip",
        )
        return weights(make(name, SHORT).fit(start, toy_data, own))

    none = fit("0", 0)
    assert bit_equal(none, fit("1", 0))
    assert not bit_equal(none, fit("0", 1))


@pytest.mark.parametrize("name", [name for name in METHODS if name != "zero_shot"])
def test_it_learns(
    name: str, start: Classifier, toy_data: ImageData, toy_test: ImageList, context: Context
) -> None:
    """15 images of 3 classes: 80 % by guessing happens once in 15,000 times."""
    tuned = learner(name).fit(start, toy_data, context)
    assert accuracy(tuned, toy_test, context) >= 0.8
    assert accuracy(start, toy_test, context) <= 0.5


@pytest.mark.parametrize("name", METHODS)
def test_without_validation_images(
    name: str, start: Classifier, toy_data: ImageData, context: Context
) -> None:
    tuned = make(name, SHORT).fit(start, ImageData(toy_data.train, None), context)
    assert tuned.class_names == toy_data.class_names
    if name != "zero_shot":
        assert not bit_equal(weights(tuned), weights(start))


@pytest.mark.parametrize("name", WITH_OPTIM)
def test_validation_images_do_not_train(
    name: str, start: Classifier, toy_data: ImageData, context: Context
) -> None:
    with_val = make(name, SHORT).fit(start, toy_data, context)
    without = make(name, SHORT).fit(start, ImageData(toy_data.train, None), context)
    assert bit_equal(weights(with_val), weights(without))


@pytest.mark.parametrize("name", METHODS)
def test_classes_are_joined_by_name(
    name: str, toy_data: ImageData, toy_test: ImageList, context: Context
) -> None:
    """A start with its classes in another order learns the same thing."""
    turned = tiny_classifier(names=toy_data.class_names[::-1])
    tuned = learner(name).fit(turned, toy_data, context)
    assert tuned.class_names == toy_data.class_names[::-1]
    if name != "zero_shot":
        assert accuracy(tuned, toy_test, context) >= 0.8


def test_zero_shot_is_the_start(start: Classifier, toy_data: ImageData) -> None:
    assert bit_equal(weights(adapt.method("zero_shot").fit(start, toy_data)), weights(start))


def test_full_trains_what_it_says(start: Classifier, toy_data: ImageData, context: Context) -> None:
    before = weights(start)
    for train_head in (True, False):
        tuned = replace(make("full", SHORT), train_head=train_head).fit(start, toy_data, context)
        after = weights(tuned)
        same = {name for name in before if torch.equal(before[name], after[name])}
        encoder = {name for name in before if name.startswith("backbone.model.visual.")}
        head = {"head.weight", "head.bias"}
        assert same == set(before) - encoder - (head if train_head else set())
        assert tuned.head_from_text is not train_head


def test_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_TABLE", dict(base._TABLE))
    with pytest.raises(RecipeError) as caught:
        get("lra")
    assert "method.name - not a method - 'lra', did you mean 'lora'? - " in str(caught.value)

    @register("mine")
    class Mine:
        """Nothing."""

    assert get("mine") is Mine
    with pytest.raises(RecipeError, match="registered twice"):
        register("mine")(Mine)
