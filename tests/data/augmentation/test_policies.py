"""Named augmentations keep to what they promise."""

from typing import Any

import albumentations as A
import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from adapt.data.augmentation.pipeline import Augmentation
from adapt.data.augmentation.policies import POLICIES
from adapt.data.decoding.preprocessing import Preprocessing
from tests.data.augmentation.test_pipeline import PLAIN, picture
from tests.data.augmentation.test_steps import photo


def test_an_own_list_can_say_what_a_policy_says() -> None:
    for policy in POLICIES:
        if policy != "none":
            own = Augmentation(POLICIES[policy].steps(32), PLAIN)
            named = Augmentation(policy, PLAIN)
            for seed in range(4):
                assert torch.equal(own(photo(), seed), named(photo(), seed))


def test_policies_have_one_line_of_reason() -> None:
    reasons = [policy.reason for policy in POLICIES.values()]
    assert len(set(reasons)) == len(reasons)
    assert all(20 < len(reason) < 160 and "\n" not in reason for reason in reasons)


def written_out(policy: str, size: int, fill: tuple[float, ...]) -> list[Any]:
    """The first policies in albumentations' own words: what they draw must never change."""
    low = {"clip": 0.9, "standard": 0.5, "strong": 0.3}[policy]
    crop = A.RandomResizedCrop(
        size=(size, size),
        scale=(low, 1.0),
        interpolation=cv2.INTER_CUBIC,
        area_for_downscale="image",
    )
    if policy == "clip":
        return [crop]
    around = (0.8, 1.2) if policy == "standard" else (0.6, 1.4)
    hue = (-0.02, 0.02) if policy == "standard" else (-0.1, 0.1)
    jitter = A.ColorJitter(brightness=around, contrast=around, saturation=around, hue=hue, p=0.8)
    steps = [crop, A.HorizontalFlip(p=0.5), jitter]
    if policy == "standard":
        return steps
    hole = {"hole_height_range": (0.1, 0.4), "hole_width_range": (0.1, 0.4)}
    return [
        *steps,
        A.ToGray(p=0.1),
        A.GaussianBlur(blur_limit=0, sigma_limit=(0.1, max(size / 112, 0.2)), p=0.3),
        A.CoarseDropout(num_holes_range=(1, 1), **hole, fill=fill, p=0.25),
    ]


@pytest.mark.parametrize("policy", ["clip", "standard", "strong"])
def test_first_policies_draw_what_they_always_drew(policy: str) -> None:
    settings = Preprocessing(32, [0.2, 0.4, 0.6], [1, 1, 1])
    augment, image = Augmentation(policy, settings), picture()
    compose = A.Compose(written_out(policy, 32, (51.0, 102.0, 153.0)))
    for seed in range(20):
        compose.set_random_seed(seed)
        children = np.random.SeedSequence(seed).generate_state(len(compose.transforms))
        for transform, child in zip(compose.transforms, children, strict=True):
            transform.set_random_seed(int(child))
        view = compose(image=np.asarray(image))["image"]
        assert torch.equal(augment(image, seed), settings.normalise(Image.fromarray(view)))


def test_medical_and_document_never_mirror_or_colour() -> None:
    sides = Image.fromarray(np.tile(np.linspace(60, 180, 64).astype(np.uint8)[:, None], (64, 1, 3)))
    for policy in ("medical", "document"):
        augment = Augmentation(policy, PLAIN)
        for seed in range(30):
            view = augment(picture(64, 64), seed)
            assert float(view[0, :, -1].mean()) > float(view[0, :, 0].mean()) + 0.3
            assert float(view[1, -1].mean()) > float(view[1, 0].mean()) + 0.3
            grey = Augmentation(policy, PLAIN)(sides, seed)
            assert float((grey.amax(0) - grey.amin(0)).max()) < 0.02


def test_aerial_shows_all_eight_symmetries() -> None:
    """Which corner is brightest and which next to it tells all eight apart."""
    corners = np.zeros((64, 64, 3), dtype=np.uint8)
    corners[:24, :24], corners[:24, -24:] = 250, 120
    augment, seen = Augmentation("aerial", PLAIN), set()
    for seed in range(200):
        view = augment(Image.fromarray(corners), seed).mean(0)
        quarters = [view[i : i + 16, j : j + 16].mean() for i in (0, 16) for j in (0, 16)]
        seen.add(tuple(int(place) for place in torch.tensor(quarters).argsort()[-2:]))
    assert len(seen) == 8
