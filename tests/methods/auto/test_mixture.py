"""The mixture of several methods: its scales, its head, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax

import adapt
from adapt.methods.auto.method import Auto
from adapt.methods.auto.mixture import MEMBERS, WITHOUT_TEXT, Mixture, mixing_scales
from adapt.methods.auto.out_of_fold import FOLDS, out_of_fold
from adapt.methods.features.cross_validation import rounds
from adapt.methods.features.named import feature_method
from adapt.methods.features.support import Support
from tests.helpers.support_problem import ALL, problem

SINGLE = [0, 1, 2, 3, 4]
pytestmark = pytest.mark.numerical


def answers(seed: int, images: int = 60) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Two methods that know something, each of other images, on different scales."""
    random = torch.Generator().manual_seed(seed)
    targets = torch.randint(0, 3, (images,), generator=random)
    shown = torch.eye(3, dtype=torch.double)[targets]
    noise = torch.randn(2, images, 3, generator=random, dtype=torch.double)
    return [4 * (noise[0] + 1.5 * shown), 0.3 * (noise[1] + shown)], targets


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())


@pytest.mark.parametrize("seed", range(3))
def test_scales_explain_held_out_images_as_well_as_any(seed: int) -> None:
    """Without shrinking the two scales are those of a search over both, from several places."""
    parts, targets = answers(seed)
    scales = mixing_scales(parts, targets, 0.0)
    labels = targets.numpy()

    def loss(logs: np.ndarray) -> float:
        total = sum(np.exp(log) * part.numpy() for log, part in zip(logs, parts, strict=True))
        return cross_entropy(total, labels)

    starts = [(-1.0, 1.0), (1.0, -1.0), (0.0, 0.0)]
    best = min(minimize(loss, begin, method="Nelder-Mead").fun for begin in starts)
    assert loss(np.log(scales)) == pytest.approx(best, abs=1e-4)


def test_shrunk_to_equal_weights_of_calibrated_members() -> None:
    """Far enough, the ratio of the scales is that of one over the temperatures."""
    parts, targets = answers(0)
    labels = targets.numpy()

    def sureness(own: np.ndarray) -> float:
        found = minimize(lambda log: cross_entropy(own * np.exp(log[0]), labels), [0.0])
        return float(np.exp(found.x[0]))

    sure = [sureness(part.numpy()) for part in parts]
    scales = mixing_scales(parts, targets, 1e6)
    assert scales[0] / scales[1] == pytest.approx(sure[0] / sure[1], rel=1e-3)


def test_a_member_that_knows_nothing_is_left_out() -> None:
    parts, targets = answers(0, 400)
    noise = torch.randn(400, 3, generator=torch.Generator().manual_seed(9), dtype=torch.double)
    good, useless = mixing_scales([parts[0], -parts[0] + noise], targets, 0.0)
    assert useless < 1e-3 * good


def test_where_all_are_right_the_scales_add_up_to_one() -> None:
    sure = 50 * torch.eye(3, dtype=torch.double)
    scales = mixing_scales([sure, 2 * sure], torch.arange(3), 1.0)
    assert sum(scales) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "names",
    [
        ["nearest_centroid", "gda", "lp_plus_plus_clean"],
        ["gda", "kernel_ridge"],
        ["knn", "nearest_centroid"],
    ],
)
def test_the_head_is_the_scaled_sum(names: list[str]) -> None:
    """Logits of every image are the scaled sums of the logits of the members' own heads."""
    support = problem(ALL)
    methods = [feature_method(name) for name in names]
    held = [out_of_fold(support, method) for method in methods]
    assert all(answer is not None for answer in held)
    logits = [answer[0] for answer in held if answer is not None]
    number = rounds(support, FOLDS)
    targets = torch.cat([support.targets[number == fold] for fold in range(FOLDS)])
    scales = mixing_scales(logits, targets, Mixture().shrink)
    with torch.no_grad():
        expected = sum(
            scale * method.head(support)(support.features)
            for scale, method in zip(scales, methods, strict=True)
        )
        head = Mixture(names).head(support)
        torch.testing.assert_close(head(support.features), expected, rtol=1e-5, atol=1e-4)


