"""The curve and the choice on it: no test image plays a part."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from torch import Tensor

import adapt
from adapt.data.sources.image_list import ImageList
from adapt.ensembling import held_out as held_out_module
from adapt.ensembling import wise_ft as module
from adapt.ensembling.line import Line, mix
from adapt.ensembling.settings import CORRUPTIONS, Ensemble
from adapt.ensembling.wise_ft import sweep, wise_ft
from adapt.errors import RecipeError
from adapt.evaluation.evaluate import Split, evaluate, sample_of
from adapt.models.classifier import Classifier
from adapt.training.features import store as store_module
from adapt.training.settings import Runtime
from tests.helpers.tiny import (
    bit_equal,
    moved,
    weights,
)
from tests.helpers.tuned import new_head

RUNTIME = Runtime(accelerator="cpu", workers="0", batch_size=8)
State = dict[str, Tensor]


def test_a_head_only_curve_reads_pixels_once(
    start: Classifier, splits: dict[str, ImageList], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    original = store_module.encoded_batches

    def counted(*given: Any) -> Any:
        calls.append(1)
        return original(*given)

    monkeypatch.setattr(store_module, "encoded_batches", counted)
    evals = {"test": splits["test"]}
    _, curve = wise_ft(start, new_head(start), splits["val"], evals, 11, RUNTIME, "val")
    assert len(curve.points) == 11
    assert len(calls) == 2


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

    def of(alpha: float, split: Split) -> np.ndarray:
        right = np.arange(len(split.targets)) < len(split.targets) * (
            1 - abs(alpha - tops[split.name])
        )
        classes = np.where(right, split.targets, (split.targets + 1) % 3)
        return np.eye(3, dtype=np.float32)[classes] * 5

    def fake(_: Line, alpha: float, given: list[Split], exact: bool = False) -> list[np.ndarray]:
        return [of(alpha, split) for split in given]

    monkeypatch.setattr(Line, "logits", fake)
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


def test_the_worst_group_is_that_of_the_column(
    start: Classifier, splits: dict[str, ImageList]
) -> None:
    """The least accurate class and site, counted image by image with each mixed model."""
    val, tuned = splits["val"], moved(start, size=0.3)
    sites = ["ab"[row % 2] for row in range(len(val))]
    val = replace(val, columns={"site": sites})
    _, curve = wise_ft(start, tuned, val, None, 5, RUNTIME, "worst_group", "site")
    worst = {}
    for alpha in (0.0, 0.25, 0.5, 0.75, 1.0):
        labels = [p.label for p in mix(start, tuned, alpha).predict(val.paths)]
        right: dict[tuple[str, str], list[bool]] = {}
        for key, said in zip(zip(val.labels, sites, strict=True), labels, strict=True):
            right.setdefault(key, []).append(said == key[0])
        worst[alpha] = min(sum(own) / len(own) for own in right.values())
    best = max(worst.values())
    assert worst[curve.chosen] == best
    assert curve.rules["worst_group"]["alpha"] == curve.chosen
    with pytest.raises(RecipeError, match="no groups"):
        wise_ft(start, tuned, val, None, 5, RUNTIME, "worst_group")


def test_public_names() -> None:
    assert adapt.mix is mix
    assert adapt.wise_ft is wise_ft
    assert adapt.evaluate is evaluate


def test_the_defaults_of_recipe_and_python_are_the_same() -> None:
    assert tuple(shift.kind for shift in held_out_module.DEFAULT_CORRUPTIONS) == CORRUPTIONS
    assert {shift.severity for shift in held_out_module.DEFAULT_CORRUPTIONS} == {
        Ensemble().severity
    }


@pytest.mark.numerical
def test_a_sampled_curve_against_the_full(
    start: Classifier, splits: dict[str, ImageList], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ends and choice on all images; the other points of the evals on a fixed sample."""
    tuned, grid = moved(start, size=0.3), [i / 10 for i in range(11)]
    held = held_out_module.held_out(start, tuned, splits["val"], grid, RUNTIME)
    line = Line(start, tuned, RUNTIME)
    ready = [Split.read("test", splits["test"], start, RUNTIME)]
    full = sweep(line, held, ready, 0.3)
    assert full.sampled == {}
    monkeypatch.setattr(module, "CURVE_IMAGES", 5)
    some, none = (sweep(line, held, ready, 0.3, how) for how in ("sampled", "none"))
    for curve in (some, none):
        assert sorted(curve.logits["test"]) == [0.0, 0.3, 1.0]
        for alpha, logits in curve.logits["test"].items():
            np.testing.assert_allclose(logits, full.logits["test"][alpha], atol=2e-5)
    assert [point["alpha"] for point in some.points if "test" in point] == [
        0.0,
        0.3,
        0.5,
        0.7,
        1.0,
    ]
    assert not any("test" in point for point in none.points)
    assert [point["val"] for point in none.points] == [point["val"] for point in full.points]
    assert some.sampled == {"test": 5}
    rows = sample_of(ready[0].pixels.keys, 5)
    part = ready[0].subset(rows)
    for point in some.points:
        if "test" in point:
            (logits,) = line.logits(point["alpha"], [part])
            assert point["test"]["n"] == 5
            right = part.masked(logits).argmax(1) == part.targets
            assert point["test"]["accuracy"] == right.mean()
