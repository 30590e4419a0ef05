"""The line between two models, and the choice on it, against plain computations."""

import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score
from torch import Tensor

import adapt
from adapt.data.shifts.shift import Shift
from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from adapt.ensembling import held_out as held_out_module
from adapt.ensembling import line as along_module
from adapt.ensembling import wise_ft as module
from adapt.ensembling.choose import Evidence, alpha_grid, choose_alpha, possible_rules
from adapt.ensembling.guard import guard
from adapt.ensembling.held_out import HeldOut, held_out, pool
from adapt.ensembling.line import logits_along, mix, same_encoders, scale_by_depth
from adapt.ensembling.settings import CORRUPTIONS, Ensemble
from adapt.ensembling.weights.interpolate import interpolate
from adapt.ensembling.wise_ft import wise_ft
from adapt.errors import DataError, RecipeError, WeightsError
from adapt.evaluation.evaluate import Split, evaluate, softmax
from adapt.models.adapters.lora import LoraAdapter, LoraSettings
from adapt.models.classifier import Classifier
from adapt.training.features.encode import predict_logits, prepare
from adapt.training.settings import Runtime
from tests.helpers.tiny import (
    CLASSES,
    RESNET,
    VIT,
    bit_equal,
    draw_folder,
    moved,
    tiny_classifier,
    weights,
)

RUNTIME = Runtime(accelerator="cpu", workers="0", batch_size=8)
State = dict[str, Tensor]


def new_head(start: Classifier, seed: int = 0) -> Classifier:
    tuned = start.clone()
    with torch.no_grad():
        tuned.head.weight.copy_(torch.randn(3, 24, generator=torch.Generator().manual_seed(seed)))
        tuned.head.bias.copy_(torch.tensor([0.2, -0.1, 0.05]))
    tuned.head_from_text = False
    return tuned


@given(
    alpha=st.floats(-2, 3, allow_nan=False),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16]),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=60)
def test_interpolation_against_numpy(alpha: float, dtype: torch.dtype, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    first, second = (torch.randn(3, 4, generator=generator).to(dtype) for _ in range(2))
    found = interpolate({"w": first}, {"w": second}, alpha)["w"]
    a, b = first.double().numpy(), second.double().numpy()
    exact = (1 - alpha) * a + alpha * b
    assert found.dtype == dtype
    limits = torch.finfo(dtype)
    error = np.abs(found.double().numpy() - exact)
    assert (error <= limits.eps * np.abs(exact) + limits.smallest_normal + 1e-15).all()


def test_ends_and_equal_tensors_are_bit_equal() -> None:
    tiny = torch.tensor([1e-45, -0.0, 3.3333333, 1e38])
    start, end = {"a": tiny, "same": tiny}, {"a": tiny * 2 + 1, "same": tiny.clone()}
    assert bit_equal(interpolate(start, end, 0), start)
    assert bit_equal(interpolate(start, end, 1), end)
    for alpha in (0.1, 1 / 3, 0.7, 2.5):
        assert torch.equal(interpolate(start, end, alpha)["same"], tiny)


def test_extrapolation_and_order_of_names() -> None:
    start, end = (
        {"a": torch.zeros(1), "b": torch.ones(1)},
        {"b": torch.ones(1) * 3, "a": torch.ones(1)},
    )
    found = interpolate(start, end, 1.5)
    assert (found["a"].item(), found["b"].item()) == (1.5, 4.0)
    assert interpolate(start, end, -1)["b"].item() == -1.0


def test_counters_are_not_averaged() -> None:
    start, end = (
        {"n": torch.tensor(3), "m": torch.tensor([True])},
        {
            "n": torch.tensor(8),
            "m": torch.tensor([False]),
        },
    )
    assert bit_equal(interpolate(start, end, 0.5), start)
    assert bit_equal(interpolate(start, end, 1), end)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ({"a": torch.zeros(2)}, "b - only in one of the models - missing in the second"),
        (
            {"a": torch.zeros(2), "b": torch.zeros(1), "A": torch.zeros(1)},
            "A - only in one of the models - missing in the first",
        ),
        ({"a": torch.zeros(2), "b": torch.zeros(2)}, "b - shapes differ - (1,) and (2,)"),
    ],
)
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_different_states(end: State, expected: str, alpha: float) -> None:
    with pytest.raises(WeightsError) as caught:
        interpolate({"a": torch.zeros(2), "b": torch.zeros(1)}, end, alpha)
    assert expected in str(caught.value)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("arch", [VIT, RESNET])
