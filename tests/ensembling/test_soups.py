"""Soups of classifiers against plain means and plain accuracies."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from adapt.data.image_data import ImageData
from adapt.data.sources.image_list import ImageList
from adapt.ensembling.soups import MEASURED, soup
from adapt.ensembling.weights.dare import dare
from adapt.ensembling.weights.fisher import fisher
from adapt.ensembling.weights.model_stock import model_stock
from adapt.ensembling.weights.regmean import regmean
from adapt.ensembling.weights.slerp import Slerp
from adapt.ensembling.weights.soup import Mean
from adapt.ensembling.weights.ties import ties
from adapt.errors import BundleError, RecipeError, WeightsError
from adapt.evaluation.metrics.calibration import fit_temperature
from adapt.models.backbones import build_backbone
from adapt.models.classifier import Classifier
from adapt.training.features.encode import predict_logits
from adapt.training.features.fisher import fisher_information
from adapt.training.features.grams import input_grams
from adapt.training.features.pixels import prepare
from adapt.training.settings import Runtime
from tests.helpers.tiny import CLASSES, VIT, bit_equal, moved, tiny_classifier, weights

RUNTIME = Runtime(accelerator="cpu", precision="32", workers="0", batch_size=16)


def accuracy(model: Classifier, images: ImageList) -> float:
    pixels = prepare(images, model.backbone.preprocessing)
    right = predict_logits(model, pixels, RUNTIME).argmax(1) == images.targets(model.class_names)
    return float(right.mean())


@pytest.fixture
def val(toy_data: ImageData) -> ImageList:
    assert toy_data.val is not None
    return toy_data.val


def test_a_uniform_soup_of_learned_heads(start: Classifier, val: ImageList) -> None:
    models = [moved(start, seed) for seed in range(3)]
    before = [weights(one) for one in models]
    found, report = soup(models, val, runtime=RUNTIME)
    for name, value in weights(found).items():
        exact = np.mean([one[name].double().numpy() for one in before], axis=0)
        np.testing.assert_allclose(value.double().numpy(), exact, rtol=1e-6, atol=1e-9)
    assert all(bit_equal(weights(a), b) for a, b in zip(models, before, strict=True))
    assert report.chosen == ["model 1", "model 2", "model 3"]
    expected = {f"model {n}": accuracy(one, val) for n, one in enumerate(models, start=1)}
    assert report.alone == pytest.approx(expected)
    assert report.accuracy == pytest.approx(accuracy(found, val))
    best = max(expected.values())
    assert report.difference["difference"] == pytest.approx(report.accuracy - best)
    assert (report.images, report.to_dict()["selected_on"]) == (len(val), None)
    logits = predict_logits(found, prepare(val, found.backbone.preprocessing), RUNTIME)
    assert found.temperature == report.temperature == fit_temperature(logits, val.targets(CLASSES))
    assert not found.head_from_text


def test_text_heads_are_built_anew(start: Classifier, val: ImageList) -> None:
    models = [moved(start, seed, learned=False) for seed in range(2)]
    found, report = soup(models, val, runtime=RUNTIME)
    assert found.head_from_text
    assert report.notes == [] or "text heads" not in report.notes[0]
    mean = (models[0].head.weight + models[1].head.weight) / 2
    assert not torch.allclose(found.head.weight, mean, atol=1e-4)
    assert torch.equal(found.head.weight, found.clone().rebuild_head().head.weight)

    models[1].prompts = [["something else"]] * 3
    found, report = soup(models, val, runtime=RUNTIME)
    torch.testing.assert_close(found.head.weight, mean)
    assert not found.head_from_text
    assert report.notes[0] == "the models have different prompts: their text heads were averaged"


def test_one_text_head_among_learned_ones_is_averaged(start: Classifier, val: ImageList) -> None:
    one, two = moved(start, 0), moved(start, 1, learned=False)
    found, _ = soup([one, two], val, runtime=RUNTIME)
    torch.testing.assert_close(found.head.weight, (one.head.weight + two.head.weight) / 2)
    assert not found.head_from_text


def test_bundles_and_models_give_the_same(
    start: Classifier, val: ImageList, tmp_path: Path
) -> None:
    models = [moved(start, seed) for seed in range(2)]
    folders = [tmp_path / str(number) for number in range(2)]
    for one, folder in zip(models, folders, strict=True):
        one.with_temperature(3.0).save(folder)
    for select in ("greedy", "model_stock"):
        here, one = soup(models, val, select, start, RUNTIME)
        there, two = soup(folders, val, select, start, RUNTIME)
        assert bit_equal(weights(here), weights(there))
        assert list(two.alone) == [str(folder) for folder in folders]
        assert list(one.alone.values()) == list(two.alone.values())
        assert there.temperature == two.temperature


def heads(start: Classifier, *rows: list[list[float]]) -> list[Classifier]:
    made = []
    for row in rows:
        one = start.clone()
        with torch.no_grad():
            one.head.weight.zero_()
            one.head.bias.copy_(torch.tensor(row[0]))
        one.head_from_text = False
        made.append(one)
    return made


def test_a_greedy_soup_of_constant_answers(start: Classifier, val: ImageList) -> None:
    # biases alone decide: the answer is one class for every image
    few = val.subset([0, 1, 2, 4, 5, 8])  # 3 blue, 2 green, 1 red
    assert few.counts() == {"blue_square": 3, "green_cross": 2, "red_circle": 1}
    blue, green, red = heads(start, [[2.0, 0, 0]], [[0, 9.0, 0]], [[0, 0, 1.0]])
    named = {"green": green, "red": red, "blue": blue}
    found, report = soup(named, few, "greedy", start, RUNTIME)
    # blue first (3/6); with green the answer is green (2/6): refused; with red it is a tie: refused
    assert report.chosen == ["blue"]
    assert [trial.name for trial in report.trials] == ["blue", "green", "red"]
    assert [trial.after for trial in report.trials] == pytest.approx([1 / 2, 1 / 3, 1 / 2])
    assert torch.equal(found.head.bias, blue.head.bias)
    assert report.accuracy == pytest.approx(1 / 2)
    assert report.notes[-1].startswith("only the best model was kept; on 6 val images one image is")
    assert report.to_dict()["selected_on"] == "val"
    assert report.to_dict()["trials"][1]["kept"] is False


def test_a_greedy_soup_keeps_what_helps(start: Classifier, val: ImageList) -> None:
    models = {str(seed): moved(start, seed, 0.1) for seed in range(20, 25)}
    _, report = soup(models, val, "greedy", start, RUNTIME)
    order = sorted(models, key=lambda name: -report.alone[name])
    chosen, best = order[:1], report.alone[order[0]]
    for name in order[1:]:
        tried, _ = soup({one: models[one] for one in [*chosen, name]}, val, runtime=RUNTIME)
        if accuracy(tried, val) > best:
            chosen, best = [*chosen, name], accuracy(tried, val)
    assert len(chosen) > 1
    assert (report.chosen, report.accuracy) == (chosen, best)
    assert all(-1 <= trial.cosine <= 1 for trial in report.trials[1:] if trial.cosine is not None)


def test_model_stock_of_classifiers(start: Classifier, val: ImageList) -> None:
    models = [moved(start, seed) for seed in range(3)]
    models.append(models[0].clone())
    found, report = soup(models, val, "model_stock", start, RUNTIME)
    expected = model_stock(weights(start), [weights(one) for one in models])
    assert report.ratios == expected.ratios
    assert bit_equal(weights(found), dict(expected.state))
    with pytest.raises(RecipeError, match="start - missing - model_stock"):
        soup(models, val, "model_stock", runtime=RUNTIME)


def test_a_soup_below_all_its_models_says_so(start: Classifier, val: ImageList) -> None:
    blue, green = heads(start, [[9.0, 0, 8.5]], [[0, 9.0, 8.5]])
    few = val.subset([0, 1, 4, 5])  # blue and green: each model has half, red wins the mean
    _, report = soup([blue, green], few, runtime=RUNTIME)
    assert (report.accuracy, report.alone) == (0.0, {"model 1": 0.5, "model 2": 0.5})
    assert report.notes[0].startswith("the soup scores below every model in it (0.000)")


def other_names(start: Classifier) -> Classifier:
    return tiny_classifier(names=[CLASSES[1], CLASSES[0], CLASSES[2]])


def more_names(start: Classifier) -> Classifier:
    return tiny_classifier(names=[*CLASSES, "yellow_star"])


def other_start(start: Classifier) -> Classifier:
    return tiny_classifier(VIT, seed=1)


def other_size(start: Classifier) -> Classifier:
    changed = start.clone()
    changed.backbone.preprocessing = replace(start.backbone.preprocessing, mean=[0.0, 0.0, 0.0])
    return changed


def other_activation(start: Classifier) -> Classifier:
    changed = start.clone()
    own, config = changed.backbone, changed.backbone.spec.config | {"quick_gelu": True}
    spec = replace(own.spec, config=config)
    changed.backbone = build_backbone(spec, own.preprocessing, own.model.state_dict())
    return changed


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (other_names, "class names - not the same - model 1 has 'blue_square' at 1, model 2 has"),
        (more_names, "class names - not the same - model 1 has 3, model 2 has 4"),
        (other_start, "start - not the same"),
        (other_size, "preprocessing - not the same - model 1 has mean"),
        (other_activation, "architecture - not the same - model 1 has quick_gelu None, model 2"),
    ],
)
def test_models_that_do_not_belong_together(
    change: Callable[[Classifier], Classifier],
    expected: str,
    start: Classifier,
    val: ImageList,
    tmp_path: Path,
) -> None:
    changed = change(start)
    with pytest.raises(WeightsError) as caught:
        soup([start, changed], val, runtime=RUNTIME)
    assert expected in str(caught.value)
    assert caught.value.exit_code == 4
    with pytest.raises(WeightsError, match="the start has"):
        soup([start, moved(start, 0)], val, "greedy", changed, RUNTIME)
    changed.save(tmp_path / "changed")
    with pytest.raises(WeightsError, match=expected.split(" - ")[0]):
        soup([start, tmp_path / "changed"], val, runtime=RUNTIME)


def test_other_shapes(start: Classifier, val: ImageList) -> None:
    other = start.clone()
    other.head = torch.nn.Linear(12, 3)
    other.head_from_text = False
    with pytest.raises(WeightsError, match=r"model 1 and model 2: head.weight - shapes differ"):
        soup([start, other], val, runtime=RUNTIME)


def test_wrong_arguments(start: Classifier, val: ImageList, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="soup - too few models - 1"):
        soup([start], val)
    with pytest.raises(RecipeError, match="soup - too few models - 0"):
        soup([], val)
    with pytest.raises(RecipeError, match="did you mean 'greedy'"):
        soup([start, start], val, "gredy")
    start.save(tmp_path / "one")
    with pytest.raises(RecipeError, match="given twice"):
        soup([tmp_path / "one", str(tmp_path / "x" / ".." / "one")], val)
    with pytest.raises(BundleError, match="not a bundle"):
        soup([tmp_path / "one", tmp_path], val)
    path = tmp_path / "one" / "head.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match="altered"):
        soup([start, tmp_path / "one"], val)


@pytest.mark.parametrize("select", ["ties", "dare", "slerp"])
def test_other_merges_of_classifiers(select: str, start: Classifier, val: ImageList) -> None:
    """The weights are those of the function on the state dicts; more than two are no arc."""
    models = [moved(start, seed, size=0.2) for seed in (0, 1)]
    found, report = soup(models, val, select, start, RUNTIME)
    given = [weights(model) for model in models]
    expected = {
        "ties": lambda: ties(weights(start), given),
        "dare": lambda: dare(weights(start), given),
        "slerp": lambda: Slerp(*given),
    }[select]()
    for name, value in weights(found).items():
        torch.testing.assert_close(value, expected[name])
    assert report.chosen == ["model 1", "model 2"]
    if select == "slerp":
        with pytest.raises(RecipeError, match="between two models - 3 given"):
            soup([*models, moved(start, 2, size=0.2)], val, select, start, RUNTIME)
    else:
        with pytest.raises(RecipeError, match=f"start - missing - {select}"):
            soup(models, val, select, runtime=RUNTIME)


MERGES = {"fisher": (fisher, fisher_information), "regmean": (regmean, input_grams)}


@pytest.mark.parametrize("learned", [True, False])
@pytest.mark.parametrize("select", ["fisher", "regmean"])
def test_merges_that_look_at_training_images(
    select: str, learned: bool, start: Classifier, toy_data: ImageData, val: ImageList
) -> None:
    """The weights are those of the function on state dicts and statistics of each model alone."""
    models = [moved(start, seed, 0.03, learned) for seed in (0, 1)]
    train = {f"model {n}": toy_data.train.subset(range(n, 24, 6)) for n in (1, 2)}
    before = [weights(model) for model in models]
    result, report = soup(models, val, select, runtime=RUNTIME, train=train)
    assert all(bit_equal(weights(a), b) for a, b in zip(models, before, strict=True))
    kept = [n for n in before[0] if learned or not n.startswith("head.")]
    states = [{name: state[name] for name in kept} for state in before]
    merge, measure = MERGES[select]
    statistics = [
        measure(model, prepare(images, model.backbone.preprocessing), kept, RUNTIME)
        for model, images in zip(models, train.values(), strict=True)
    ]
    expected = merge(states, statistics)
    mean = Mean(states)
    for name in kept:
        torch.testing.assert_close(weights(result)[name], expected[name])
    apart = [n for n in expected.adjusted if not torch.allclose(mean[n], expected[n], rtol=1e-3)]
    assert len(apart) > len(expected.adjusted) / 2
    assert result.head_from_text != learned
    if not learned:
        assert torch.equal(result.head.weight, result.clone().rebuild_head().head.weight)
    text = [name for name in expected.adjusted if "model.transformer." in name]
    assert bool(text) != learned
    assert f"{select} weighs {len(expected.adjusted)} of the" in report.notes[0]
    assert "by 4 training images of each" in report.notes[0]


def test_only_what_differs_is_measured(
    start: Classifier, toy_data: ImageData, val: ImageList, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a bounded number of images, which do not depend on their order."""
    models = []
    for seed in range(2):
        torch.manual_seed(seed)
        models.append(start.with_learned_head(torch.nn.Linear(24, 3)))
    result, report = soup(models, val, "fisher", runtime=RUNTIME, train=toy_data.train)
    assert report.notes[0].startswith("fisher weighs 2 of the 2 tensors")
    assert "by 24 training images of each" in report.notes[0]
    monkeypatch.setitem(MEASURED, "fisher", 5)
    few, report = soup(models, val, "fisher", runtime=RUNTIME, train=toy_data.train)
    assert "by 5 training images of each" in report.notes[0]
    turned = toy_data.train.subset(range(24)[::-1])
    again, _ = soup(models, val, "fisher", runtime=RUNTIME, train=turned)
    torch.testing.assert_close(few.head.weight, again.head.weight)
    assert not torch.allclose(few.head.weight, result.head.weight, rtol=1e-3)


def test_training_images_that_are_missing(
    start: Classifier, toy_data: ImageData, val: ImageList
) -> None:
    models = [moved(start, seed) for seed in (0, 1)]
    with pytest.raises(RecipeError, match="train - missing - regmean measures the models on them"):
        soup(models, val, "regmean", runtime=RUNTIME)
    with pytest.raises(RecipeError, match=r"train - no images of model 2 - there are images of m"):
        soup(models, val, "fisher", runtime=RUNTIME, train={"model 1": toy_data.train})
