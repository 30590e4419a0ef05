"""Robustness numbers against numpy, scipy and hand-made tables."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from adapt.errors import DataError
from adapt.evaluation.metrics.bootstrap import (
    paired_difference,
    percentile_interval,
    resampling_indices,
)
from adapt.evaluation.metrics.masking import mask_absent, right
from adapt.evaluation.robustness.shifts import (
    LogitLine,
    clipped_logit,
    corruption_error,
    effective_robustness,
    fit_logit_line,
    flip_rate,
    gap_closed,
    shift_robustness,
)

SHARES = st.floats(0.02, 0.98)


def answers(accuracy: float, images: int, seed: int = 0) -> np.ndarray:
    """A shuffled column of right answers with exactly this share of them."""
    values = np.arange(images) < round(accuracy * images)
    return np.random.default_rng(seed).permutation(values)


def table(images: int = 60, classes: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.normal(size=(images, classes)), random.integers(0, classes, images)


@given(points=st.lists(st.tuples(SHARES, SHARES), min_size=2, max_size=12))
@settings(deadline=None, max_examples=60)
def test_line_against_polyfit(points: list[tuple[float, float]]) -> None:
    x, y = logit(np.array(points)).T
    assume(np.ptp(x) > 1e-3)  # where the models are nearly one, digits are lost
    line = fit_logit_line(points, 1000, 1000)
    assert line is not None
    slope, intercept = np.polyfit(x, y, 1)
    assert line.models == len(points)
    assert (line.slope, line.intercept) == pytest.approx((slope, intercept), rel=1e-6, abs=1e-6)
    assert line.expected(0.3, 1000) == pytest.approx(expit(slope * logit(0.3) + intercept))


@given(slope=st.floats(-3, 3), intercept=st.floats(-2, 2), ids=st.sets(SHARES, min_size=2))
@settings(deadline=None, max_examples=60)
def test_a_model_on_the_line_has_effective_0(
    slope: float, intercept: float, ids: set[float]
) -> None:
    grid = sorted({round(one, 2) for one in ids})
    on_line = [(one, float(expit(slope * logit(one) + intercept))) for one in grid]
    line = fit_logit_line(on_line, 10**9, 10**9)
    if len(grid) < 2:
        assert line is None
        return
    assert line is not None
    for one, ood in on_line:
        assert ood - line.expected(one, 100) == pytest.approx(0, abs=1e-9)


def test_no_line_without_two_id_accuracies() -> None:
    assert fit_logit_line([], 10, 10) is None
    assert fit_logit_line([(0.5, 0.1), (0.5, 0.9)], 10, 10) is None
    # Both are clipped to 1 - 0.5 / 10: ten images cannot tell them apart.
    assert fit_logit_line([(0.99, 0.1), (1.0, 0.9)], 10, 10) is None


def test_accuracies_of_0_and_1_are_half_an_image_away() -> None:
    found = clipped_logit([0.0, 0.5, 1.0], 20)
    assert found == pytest.approx([np.log(0.025 / 0.975), 0, np.log(0.975 / 0.025)])
    line = fit_logit_line([(0.0, 0.0), (1.0, 1.0)], 20, 50)
    assert line is not None
    assert line.slope == pytest.approx(np.log(99) / np.log(39))


def slow_interval(
    line: LogitLine, on_id: np.ndarray, on_ood: np.ndarray, seeds: tuple[int, int]
) -> list[float]:
    """Effective robustness of one model in every bootstrap sample, one at a time."""
    draws = [np.concatenate(list(resampling_indices(len(one), 200, seed)))
             for one, seed in zip((on_id, on_ood), seeds, strict=True)]  # fmt: skip
    found = []
    for first, second in zip(*draws, strict=True):
        half = 0.5 / len(on_id)
        share = min(max(on_id[first].mean(), half), 1 - half)
        found.append(on_ood[second].mean() - expit(line.slope * logit(share) + line.intercept))
    return percentile_interval(found)


@pytest.mark.parametrize("paired", [False, True])
def test_effective_robustness_against_a_slow_version(paired: bool) -> None:
    line = LogitLine(0.8, -0.4, 3)
    on_id = np.stack([answers(0.9, 40, 1), answers(1.0, 40), answers(0.55, 40, 2)], axis=1)
    on_ood = np.stack([answers(0.5, 40, 3), answers(0.7, 40, 4), answers(0.0, 40)], axis=1)
    values, intervals = effective_robustness(line, on_id, on_ood, paired, samples=200, seed=5)
    expected = [0.5 - expit(0.8 * logit(0.9) - 0.4), 0.7 - expit(0.8 * logit(79 / 80) - 0.4),
                0 - expit(0.8 * logit(0.55) - 0.4)]  # fmt: skip
    assert values == pytest.approx(expected)
    for model in range(3):
        seeds = (5, 5) if paired else (5, 6)
        slow = slow_interval(line, on_id[:, model], on_ood[:, model], seeds)
        assert intervals[model] == pytest.approx(slow)


def test_pairing_narrows_the_interval() -> None:
    same = answers(0.6, 200)[:, None]
    line = LogitLine(1.0, 0.0, 2)
    assert effective_robustness(line, same, same, paired=True)[1][0] == pytest.approx([0, 0])
    low, high = effective_robustness(line, same, same)[1][0]
    # Two independent means of 200 answers: standard error sqrt(2 * 0.6 * 0.4 / 200) = 0.049.
    assert high - low == pytest.approx(2 * 1.96 * 0.049, rel=0.1)


@pytest.mark.parametrize(
    ("on_id", "on_ood", "paired"),
    [
        (np.ones(4), np.ones(4), False),
        (np.ones((4, 2)), np.ones((4, 3)), False),
        (np.ones((4, 2)), np.ones((5, 2)), True),
        (np.ones((0, 2)), np.ones((5, 2)), False),
    ],
)
def test_effective_robustness_refuses(on_id: np.ndarray, on_ood: np.ndarray, paired: bool) -> None:
    with pytest.raises(DataError, match="not of the same models"):
        effective_robustness(LogitLine(1, 0, 2), on_id, on_ood, paired)


def test_gap_closed() -> None:
    assert gap_closed((0.9, 0.7), (0.8, 0.4)) == pytest.approx(0.5)
    assert gap_closed((0.8, 0.4), (0.8, 0.4)) == 0
    assert gap_closed((0.9, 0.3), (0.8, 0.4)) == pytest.approx(-0.5)
    assert gap_closed((0.9, 0.3), (0.5, 0.5)) is None
    assert gap_closed((0.9, 0.3), (0.4, 0.5)) is None


def test_shift_robustness_by_hand() -> None:
    on_id = {"zero_shot": answers(0.6, 50), "lora": answers(0.8, 50, 1)}
    on_ood = {"lora": answers(0.5, 20, 3), "zero_shot": answers(0.4, 20, 2)}
    references = [(0.6, 0.4), (0.7, 0.5), (0.9, 0.6)]
    found = shift_robustness(on_id, on_ood, references, "zero_shot")
    slope, intercept = np.polyfit(*logit(np.array(references)).T, 1)
    assert found["fit"] == pytest.approx({"slope": slope, "intercept": intercept, "models": 3})
    assert found["reason"] is None
    lora, start = found["models"]["lora"], found["models"]["zero_shot"]
    assert (lora["id"], lora["ood"], start["id"], start["ood"]) == (0.8, 0.5, 0.6, 0.4)
    assert lora["effective"] == pytest.approx(0.5 - expit(slope * logit(0.8) + intercept))
    assert lora["relative"] == pytest.approx(0.1)
    assert lora["gap_closed"] == pytest.approx(1 - 0.3 / 0.2)
    assert (start["relative"], start["gap_closed"]) == (0, 0)
    low, high = lora["effective_ci"] or [1, 0]
    assert low < lora["effective"] < high


def test_shift_robustness_without_a_line() -> None:
    on_id, on_ood = {"zero_shot": answers(0.6, 50)}, {"zero_shot": answers(0.7, 20)}
    found = shift_robustness(on_id, on_ood, [(0.6, 0.7)], "zero_shot")
    assert found["fit"] is None
    assert found["reason"] == (
        "1 reference models, 1 id accuracies: a line needs two different ones"
    )
    only = found["models"]["zero_shot"]
    assert (only["effective"], only["effective_ci"], only["gap_closed"]) == (None, None, None)


@pytest.mark.parametrize("other", [{"lora": answers(1, 3)}, {"zero_shot": answers(1, 3)}])
def test_shift_robustness_needs_the_same_models(other: dict[str, np.ndarray]) -> None:
    both = {"zero_shot": answers(1, 3), "lora": answers(1, 3)}
    with pytest.raises(DataError, match="not the same on id and shift"):
        shift_robustness(both, other, [], "zero_shot")
    with pytest.raises(DataError, match="not the same on id and shift"):
        shift_robustness(both, both, [], "clip")


def test_corruption_error_by_hand() -> None:
    kinds = {"n1": "noise", "n5": "noise", "fog": "fog", "easy": "jpeg"}
    scores = {
        "zero_shot": {"n1": 0.8, "n5": 0.4, "fog": 0.5, "easy": 1.0, "clean": 0.9},
        "lora": {"n1": 0.9, "n5": 0.7, "fog": 0.4, "easy": 0.9, "clean": 0.0},
    }
    found = corruption_error(kinds, scores, "zero_shot")
    assert found["zero_shot"] == {"mean": 1.0, "kinds": {"noise": 1.0, "fog": 1.0, "jpeg": None}}
    own = found["lora"]["kinds"]
    assert (own["noise"], own["fog"], own["jpeg"]) == pytest.approx((0.4 / 0.8, 0.6 / 0.5, None))
    assert found["lora"]["mean"] == pytest.approx((0.5 + 1.2) / 2)
    assert corruption_error({}, scores, "zero_shot") == {}
    assert corruption_error({"easy": "jpeg"}, scores, "zero_shot")["lora"]["mean"] is None
    with pytest.raises(DataError, match="'lora' on 'n9'"):
        corruption_error({"n9": "noise"}, {"zero_shot": {"n9": 1.0}, "lora": {}}, "zero_shot")
    with pytest.raises(DataError, match="missing - 'clip'"):
        corruption_error(kinds, scores, "clip")


def test_flips_by_hand() -> None:
    targets = np.array([0, 1, 2, 0, 1])
    before = np.eye(3)[[0, 0, 1, 0, 2]]  # right, wrong, wrong, right, wrong
    after = np.eye(3)[[0, 1, 0, 2, 2]]  # same, gained, other mistake, lost, same mistake
    found = flip_rate(before, after, targets)
    assert (found["n"], found["rate"], found["gained"], found["lost"]) == (5, 0.6, 0.2, 0.2)
    assert found["ci"] == paired_difference([0, 1, 1, 1, 0], [0] * 5)["ci"]
    same = flip_rate(before, before, targets)
    assert (same["rate"], same["ci"]) == (0, [0, 0])
    with pytest.raises(DataError, match="not the same classes"):
        flip_rate(before, np.ones((5, 4)), targets)
    with pytest.raises(DataError, match="not one per image"):
        flip_rate(before, after[:4], targets)


@given(seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=25)
def test_order_of_images_changes_nothing(seed: int) -> None:
    (before, targets), (after, _) = table(seed=seed), table(seed=seed + 1)
    order = np.random.default_rng(seed).permutation(len(targets))
    first = flip_rate(before, after, targets)
    second = flip_rate(before[order], after[order], targets[order])
    for key in ("n", "rate", "gained", "lost"):
        assert first[key] == second[key]  # type: ignore[literal-required]
    on_id = np.stack([right(one, targets) for one in (before, after)], axis=1)
    line = LogitLine(0.7, 0.1, 3)
    straight = effective_robustness(line, on_id, on_id, samples=10)[0]
    assert effective_robustness(line, on_id[order], on_id[order[::-1]], samples=10)[0] == (
        pytest.approx(straight, abs=1e-12)
    )
    assert np.array_equal(
        mask_absent(before, targets).logits[order],
        mask_absent(before[order], targets[order]).logits,
    )