def test_mix_against_numpy(arch: str) -> None:
    start = tiny_classifier(arch)
    tuned = moved(start)
    before = weights(start), weights(tuned)
    found = weights(mix(start, tuned, 0.3))
    for name, value in found.items():
        a, b = before[0][name].double().numpy(), before[1][name].double().numpy()
        expected = 0.7 * a + 0.3 * b if value.is_floating_point() else a
        np.testing.assert_allclose(value.double().numpy(), expected, rtol=1e-7, atol=1e-9)
    assert bit_equal(weights(mix(start, tuned, 0)), before[0])
    assert bit_equal(weights(mix(start, tuned, 1)), before[1])
    assert bit_equal(weights(start), before[0])
    assert bit_equal(weights(tuned), before[1])


def test_a_mix_shares_no_tensor(start: Classifier) -> None:
    tuned = moved(start)
    own = {v.data_ptr() for model in (start, tuned) for v in model.state_dict().values()}
    for alpha in (0, 0.5, 1):
        mixed = mix(start, tuned, alpha)
        assert not own & {v.data_ptr() for v in mixed.state_dict().values()}


def test_heads_from_text_are_made_anew(start: Classifier) -> None:
    tuned = moved(start)
    tuned.head_from_text = True
    tuned.rebuild_head()
    mixed = mix(start, tuned, 0.5)
    again = mixed.clone().rebuild_head()
    assert torch.equal(mixed.head.weight, again.head.weight)
    assert mixed.head_from_text
    average = (start.head.weight + tuned.head.weight) / 2
    assert (mixed.head.weight - average).abs().max() > 1e-3, "not the average of the heads"
    tuned.head_from_text = False
    torch.testing.assert_close(mix(start, tuned, 0.5).head.weight, average)


def test_models_that_do_not_fit(start: Classifier) -> None:
    turned = tiny_classifier(names=CLASSES[::-1])
    with pytest.raises(WeightsError, match="class names - differ - 'blue_square' and 'red_circle'"):
        mix(start, turned, 0.5)
    more = tiny_classifier(names=[*CLASSES, "star"])
    with pytest.raises(WeightsError, match="class names - differ - their number"):
        mix(start, more, 0.5)
    with pytest.raises(WeightsError, match="only in one of the models"):
        mix(start, tiny_classifier(RESNET), 0.5)


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ImageList]:
    root = tmp_path_factory.mktemp("splits")
    counts = {"val": [6, 5, 4], "test": [3, 4, 5]}
    return {
        name: from_folder(draw_folder(root / name, dict(zip(CLASSES, numbers, strict=True)), seed))
        for seed, (name, numbers) in enumerate(counts.items(), 10)
    }


@pytest.mark.parametrize("kind", [new_head, moved])
def test_curve_equals_each_model_on_its_own(
    kind: Callable[[Classifier], Classifier], start: Classifier, splits: dict[str, ImageList]
) -> None:
    tuned = kind(start)
    assert same_encoders(start, tuned) is (kind is new_head)
    ready = {n: Split.read(n, images, start, RUNTIME) for n, images in splits.items()}
    logits = logits_along(start, tuned, RUNTIME)
    for alpha in (0.0, 0.25, 1.0, 0.25):
        mixed = mix(start, tuned, alpha)
        for split in ready.values():
            slow = np.concatenate([
                mixed(start.backbone.preprocessing(split.images.open(i))[None]).detach().numpy()
                for i in range(len(split.images))
            ])  # fmt: skip
            np.testing.assert_allclose(logits(alpha, split), slow, atol=2e-5)


