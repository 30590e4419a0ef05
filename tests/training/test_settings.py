"""Settings of training: what is out of range, and the schedule by hand."""

import math
from typing import Any

import pytest

from adapt.methods.heads.linear_probe import LinearProbe
from adapt.training.settings import (
    Optim,
    Runtime,
    check_class_weights,
    warm_up_and_fall,
    with_epochs,
)


@pytest.mark.parametrize(
    "wrong",
    [{"lr": 0.0}, {"epochs": 0}, {"batch_size": 0}, {"warmup": 1.0}, {"schedule": "linear"},
     {"ema": 1.0}, {"layer_decay": 0.0}, {"accumulate": 3}, {"clip_norm": -1.0},
     {"l2_sp": -1.0}, {"feature_distillation": -1.0}, {"self_distillation": -1.0},
     {"car_ft": -1.0}, {"lipsum_ft": -1.0}, {"orthogonality": -1.0}, {"cross_norm": -1.0}],
)  # fmt: skip
def test_settings_out_of_range(wrong: dict[str, Any]) -> None:
    name = next(iter(wrong))
    with pytest.raises(ValueError, match=rf"^{name} - (out of range|not known|does not divide)"):
        Optim(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"precision": "fp8"}, {"workers": "-1"}, {"devices": 0}, {"loggers": ["paper"]}]
)
def test_runtime_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"^{next(iter(wrong))}(\[0\])? - "):
        Runtime(**wrong)


def test_settings_are_checked() -> None:
    for given in ("auot", {}, {"cat": 0}, {"cat": float("inf")}, {"cat": float("nan")}):
        with pytest.raises(ValueError, match=r"^class_weights"):
            check_class_weights(given)
        with pytest.raises(ValueError, match=r"^class_weights"):
            Optim(class_weights=given)
        with pytest.raises(ValueError, match=r"^class_weights"):
            LinearProbe(class_weights=given)


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(ValueError, match="lr") as caught:
        Optim(lr=0.0, batch_size=6, accumulate=4)
    assert str(caught.value).splitlines() == [
        "lr - out of range - 0.0 - give a number above 0, at most 1,000,000",
        "accumulate - does not divide batch_size - 4 of 6 - "
        "give a number of micro-batches that does",
    ]


def test_the_rate_rises_and_falls() -> None:
    factors = [warm_up_and_fall(step, 5, 20) for step in range(25)]
    assert factors[:5] == [0.2, 0.4, 0.6, 0.8, 1.0]
    falling = [(1 + math.cos(math.pi * step / 15)) / 2 for step in range(16)]
    assert factors[5:] == pytest.approx(falling + [0.0] * 4)


@pytest.mark.parametrize(
    ("images", "classes", "batch", "per_shot", "epochs"),
    [(16, 4, 8, 10, 20), (320, 4, 32, 10, 16), (3, 3, 32, 1, 1), (16, 4, 8, 0, 7)],
)
def test_epochs_by_shots(images: int, classes: int, batch: int, per_shot: int, epochs: int) -> None:
    """4 shots: 40 steps of 2 an epoch; 80 shots count as 16: 160 steps of 10; 0 leaves them."""
    optim = Optim(epochs=7, batch_size=batch)
    assert with_epochs(optim, images, classes, per_shot).epochs == epochs
