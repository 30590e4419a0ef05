"""Which candidate ships, on made-up answers whose counts are known."""

import numpy as np
import pytest

from adapt.ensembling.candidates import Candidate, decide, too_small, undecided_alphas
from adapt.ensembling.guard import guard
from adapt.ensembling.held_out import HeldOut
from adapt.errors import RecipeError

BOTH = ("mixed", "probe")


def candidate(name: str, right: dict[float, int], alpha: float, images: int = 100) -> Candidate:
    """Two classes, all images of class 0; at each alpha the first `right` answers are right."""
    logits = {
        a: np.stack([np.arange(images) < count, np.arange(images) >= count], 1).astype(np.float32)
        for a, count in right.items()
    }
    held = HeldOut(np.zeros(images, int), logits)
    return Candidate(name, held, guard(held, alpha, ["a", "b"]))


def test_a_mixed_model_that_is_not_clearly_worse_ships() -> None:
    mixed = candidate("mixed", {0.0: 40, 1.0: 60}, 1.0)
    probe = candidate("probe", {0.0: 40, 0.5: 62, 1.0: 70}, 0.5)
    decision = decide(mixed, probe, BOTH)
    assert (decision.shipped, decision.name) == (mixed, "mixed")
    assert decision.difference["difference"] == pytest.approx(-0.02)
    assert "not clearly worse" in decision.reason


@pytest.mark.parametrize(("right", "said"), [(62, "is no worse"), (90, "is clearly better")])
def test_the_reason_says_how_much_better_it_is(right: int, said: str) -> None:
    mixed = candidate("mixed", {0.0: 40, 1.0: right}, 1.0)
    decision = decide(mixed, candidate("probe", {0.0: 40, 0.5: 62, 1.0: 70}, 0.5), BOTH)
    assert decision.reason == f"it {said} than the mixed probe"


def test_a_clearly_better_mixed_probe_ships() -> None:
    mixed = candidate("mixed", {0.0: 40, 1.0: 50}, 1.0)
    probe = candidate("probe", {0.0: 40, 0.5: 62, 1.0: 70}, 0.5)
    decision = decide(mixed, probe, BOTH)
    assert (decision.shipped, decision.name) == (probe, "probe")
    assert decision.shipped.alpha == 0.5
    assert decision.difference["ci"][1] < 0


def test_a_fall_back_to_zero_shot_lets_the_mixed_probe_ship() -> None:
    """22 % shipped beside a probe of 44 %."""
    mixed = candidate("mixed", {0.0: 22, 1.0: 10}, 1.0)
    assert mixed.alpha == 0
    probe = candidate("probe", {0.0: 22, 0.9: 23, 1.0: 44}, 0.9)
    assert decide(mixed, probe, BOTH).name == "probe"
    worse = candidate("probe", {0.0: 22, 0.9: 21, 1.0: 44}, 0.9)
    assert decide(mixed, worse, BOTH).name == "zero_shot"


@pytest.mark.parametrize("ship", [("mixed",), ("probe",)])
def test_only_what_is_listed_ships(ship: tuple[str]) -> None:
    mixed = candidate("mixed", {0.0: 40, 1.0: 50}, 1.0)
    probe = candidate("probe", {0.0: 40, 0.5: 62, 1.0: 70}, 0.5)
    for first, second in ((mixed, probe), (candidate("mixed", {0.0: 40, 1.0: 90}, 1.0), probe)):
        assert decide(first, second, ship).name == ship[0]


def test_without_a_probe_the_mixed_model_ships_or_nothing_can() -> None:
    mixed = candidate("mixed", {0.0: 40, 1.0: 50}, 1.0)
    assert decide(mixed, None, BOTH).shipped is mixed
    with pytest.raises(RecipeError, match="there is no mixed probe"):
        decide(mixed, None, ("probe",))


def test_val_that_cannot_tell_two_alphas_apart_is_named() -> None:
    small = candidate("mixed", {0.0: 5, 0.9: 16, 1.0: 15}, 0.9, images=20)
    assert undecided_alphas(small) == (0.9, 1.0)
    sentence = too_small(small, folds=0)
    assert sentence is not None
    assert sentence.startswith("Val (20 images) is too small to tell alpha 0.9 from 1: use folds")
    assert too_small(small, folds=5) is None
    assert too_small(candidate("mixed", {0.0: 100, 0.9: 320, 1.0: 319}, 0.9, 400), 0) is None
    sure = candidate("mixed", {0.0: 5, 0.9: 90, 1.0: 60}, 0.9)
    assert undecided_alphas(sure) == (0.9, 0.9)
    assert too_small(sure, folds=0) is None