def test_a_head_only_curve_reads_pixels_once(
    start: Classifier, splits: dict[str, ImageList], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    original = along_module.image_features

    def counted(*given: Any) -> Tensor:
        calls.append(1)
        return original(*given)

    monkeypatch.setattr(along_module, "image_features", counted)
    evals = {"test": splits["test"]}
    _, curve = wise_ft(start, new_head(start), splits["val"], evals, 11, RUNTIME, "val")
    assert len(curve.points) == 11
    assert len(calls) == 2


@pytest.mark.parametrize("alpha", [0.25, 1.0])
def test_lora_at_alpha_is_the_base_plus_a_share_of_the_delta(
    alpha: float, start: Classifier
) -> None:
    adapter = LoraAdapter(
        start, LoraSettings(2, 4.0, False, 0.0, ["q", "v", "o", "mlp"], "image", [])
    )
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in adapter.classifier.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.2)
    deltas = adapter.deltas()
    mixed = mix(start, adapter.merged(), alpha).backbone.model.state_dict()
    base = start.backbone.model.state_dict()
    block = "visual.transformer.resblocks.0"
    q, v = (deltas[f"{block}.attn.{part}"].double() for part in "qv")
    expected = base[f"{block}.attn.in_proj_weight"].double()
    expected[:32] += alpha * q
    expected[64:] += alpha * v
    found = mixed[f"{block}.attn.in_proj_weight"].double()
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=0)
    for layer in ("attn.o", "mlp.c_fc"):
        name = f"{block}.{layer.replace('.o', '.out_proj')}.weight"
        wanted = base[name].double() + alpha * deltas[f"{block}.{layer}"].double()
        torch.testing.assert_close(mixed[name].double(), wanted, atol=1e-7, rtol=0)
    assert torch.equal(mixed["visual.proj"], base["visual.proj"])


def planted(start: Classifier, images: ImageList, best: float) -> Callable[[float], float]:
    """What accuracy each alpha would have if logits were right near `best` only."""
    targets = images.targets(start.class_names)

    def accuracy(alpha: float) -> float:
        return float(np.mean(np.arange(len(targets)) < len(targets) * (1 - abs(alpha - best))))

    return accuracy


