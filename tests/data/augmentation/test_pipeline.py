"""Views depend on their seed alone, differ between seeds, and keep to the policy."""

import os
import pickle
import runpy
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from adapt.common.seeds import sample_seed
from adapt.data.augmentation import pipeline as augmentation
from adapt.data.augmentation import steps as augmentation_steps
from adapt.data.augmentation.pipeline import Augmentation
from adapt.data.augmentation.policies import POLICIES
from adapt.data.decoding.preprocessing import Preprocessing
from adapt.errors import RecipeError

PLAIN = Preprocessing(32, [0, 0, 0], [1, 1, 1])


def picture(width: int = 80, height: int = 60) -> Image.Image:
    across = np.linspace(0, 255, width).astype(np.uint8)
    down = np.linspace(0, 255, height).astype(np.uint8)
    red, green = np.meshgrid(across, down)
    return Image.fromarray(np.stack([red, green, np.full_like(red, 90)], axis=2))


@pytest.mark.parametrize("policy", POLICIES)
def test_seeds_decide_alone(policy: str) -> None:
    augment = Augmentation(policy, PLAIN)
    views = [augment(picture(), seed) for seed in range(6)]
    again = pickle.loads(pickle.dumps(augment))
    for seed in reversed(range(6)):
        assert torch.equal(again(picture(), seed), views[seed])
    assert views[0].shape == (3, 32, 32)
    assert views[0].dtype == torch.float32
    different = {view.numpy().tobytes() for view in views}
    # In a small picture two crops of nearly all of it may coincide.
    assert len(different) >= {"none": 1, "clip": 4}.get(policy, 6)
    assert len(different) == 1 or policy != "none"


def test_none_is_the_evaluation_transform() -> None:
    assert torch.equal(Augmentation("none", PLAIN)(picture(), 3), PLAIN(picture()))


def test_each_transform_draws_its_own_numbers() -> None:
    augment = Augmentation("standard", PLAIN)
    mirrored, areas = [], []
    for seed in range(300):
        red = augment(picture(), seed)[0]
        left, right = float(red[:, 0].mean()), float(red[:, -1].mean())
        mirrored.append(left > right)
        areas.append(abs(right - left))
    assert 115 <= sum(mirrored) <= 185
    wide = np.array(areas) > np.median(areas)
    assert 0.35 < np.mean(np.array(mirrored)[wide]) < 0.65


def test_clip_keeps_colours_and_most_of_the_image() -> None:
    augment = Augmentation("clip", PLAIN)
    for seed in range(20):
        view = augment(picture(64, 64), seed)
        assert float(view[2].min()) == float(view[2].max()) == pytest.approx(90 / 255)
        assert float(view[0, :, 0].max()) < 0.25
        assert float(view[0, :, -1].min()) > 0.75


def test_shrinking_averages() -> None:
    stripes = np.zeros((256, 256, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    view = Augmentation("clip", PLAIN)(Image.fromarray(stripes), 0)
    assert float((view - 0.5).abs().max()) < 0.1


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("size", [(1, 1), (1, 500), (2000, 2), (8, 8)])
def test_any_shape(policy: str, size: tuple[int, int]) -> None:
    assert Augmentation(policy, PLAIN)(Image.new("RGB", size), 1).shape == (3, 32, 32)


def test_strong_hole_has_the_mean_colour() -> None:
    settings = Preprocessing(32, [0.2, 0.4, 0.6], [1, 1, 1])
    augment = Augmentation("strong", settings)
    white = Image.new("RGB", (40, 40), "white")
    holes = sum(bool((augment(white, seed).abs().amax(0) < 0.003).any()) for seed in range(100))
    assert 10 <= holes <= 40


def test_sample_seed() -> None:
    seeds = {sample_seed(s, e, i) for s in range(3) for e in range(10) for i in range(100)}
    assert len(seeds) == 3000
    assert max(seeds) < 2**32


def test_unknown_policy() -> None:
    with pytest.raises(
        RecipeError, match="augmentation - not known - 'strnog', did you mean 'stro"
    ):
        Augmentation("strnog", PLAIN)


@pytest.mark.parametrize("module", [augmentation, augmentation_steps])
def test_albumentations_is_told_to_stay_offline_before_it_is_imported(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> None:
    told = []

    class Watch:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "albumentations":
                told.append(os.environ.get("NO_ALBUMENTATIONS_UPDATE"))
                raise ImportError("seen")

    monkeypatch.delenv("NO_ALBUMENTATIONS_UPDATE")
    monkeypatch.delitem(sys.modules, "albumentations")
    monkeypatch.setattr(sys, "meta_path", [Watch(), *sys.meta_path])
    with pytest.raises(ImportError, match="seen"):
        runpy.run_path(module.__file__)
    assert told == ["1"]