def test_held_out_answers_are_the_scaled_answers_of_the_members() -> None:
    support, names = problem(ALL), ["nearest_centroid", "gda"]
    own = [out_of_fold(support, feature_method(name)) for name in names]
    parts = [answer[0] for answer in own if answer is not None]
    found = Mixture(names).held_out(support)
    assert found is not None
    assert own[0] is not None
    scales = mixing_scales(parts, own[0][1], Mixture().shrink)
    torch.testing.assert_close(found[0], scales[0] * parts[0] + scales[1] * parts[1])
    assert torch.equal(found[1], own[0][1])
    assert Mixture(names).held_out(problem(SINGLE)) is None


def test_one_image_per_class_counts_all_the_same() -> None:
    support = problem(SINGLE)
    heads = [feature_method(name).head(support) for name in ("clap", "gda")]
    mixed = adapt.method("mixture").head(support)  # type: ignore[attr-defined]
    torch.testing.assert_close(mixed.weight, (heads[0].weight + heads[1].weight) / 2)
    torch.testing.assert_close(mixed.bias, (heads[0].bias + heads[1].bias) / 2)


def without_text(support: Support) -> Support:
    """The same images, all classes with one direction."""
    alike = support.zero_shot[:1].expand(support.classes, -1).contiguous()
    return replace(support, zero_shot=alike)


def test_without_text_its_members_are_gda_and_kernel_ridge() -> None:
    support = problem(ALL)
    assert list(Mixture().methods(without_text(support))) == ["gda", "kernel_ridge"]
    assert list(Mixture(["knn", "gda"]).methods(without_text(support))) == ["knn", "gda"]
    queries = problem(ALL, seed=1).features
    default, named = (
        Mixture(names).head(without_text(support))(queries) for names in ([], WITHOUT_TEXT)
    )
    assert torch.equal(default, named)


def test_with_text_kernel_ridge_joins_from_four_images_of_a_class() -> None:
    three, four = [0, 0, 0, 1, 1, 2], [0, 0, 0, 0, 1, 2]
    assert list(Mixture().methods(problem(three))) == ["clap", "gda"]
    assert list(Mixture().methods(problem(four))) == list(MEMBERS)


def test_what_is_refused() -> None:
    for members in (["gda"], ["gda", "gda"]):
        with pytest.raises(ValueError, match="members - not several methods"):
            Mixture(members)
    for name in ("lora", "auto", "mixture", "gad"):
        with pytest.raises(ValueError, match=f"members - no feature-space method - '{name}'"):
            Mixture(["gda", name])
    with pytest.raises(ValueError, match="members - several that keep support images - knn, tip_"):
        Mixture(["knn", "gda", "tip_adapter"]).head(problem(ALL))


def test_auto_takes_it_where_it_is_level_with_the_best() -> None:
    """Its head is that of its members on all images, with the scales of the ranking."""
    support: Support = problem(ALL)
    ranking, head = Auto(["mixture", "nearest_centroid"]).ranked_head(support)
    assert ranking.best == "mixture"
    assert [ranked.name for ranked in ranking.methods] == [
        "mixture",
        "nearest_centroid",
        "zero_shot",
    ]
    assert set(ranking.mixture) == set(Mixture().methods(support))
    with torch.no_grad():
        queries = problem(ALL, seed=1).features
        expected = sum(
            scale * feature_method(name).head(support)(queries)
            for name, scale in ranking.mixture.items()
        )
        torch.testing.assert_close(head(queries), expected, rtol=1e-5, atol=1e-4)
    assert ranking.to_dict([str(n) for n in range(support.classes)])["mixture"] == ranking.mixture