def test_the_choice_sees_val_only(
    start: Classifier, splits: dict[str, ImageList], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Test logits are planted to be best where val is worst."""
    tops = {"val": 0.3, "test": 1.0}
    curves = {name: planted(start, images, tops[name]) for name, images in splits.items()}

    def fake(*_: Any) -> Callable[[float, Split], np.ndarray]:
        def logits(alpha: float, split: Split) -> np.ndarray:
            right = np.arange(len(split.targets)) < len(split.targets) * (
                1 - abs(alpha - tops[split.name])
            )
            classes = np.where(right, split.targets, (split.targets + 1) % 3)
            return np.eye(3, dtype=np.float32)[classes] * 5

        return logits

    for place in (module, held_out_module):
        monkeypatch.setattr(place, "logits_along", fake)
    alone = wise_ft(start, start, splits["val"], None, 11, RUNTIME, "val")[1]
    both = wise_ft(start, start, splits["val"], {"test": splits["test"]}, 11, RUNTIME, "val")[1]
    assert alone.chosen == both.chosen == 0.3
    for point in both.points:
        for name in ("val", "test"):
            assert point[name]["accuracy"] == pytest.approx(curves[name](point["alpha"]))
    assert max(both.points, key=lambda p: p["test"]["accuracy"])["alpha"] == 1.0
    assert sorted(both.logits["test"]) == [0.0, 0.3, 1.0], "kept: the ends and the chosen"


def test_evals_cannot_change_the_choice(start: Classifier, splits: dict[str, ImageList]) -> None:
    tuned = moved(start)
    wrong = replace(splits["test"], labels=splits["test"].labels[::-1])
    chosen = {
        wise_ft(start, tuned, splits["val"], evals, 5, RUNTIME)[1].chosen
        for evals in (None, {"test": splits["test"]}, {"test": wrong}, {"a": wrong, "b": wrong})
    }
    assert len(chosen) == 1
    for name in ("val", "alpha"):
        with pytest.raises(RecipeError, match=f"evals.{name} - name is taken"):
            wise_ft(start, tuned, splits["val"], {name: wrong}, 5, RUNTIME)


def test_chosen_is_the_smallest_of_the_best(
    start: Classifier, splits: dict[str, ImageList]
) -> None:
    best, curve = wise_ft(start, start.clone(), splits["val"], None, 5, RUNTIME)
    assert curve.chosen == 0.0, "all alphas are equal"
    assert bit_equal(weights(best), weights(start))
    tuned = moved(start, size=0.3)
    best, curve = wise_ft(start, tuned, splits["val"], None, 11, RUNTIME, "val")
    values = {p["alpha"]: p["val"]["accuracy"] for p in curve.points}
    assert list(values) == [i / 10 for i in range(11)]
    assert curve.chosen == min(a for a in values if values[a] == max(values.values()))
    assert bit_equal(weights(best), weights(mix(start, tuned, curve.chosen)))
    assert curve.to_dict()["points"] == curve.points
    assert curve.to_dict()["rule"] == "val"


def test_grid_and_choice() -> None:
    assert alpha_grid(11) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    with pytest.raises(RecipeError, match="too few - 1"):
        alpha_grid(1)
    table = {1.0: 0.7, 0.75: 0.7, 0.5: 0.7, 0.25: 0.66, 0.0: 0.5}
    assert choose_alpha(Evidence(table, 100), "val") == 0.5
    # one standard error of 0.7 on 100 images is 0.0458, on 10,000 images 0.00458
    assert choose_alpha(Evidence(table, 100), "val_one_se") == 0.25
    assert choose_alpha(Evidence(table, 10_000), "val_one_se") == 0.5
    assert choose_alpha(Evidence(table, 100), "fixed", 0.75) == 0.75
    for fixed in (None, 0.3):
        with pytest.raises(RecipeError, match="not on the curve"):
            choose_alpha(Evidence(table, 100), "fixed", fixed)
    with pytest.raises(RecipeError, match="nothing to choose from"):
        Evidence({}, 100)
    with pytest.raises(RecipeError, match="did you mean 'val'"):
        choose_alpha(Evidence(table, 100), "vall")
    for rule in ("synthetic_shift", "min_regret"):
        with pytest.raises(RecipeError, match="needs at least one corruption"):
            choose_alpha(Evidence(table, 100), rule)


def test_the_error_of_the_synthetic_mean_varies_over_images() -> None:
    random = np.random.default_rng(0)
    targets, logits = random.integers(3, size=40), random.normal(size=(40, 3))
    corrupted = {kind: {0.5: random.random(40) < 0.5} for kind in ("blur", "fog")}
    evidence = HeldOut(targets, {0.5: logits}, corrupted).evidence()
    right = [(logits.argmax(1) == targets), corrupted["blur"][0.5], corrupted["fog"][0.5]]
    per_image = [sum(int(kind[image]) for kind in right) / 3 for image in range(40)]
    assert evidence.synthetic(0.5) == pytest.approx(statistics.fmean(per_image))
    assert evidence.synthetic_error[0.5] == pytest.approx(statistics.pstdev(per_image) / 40**0.5)
    assert "synthetic_one_se" in possible_rules(evidence)
    for rule in ("synthetic_one_se", "both_one_se"):
        with pytest.raises(RecipeError, match="lacks standard errors"):
            choose_alpha(Evidence({0.5: 0.5}, 40, {"blur": {0.5: 0.5}}), rule)


ACCURACY = st.floats(0, 1, allow_nan=False)


@given(rows=st.lists(st.tuples(ACCURACY, ACCURACY, ACCURACY), min_size=2, max_size=8))
def test_corruption_rules_against_numpy(rows: list[tuple[float, float, float]]) -> None:
    values = np.array(rows)
    grid = [i / 10 for i in range(len(rows))]
    clean, blur, fog = (dict(zip(grid, column, strict=True)) for column in values.T.tolist())
    evidence = Evidence(clean, 50, {"blur": blur, "fog": fog})
    mean = values.mean(1)
    chosen = grid.index(choose_alpha(evidence, "synthetic_shift"))
    assert mean[chosen] >= mean.max() - 1e-12
    assert (mean[:chosen] < mean.max()).all(), "ties go to the smallest alpha"
    error = float(np.abs(values[:, 0] - values[:, 1]).max()) / 7
    errors = Evidence(clean, 50, {"blur": blur, "fog": fog}, dict.fromkeys(grid, error))
    chosen = grid.index(choose_alpha(errors, "synthetic_one_se"))
    assert mean[chosen] >= mean.max() - error - 1e-12
    assert (mean[:chosen] < mean.max() - error + 1e-12).all(), "the smallest that is near enough"
    smallest = [choose_alpha(errors, rule) for rule in ("val_one_se", "synthetic_one_se")]
    assert choose_alpha(errors, "both_one_se") == max(smallest)
    regret = (values.max(0) - values).max(1)
    chosen = grid.index(choose_alpha(evidence, "min_regret"))
    assert regret[chosen] == regret.min()
    assert (regret[:chosen] > regret.min()).all()
    for alpha, row in zip(grid, range(len(rows)), strict=True):
        assert evidence.synthetic(alpha) == pytest.approx(mean[row])
        assert evidence.regret(alpha) == pytest.approx(regret[row])


def test_held_out_equals_each_model_on_its_own(
    start: Classifier, splits: dict[str, ImageList]
) -> None:
    tuned, blur = moved(start, size=0.3), Shift("gaussian_blur", 4)
    found = held_out(start, tuned, splits["val"], [0.0, 0.5, 1.0], RUNTIME, [blur])
    for alpha in (0.0, 0.5, 1.0):
        model = mix(start, tuned, alpha)
        for images, right in (
            (splits["val"], found.logits[alpha].argmax(1) == found.targets),
            (splits["val"].with_shift(blur), found.corrupted["gaussian_blur_4"][alpha]),
        ):
            logits = predict_logits(model, prepare(images, model.backbone.preprocessing), RUNTIME)
            np.testing.assert_array_equal(right, logits.argmax(1) == images.targets(CLASSES))
    evidence = found.evidence()
    accuracy = accuracy_score(found.targets, found.logits[0.5].argmax(1))
    assert evidence.accuracy[0.5] == pytest.approx(accuracy)
    assert evidence.images == len(splits["val"])
    both = pool([found, found])
    assert both.evidence().accuracy == evidence.accuracy
    assert both.evidence().corrupted == evidence.corrupted
    assert both.evidence().images == 2 * evidence.images
    with pytest.raises(RecipeError, match="nothing to pool"):
        pool([])


def outputs(*right: list[int]) -> HeldOut:
    """Held-out images of class 0, answered right (1) or wrong (0) at alpha 0, 0.5 and 1."""
    logits = [np.eye(2)[1 - np.array(row)] for row in right]
    targets = np.zeros(len(right[0]), int)
    return HeldOut(targets, dict(zip([0.0, 0.5, 1.0], logits, strict=True)))


def test_guard_steps_back_to_the_largest_alpha_that_is_not_worse() -> None:
    half, good, bad = [1, 0] * 10, [1] * 20, [0] * 20
    kept = guard(outputs(half, good, good), 1.0, ["a", "b"])
    assert (kept.outcome, kept.alpha_after, kept.worse_classes) == ("kept", 1.0, [])
    assert kept.against["zero_shot"]["difference"] == pytest.approx(0.5)
    lowered = guard(outputs(half, good, bad), 1.0, ["a", "b"], np.eye(2)[[0] * 20])
    assert (lowered.outcome, lowered.alpha_before, lowered.alpha_after) == ("lowered", 1.0, 0.5)
    assert lowered.against["linear_probe"]["difference"] == 0
    assert lowered.adapted["difference"] == pytest.approx(-0.5)
    fallback = guard(outputs(half, bad, bad), 0.5, ["a", "b"])
    assert (fallback.outcome, fallback.alpha_after) == ("fallback", 0.0)
    assert "-50.0 points" in fallback.reason
    chosen_zero = guard(outputs(half, bad, bad), 0.0, ["a", "b"])
    assert chosen_zero.outcome == "fallback", "the rule took zero-shot because the rest is worse"
    nothing_lost = guard(outputs(half, half, half), 0.0, ["a", "b"])
    assert nothing_lost.outcome == "kept"


def test_guard_names_classes_that_lost_beyond_chance() -> None:
    targets = np.repeat([0, 1, 2], [20, 20, 3])
    start_right = np.concatenate([np.ones(20), np.zeros(20), np.ones(3)])
    tuned_right = np.concatenate([np.zeros(20), np.ones(20), np.zeros(3)])
    tuned_right[:8] = 1
    tuned_right = np.where(targets == 1, 1, tuned_right)

    def logits(right: np.ndarray) -> np.ndarray:
        return np.eye(3)[np.where(right == 1, targets, (targets + 1) % 3)]

    held = HeldOut(targets, {0.0: logits(start_right), 1.0: logits(tuned_right)})
    found = guard(held, 1.0, ["a", "b", "c"])
    assert found.outcome == "kept"
    (worse,) = found.worse_classes
    assert (worse["class"], worse["n"], worse["difference"]) == ("a", 20, pytest.approx(-0.6))
    assert worse["ci"][1] < 0


def test_evaluate_against_scikit_learn(start: Classifier, splits: dict[str, ImageList]) -> None:
    tuned = moved(start, size=0.3).with_temperature(2.0)
    scores = evaluate({"zero_shot": start, "tuned": tuned}, splits, RUNTIME)
    for name, images in splits.items():
        truth = images.targets(CLASSES)
        for model_name, model in (("zero_shot", start), ("tuned", tuned)):
            logits = predict_logits(model, prepare(images, model.backbone.preprocessing), RUNTIME)
            expected = accuracy_score(truth, logits.argmax(1))
            found = scores[model_name][name]
            assert found["n"] == len(images)
            assert found["accuracy"] == pytest.approx(expected, abs=1e-12)
            scaled = np.exp(logits.astype(np.float64) / model.temperature)
            own = (scaled / scaled.sum(1, keepdims=True))[np.arange(len(truth)), truth]
            assert found["nll"] == pytest.approx(-np.log(own).mean(), rel=1e-6)
        assert "difference" not in scores["zero_shot"][name]
        assert "accuracy" in scores["tuned"][name]["difference"]


def test_evaluate_refuses_other_classes(
    start: Classifier, splits: dict[str, ImageList], tmp_path: Path
) -> None:
    turned = tiny_classifier(names=CLASSES[::-1])
    with pytest.raises(WeightsError, match="tuned - other classes than zero_shot"):
        evaluate({"zero_shot": start, "tuned": turned}, splits, RUNTIME)
    other = from_folder(draw_folder(tmp_path / "x", {"red_circle": 1}, 0))
    unknown = replace(other, labels=["star"], classes={})
    with pytest.raises(DataError, match="unknown class - 'star'"):
        evaluate({"zero_shot": start}, {"x": unknown}, RUNTIME)


def test_softmax_of_large_logits() -> None:
    logits = np.array([[1e4, 0.0, -1e4], [1.0, 2.0, 3.0]])
    found = softmax(logits, 2.0)
    np.testing.assert_allclose(found[0], [1, 0, 0])
    np.testing.assert_allclose(found[1], np.exp([0.5, 1, 1.5]) / np.exp([0.5, 1, 1.5]).sum())


def test_public_names() -> None:
    assert adapt.mix is mix
    assert adapt.wise_ft is wise_ft
    assert adapt.evaluate is evaluate


def test_the_defaults_of_recipe_and_python_are_the_same() -> None:
    assert tuple(shift.kind for shift in held_out_module.DEFAULT_CORRUPTIONS) == CORRUPTIONS
    assert {shift.severity for shift in held_out_module.DEFAULT_CORRUPTIONS} == {
        Ensemble().severity
    }


def test_scaling_by_depth_against_numpy(start: Classifier) -> None:
    """Two blocks: the input keeps 0.4 of its change, then 0.6, 0.8 and, at the output, all."""
    tuned = moved(start)
    scaled = weights(scale_by_depth(start, tuned, 0.4))
    before, after = weights(start), weights(tuned)
    for name, share in {
        "backbone.model.visual.conv1.weight": 0.4,
        "backbone.model.visual.positional_embedding": 0.4,
        "backbone.model.visual.transformer.resblocks.0.mlp.c_fc.weight": 0.6,
        "backbone.model.visual.transformer.resblocks.1.attn.in_proj_weight": 0.8,
        "backbone.model.visual.proj": 1.0,
        "backbone.model.token_embedding.weight": 0.4,
        "backbone.model.transformer.resblocks.0.ln_1.weight": 0.6,
        "backbone.model.text_projection": 1.0,
        "head.weight": 1.0,
    }.items():
        a, b = before[name].double().numpy(), after[name].double().numpy()
        found = scaled[name].double().numpy()
        np.testing.assert_allclose(found, a + share * (b - a), rtol=1e-6, atol=1e-8)
    assert bit_equal(weights(scale_by_depth(start, tuned, 1.0)), after)
