"""Robustness numbers against numpy, scipy and hand-made tables."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import binomtest, linregress
from scipy.stats import t as student

from adapt.errors import DataError
from adapt.evaluation.metrics.masking import mask_absent, right
from adapt.evaluation.robustness.shifts import (
    LogitLine,
    Point,
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


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("interval", ["wilson", "clopper_pearson"])
def test_effective_robustness_against_a_slow_version(paired: bool, interval: str) -> None:
    line = LogitLine(0.8, -0.4, 30)
    on_id = np.stack([answers(0.9, 40, 1), answers(1.0, 40), answers(0.55, 40, 2)], axis=1)
    on_ood = np.stack([answers(0.5, 40, 3), answers(0.7, 40, 4), answers(0.0, 40)], axis=1)
    values, intervals = effective_robustness(line, on_id, on_ood, paired, interval)
    expected = [0.5 - expit(0.8 * logit(0.9) - 0.4), 0.7 - expit(0.8 * logit(79 / 80) - 0.4),
                0 - expit(0.8 * logit(0.55) - 0.4)]  # fmt: skip
    assert values == pytest.approx(expected)
    method = "exact" if interval == "clopper_pearson" else interval

    def usual(accuracy: float) -> float:
        return float(expit(0.8 * logit(min(max(accuracy, 1 / 80), 79 / 80)) - 0.4))

    for model in range(3):
        first, second = on_id[:, model], on_ood[:, model]
        ends = [binomtest(int(one.sum()), 40).proportion_ci(method=method)
                for one in (first, second)]  # fmt: skip
        linked = 0.0
        if paired and first.std() and second.std():
            linked = max(0.0, np.corrcoef(first, second)[0, 1])
        down = (second.mean() - ends[1].low, usual(ends[0].high) - usual(first.mean()))
        up = (ends[1].high - second.mean(), usual(first.mean()) - usual(ends[0].low))
        reach = [np.sqrt(a**2 + b**2 - 2 * linked * a * b) for a, b in (down, up)]
        slow = [values[model] - reach[0], values[model] + reach[1]]
        assert intervals[model] == pytest.approx(slow)


def test_the_interval_of_effective_robustness_covers() -> None:
    line, generator, covered = LogitLine(0.9, -0.5, 30), np.random.default_rng(0), 0
    truth = 0.6 - expit(0.9 * logit(0.8) - 0.5)
    for _ in range(600):
        on_id, on_ood = generator.random((80, 1)) < 0.8, generator.random((60, 1)) < 0.6
        (value,), ((low, high),) = effective_robustness(line, on_id, on_ood)
        assert low <= value <= high
        covered += low <= truth <= high
    assert 0.925 <= covered / 600 <= 0.98


def test_pairing_narrows_the_interval() -> None:
    same = answers(0.6, 200)[:, None]
    line = LogitLine(1.0, 0.0, 30)
    low, high = effective_robustness(line, same, same, paired=True)[1][0]
    assert (low, high) == pytest.approx((0, 0), abs=0.01)
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


RISING = [(0.3 + 0.04 * k, 0.2 + 0.03 * k + 0.01 * (k % 3)) for k in range(12)]


def test_shift_robustness_by_hand() -> None:
    on_id = {"zero_shot": answers(0.6, 50), "lora": answers(0.8, 50, 1)}
    on_ood = {"lora": answers(0.5, 20, 3), "zero_shot": answers(0.4, 20, 2)}
    found = shift_robustness(on_id, on_ood, RISING, "zero_shot")
    fit = linregress(*logit(np.array(RISING)).T)
    assert found["fit"] is not None
    reach = student.ppf(0.975, 10) * fit.stderr
    assert found["fit"].pop("slope_ci") == pytest.approx((fit.slope - reach, fit.slope + reach))
    assert found["fit"] == pytest.approx(
        {"slope": fit.slope, "intercept": fit.intercept, "models": 12}
    )
    assert found["reason"] is None
    lora, start = found["models"]["lora"], found["models"]["zero_shot"]
    assert (lora["id"], lora["ood"], start["id"], start["ood"]) == (0.8, 0.5, 0.6, 0.4)
    usual = expit(fit.slope * logit(0.8) + fit.intercept)
    assert lora["effective"] == pytest.approx(0.5 - usual)
    assert lora["relative"] == pytest.approx(0.1)
    assert lora["gap_closed"] == pytest.approx(1 - 0.3 / 0.2)
    assert (start["relative"], start["gap_closed"]) == (0, 0)
    low, high = lora["effective_ci"] or [1, 0]
    assert low < lora["effective"] < high


@pytest.mark.parametrize(
    ("references", "reason"),
    [
        ([], "no reference models were measured on the shift"),
        (RISING[:1], "all 1 reference model have the same accuracy"),
        (RISING[:9], "the line would rest on 9 reference models, fewer than 10"),
        ([(x, 1 - y) for x, y in RISING], "the line through 12 reference models does not clearly"),
        ([(x, 0.3 + 0.2 * (k % 2)) for k, (x, _) in enumerate(RISING)], "does not clearly rise"),
    ],
)
def test_shift_robustness_without_a_line(references: list[Point], reason: str) -> None:
    on_id, on_ood = {"zero_shot": answers(0.6, 50)}, {"zero_shot": answers(0.7, 20)}
    found = shift_robustness(on_id, on_ood, references, "zero_shot")
    assert found["fit"] is None
    assert reason in (found["reason"] or "")
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
    assert found["ci"] == pytest.approx(list(binomtest(3, 5).proportion_ci(method="wilson")))
    same = flip_rate(before, before, targets)
    assert (same["rate"], same["ci"]) == (0, [0, pytest.approx(0.4345, abs=1e-4)])
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
    straight = effective_robustness(line, on_id, on_id)[0]
    assert effective_robustness(line, on_id[order], on_id[order[::-1]])[0] == (
        pytest.approx(straight, abs=1e-12)
    )
    assert np.array_equal(
        mask_absent(before, targets).logits[order],
        mask_absent(before[order], targets[order]).logits,
    )
