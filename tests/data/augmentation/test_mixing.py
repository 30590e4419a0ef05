"""Mixup and cutmix against the papers' own steps, written out by hand; reproducible in training."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import adapt
from adapt.data.augmentation.mixing import Mix, apply_mix, draw_mix
from adapt.data.image_data import ImageData
from adapt.errors import ModelError
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.loop import train
from adapt.training.module import AdaptModule
from adapt.training.objectives import Contrastive, CrossEntropy
from adapt.training.settings import Optim
from tests.helpers.tiny import tiny_classifier

SHAPE = (6, 10, 14)


def batch(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.normal(size=(6, 3, 10, 14)).astype(np.float32), random.integers(0, 4, 6)


def test_mixup_by_hand() -> None:
    pixels, targets = batch()
    mix = draw_mix(0.3, 0, SHAPE, (7, 1, 2))
    assert mix.box is None
    mixed, shares = apply_mix(mix, torch.from_numpy(pixels), torch.from_numpy(targets), 4)
    share = mix.fraction
    for row, partner in enumerate(mix.order):
        by_hand = share * pixels[row] + (1 - share) * pixels[partner]
        np.testing.assert_allclose(mixed[row].numpy(), by_hand, atol=1e-6)
        wanted = np.zeros(4)
        wanted[targets[row]] += share
        wanted[targets[partner]] += 1 - share
        np.testing.assert_allclose(shares[row].numpy(), wanted, atol=1e-6)


def test_cutmix_by_hand() -> None:
    """Pixel by pixel, and the label share is the share of pixels that stayed."""
    pixels, targets = batch()
    kinds = set()
    for step in range(30):
        mix = draw_mix(0, 1.0, SHAPE, (0, 0, step))
        assert mix.box is not None
        top, bottom, left, right = mix.box
        mixed, shares = apply_mix(mix, torch.from_numpy(pixels), torch.from_numpy(targets), 4)
        for row, partner in enumerate(mix.order):
            stayed = 0
            for y in range(10):
                for x in range(14):
                    inside = top <= y < bottom and left <= x < right
                    source = pixels[partner] if inside else pixels[row]
                    assert (mixed[row, :, y, x].numpy() == source[:, y, x]).all()
                    stayed += not inside
            wanted = np.zeros(4)
            wanted[targets[row]] += stayed / 140
            wanted[targets[partner]] += 1 - stayed / 140
            np.testing.assert_allclose(shares[row].numpy(), wanted, atol=1e-6)
        kinds.add((top == 0, bottom == 10))
    assert len(kinds) > 1, "boxes lie in several places"


def test_boxes_follow_the_share_that_was_drawn() -> None:
    """The reference code: sides are sqrt(1 - lambda) of the image's, cut off at the edge."""
    height, width = 64, 96
    for step in range(50):
        key = (3, step)
        mix = draw_mix(0, 0.7, (4, height, width), key)
        random = np.random.default_rng(np.random.SeedSequence(list(key), spawn_key=(1,)))
        share = random.beta(0.7, 0.7)
        random.permutation(4)
        tall, wide = int(height * np.sqrt(1 - share)), int(width * np.sqrt(1 - share))
        y, x = random.integers(height), random.integers(width)
        wanted = [y - tall // 2, y + tall // 2, x - wide // 2, x + wide // 2]
        ends = [height, height, width, width]
        assert mix.box == tuple(int(np.clip(a, 0, b)) for a, b in zip(wanted, ends, strict=True))


def test_shares_come_from_beta() -> None:
    shares = [draw_mix(0.4, 0, (2, 4, 4), (1, step)).fraction for step in range(4000)]
    # Beta(a, a) has mean 1/2 and variance 1 / (4 (2 a + 1)).
    assert abs(np.mean(shares) - 0.5) < 0.03
    assert abs(np.var(shares) - 1 / (4 * 1.8)) < 0.01
    both = [draw_mix(0.4, 1.0, (2, 4, 4), (1, step)).box is None for step in range(1000)]
    assert 430 < sum(both) < 570


@given(st.integers(0, 2**32 - 1), st.integers(0, 99), st.integers(0, 99), st.booleans())
def test_rows_add_up_and_order_is_a_permutation(
    seed: int, epoch: int, step: int, cut: bool
) -> None:
    mix = draw_mix(0 if cut else 0.2, 1.0 if cut else 0, SHAPE, (seed, epoch, step, 0))
    assert mix == mix
    again = draw_mix(0 if cut else 0.2, 1.0 if cut else 0, SHAPE, (seed, epoch, step, 0))
    assert (mix.fraction, mix.box) == (again.fraction, again.box)
    assert mix.order.tolist() == again.order.tolist()
    assert sorted(mix.order.tolist()) == list(range(6))
    pixels, targets = batch()
    before = pixels.copy()
    _, shares = apply_mix(mix, torch.from_numpy(pixels), torch.from_numpy(targets), 4)
    torch.testing.assert_close(shares.sum(1), torch.ones(6))
    assert (shares >= 0).all()
    assert (pixels == before).all(), "the batch stays as it is"


def test_loss_of_shares_is_the_mix_of_two_losses() -> None:
    classifier = tiny_classifier()
    pixels = torch.randn(4, 3, 32, 32)
    targets = torch.tensor([0, 1, 2, 2])
    mix = Mix(np.array([3, 0, 1, 2]), 0.7, None)
    mixed, shares = apply_mix(mix, pixels, targets, 3)
    loss, (logits,) = CrossEntropy()(
        classifier, {"image": mixed, "target": shares}, torch.Generator()
    )
    own = F.cross_entropy(logits, targets)
    other = F.cross_entropy(logits, targets[torch.tensor([3, 0, 1, 2])])
    torch.testing.assert_close(loss, 0.7 * own + 0.3 * other)
    # With weights a class's share weighs what the class weighs.
    weight = torch.tensor([1.0, 2.0, 5.0])
    loss, _ = CrossEntropy(0.1, class_weights=weight)(
        classifier, {"image": mixed, "target": shares}, torch.Generator()
    )
    smooth = 0.9 * shares + 0.1 / 3
    by_hand = -(smooth * weight * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(loss, by_hand)


class Seen(CrossEntropy):
    """Keeps what training shows it."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[Tensor] = []
        self.targets: list[Tensor] = []

    def __call__(self, classifier: Classifier, batch: Any, generator: torch.Generator) -> Any:
        self.images.append(batch["image"].clone())
        self.targets.append(batch["target"].clone())
        return super().__call__(classifier, batch, generator)


def fit(data: ImageData, context: Context, **settings: Any) -> Seen:
    seen = Seen()
    optim = Optim(**{"lr": 1e-4, "epochs": 2, "batch_size": 10} | settings)
    train(adapt.method("full").prepare(tiny_classifier()), data, optim, context, seen)
    return seen


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker")
def test_batches_of_training_do_not_depend_on_workers(
    toy_data: ImageData, context: Context
) -> None:
    """With everything random at once: own list, balance, mixup and cutmix."""
    flips = [{"name": "RandomResizedCrop", "scale": [0.6, 1.0]}, {"name": "HorizontalFlip"}]
    context = replace(context, augmentation=flips, balance="uniform", seed=5)
    uneven = ImageData(toy_data.train.subset([*range(3), *range(8, 24)]), None)
    seen = {}
    for workers in ("0", "1", "4"):
        torch.manual_seed(int(workers))
        own = replace(context, runtime=replace(context.runtime, workers=workers))
        seen[workers] = fit(uneven, own, mixup=0.4, cutmix=1.0)
    for workers in ("1", "4"):
        for name in ("images", "targets"):
            pairs = zip(getattr(seen["0"], name), getattr(seen[workers], name), strict=True)
            assert all(torch.equal(left, right) for left, right in pairs)
    first, second = seen["0"].images[0], seen["0"].images[2]
    assert first.shape == second.shape
    assert not torch.equal(first, second), "epochs differ"
    assert all(target.shape == (len(image), 3) for image, target in
               zip(seen["0"].images, seen["0"].targets, strict=True))  # fmt: skip


def test_training_mixes_as_draw_mix_says(toy_data: ImageData, context: Context) -> None:
    plain = fit(toy_data, context)
    mixed = fit(toy_data, context, mixup=0.4)
    for number, (before, after) in enumerate(zip(plain.images, mixed.images, strict=True)):
        epoch, step = divmod(number, 3)
        key = (context.seed, epoch, step, 0)
        mix = draw_mix(0.4, 0, (len(before), 32, 32), key)
        images, shares = apply_mix(mix, before, plain.targets[number], 3)
        assert torch.equal(images, after)
        assert torch.equal(shares, mixed.targets[number])


@pytest.mark.parametrize(
    "setting", [{"mixup": 0.2}, {"cutmix": 1.0}, {"class_weights": "auto"}], ids=str
)
def test_contrasting_pairs_refuses(setting: dict[str, Any]) -> None:
    optim, name = Optim(**setting), next(iter(setting))
    with pytest.raises(ModelError, match=rf"optim\.{name} - does not go with this objective"):
        AdaptModule(tiny_classifier(), optim, objective=Contrastive())
    with pytest.raises(ValueError, match=rf"optim\.{name} - has no effect here"):
        adapt.method("flyp", optim=optim)
    with pytest.raises(ModelError, match=r"optim\.class_weights - not known without the data"):
        AdaptModule(tiny_classifier(), Optim(class_weights="auto"))


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_alpha_is_checked(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} - out of range - -0.1 - give 0"):
        Optim(**{name: -0.1})
