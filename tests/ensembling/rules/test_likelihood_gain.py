"""The rule that stops where adapting further gains little."""

from hypothesis import given
from hypothesis import strategies as st

from adapt.ensembling.choose import alpha_grid, choose_alpha
from adapt.ensembling.rules.base import Evidence
from adapt.ensembling.rules.likelihood_gain import GIVEN_UP

GRID = alpha_grid(11)


def evidence(loss: list[float], right: float = 0.3) -> Evidence:
    """Two images whose losses have these means; zero-shot gets a part of them right."""
    losses = {a: [value - 0.25, value + 0.25] for a, value in zip(GRID, loss, strict=True)}
    return Evidence({**dict.fromkeys(GRID, 0.9), 0.0: right}, 2, losses=losses)


FALLING = [2.0, 1.6, 1.3, 1.14, 1.04, 1.0, 1.0, 1.1, 1.2, 1.3, 1.4]


def test_by_hand() -> None:
    """From 2 nats to 1: with 0.3 right 97 % are kept, at 1.03, which is crossed at alpha 0.425."""
    assert choose_alpha(evidence(FALLING), "likelihood") == 0.5
    assert choose_alpha(evidence(FALLING), "likelihood_gain") == 0.4
    assert choose_alpha(evidence([1.0] * 11), "likelihood_gain") == 0.0, "nothing to gain"
    assert choose_alpha(evidence(GRID), "likelihood_gain") == 0.0, "only to lose"


def test_less_is_kept_the_more_zero_shot_knows() -> None:
    """With all right 90 % are kept, at 1.1, crossed at alpha 0.34; with none right everything."""
    assert choose_alpha(evidence(FALLING, 0.0), "likelihood_gain") == 0.5
    assert choose_alpha(evidence(FALLING, 1.0), "likelihood_gain") == 0.3


@given(st.lists(st.floats(0.01, 10), min_size=11, max_size=11), st.floats(0, 1))
def test_never_beyond_the_most_likely(loss: list[float], right: float) -> None:
    """And what is taken, or a point beside it, keeps its share of the gain."""
    given_ = evidence(loss, right)
    best, taken = choose_alpha(given_, "likelihood"), choose_alpha(given_, "likelihood_gain")
    assert taken <= best
    limit = min(loss) + GIVEN_UP * right * (loss[0] - min(loss))
    place = GRID.index(taken)
    assert min(given_.loss(a) for a in GRID[: place + 2]) <= limit + 1e-12
