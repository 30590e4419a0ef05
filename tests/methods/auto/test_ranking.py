"""The ranking against a slow cross-validation, and with answers known beforehand."""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from adapt.methods.auto.ranking import FOLDS, expected_accuracy, rank_methods
from adapt.methods.features.cross_validation import rounds
from adapt.methods.features.support import Support
from adapt.methods.heads.gda import GDA
from adapt.models.cache_head import CacheHead


def clusters(count: int, seed: int) -> Support:
    generator = torch.Generator().manual_seed(seed)
    means = torch.nn.functional.normalize(torch.randn(3, 8, generator=generator), dim=1)
    targets = torch.arange(3).repeat_interleave(count)
    noise = 0.5 * torch.randn(3 * count, 8, generator=generator)
    features = torch.nn.functional.normalize(means[targets] + noise, dim=1)
    return Support(features[None], targets, 100 * means)


@pytest.mark.numerical
def test_the_ranking_equals_a_slow_cross_validation() -> None:
    support, method = clusters(4, 0), GDA(alpha=1.0)
    ranking = rank_methods(support, {"gda": method})
    number, right, losses = rounds(support, FOLDS), [], []
    for image in range(12):
        head = method.head(support.part(number != number[image]))
        logits = head(support.features[image]).detach().double()
        right.append(int(logits.argmax()) == int(support.targets[image]))
        losses.append(float(-torch.log_softmax(logits, 0)[support.targets[image]]))
    (gda,) = [ranked for ranked in ranking.methods if ranked.name == "gda"]
    assert gda.accuracy == pytest.approx(np.mean(right))
    assert gda.loss == pytest.approx(np.mean(losses), rel=1e-4)
    assert gda.error == pytest.approx(np.std(right) / 12**0.5)
    assert ranking.images == 12


@pytest.mark.numerical
def test_the_curve_is_that_of_fits_by_hand() -> None:
    support, method = clusters(9, 1), GDA(alpha=1.0)
    number, rest = rounds(support, FOLDS), []
    ranking = rank_methods(support, {"gda": method})
    assert list(ranking.curve) == [1, 2, 4, 6]
    held = number == 0
    for count, value in ranking.curve.items():
        rest = [
            image
            for label in range(3)
            for image in [n for n in range(27) if support.targets[n] == label and not held[n]][
                :count
            ]
        ]
        head = method.head(support.part(torch.tensor(sorted(rest))))
        answers = head(support.features[held]).argmax(1) == support.targets[held]
        assert value == pytest.approx(float(answers.double().mean()))


class Counted:
    """A method that counts its fits and always says the same."""

    def __init__(self, method: GDA) -> None:
        self.method, self.fits = method, 0

    def head(self, support: Support) -> torch.nn.Linear:
        self.fits += 1
        return self.method.head(support)


def test_of_methods_that_are_right_on_the_same_images_the_first_goes_on() -> None:
    for count, fits in ((100, 1), (99, FOLDS)):
        first, second = Counted(GDA(alpha=1.0)), Counted(GDA(alpha=1.0))
        ranking = rank_methods(clusters(count, 0), {"first": first, "second": second})
        assert second.fits == fits
        assert first.fits > FOLDS
        assert ranking.methods[0].name == "first"
        images = {ranked.name: ranked.images for ranked in ranking.methods}
        assert images["second"] == (102 if fits == 1 else 297)
        assert images["first"] == 3 * count


class Fixed:
    """Answers with a table: the held-out images it gets wrong are known beforehand."""

    views = 1

    def __init__(self, support: Support, wrong: set[int]) -> None:
        shift = torch.tensor([image in wrong for image in range(len(support.targets))]).long()
        answers = (support.targets + shift) % support.classes
        self.cache = CacheHead(
            torch.zeros_like(support.zero_shot),
            torch.zeros(support.classes),
            support.features,
            torch.nn.functional.one_hot(answers, support.classes).float(),
            beta=50.0,
        )

    def head(self, support: Support) -> CacheHead:
        return self.cache


def test_level_methods_keep_their_order_and_others_follow_by_accuracy() -> None:
    """20 images: one lost is within two standard errors of the difference, nine are not."""
    random = torch.Generator().manual_seed(0)
    features = torch.nn.functional.normalize(torch.randn(20, 16, generator=random), dim=1)
    support = Support(features[None], torch.arange(20) % 2, torch.zeros(2, 16))
    wrong: dict[str, set[int]] = {
        "bad": set(range(14)),
        "good": {3},
        "best": set(),
        "poor": set(range(9)),
    }
    methods = {name: Fixed(support, images) for name, images in wrong.items()}
    ranking = rank_methods(support, methods)
    assert [ranked.name for ranked in ranking.methods[:2]] == ["good", "best"]
    assert [ranked.name for ranked in ranking.methods[2:]][-1] == "bad"
    by_name = {ranked.name: ranked for ranked in ranking.methods}
    assert by_name["good"].behind == pytest.approx(1 / 20)
    assert by_name["good"].behind_error == pytest.approx(np.std([1] + [0] * 19) / 20**0.5)
    assert by_name["best"].behind == by_name["best"].behind_error == 0
    assert [by_name[name].level for name in wrong] == [False, True, True, False]
    assert [by_name[name].differing for name in ("good", "best")] == [1, 0]


def test_the_best_of_many_is_ahead_by_chance_more_often_than_the_best_of_two() -> None:
    """Five of 20 lost are 2.6 standard errors: enough against two rivals, not against thirteen."""
    random = torch.Generator().manual_seed(0)
    features = torch.nn.functional.normalize(torch.randn(20, 16, generator=random), dim=1)
    support = Support(features[None], torch.arange(20) % 2, torch.zeros(2, 16))
    first, best = Fixed(support, set(range(5))), Fixed(support, set())
    others = {f"other {number}": Fixed(support, set(range(12))) for number in range(11)}
    behind, error = 5 / 20, np.std([1] * 5 + [0] * 15) / 20**0.5
    for rivals, ahead in (({}, "best"), (others, "first")):
        ranking = rank_methods(support, {"first": first, "best": best, **rivals})
        own = next(ranked for ranked in ranking.methods if ranked.name == "first")
        assert (own.behind, own.behind_error) == (pytest.approx(behind), pytest.approx(error))
        tests = len(rivals) + 2  # the other methods and zero-shot
        told_apart = norm.cdf(-behind / error) < 0.025 / tests
        assert ranking.best == ahead
        assert own.level is not told_apart


def test_three_images_tell_nothing_apart() -> None:
    support = Support(torch.eye(4)[None], torch.tensor([0, 0, 1, 2]), torch.zeros(3, 4))
    methods = {"wrong": Fixed(support, {0, 1}), "right": Fixed(support, set())}
    ranking = rank_methods(support, methods)
    assert [ranked.name for ranked in ranking.methods] == ["wrong", "right", "zero_shot"]
    assert ranking.methods[0].behind == 1.0
    assert ranking.methods[0].level


def test_a_curve_of_few_points_expects_nothing() -> None:
    assert expected_accuracy({1: 0.5, 2: 0.6}) == {}
    flat = expected_accuracy({1: 0.7, 2: 0.7, 4: 0.7})
    assert flat == {8: pytest.approx(0.7, abs=1e-3), 16: pytest.approx(0.7, abs=1e-3)}
