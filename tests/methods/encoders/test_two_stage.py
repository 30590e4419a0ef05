"""Two stages: which parameters train in which, and the head at the end."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from adapt.data.image_data import ImageData
from adapt.methods.encoders.norm_tuning import norm_parameters
from adapt.methods.encoders.two_stage import TwoStage, train_directions
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.module import AdaptModule
from adapt.training.settings import Optim
from tests.helpers.tiny import bit_equal, cross_entropy, tiny_classifier, weights

SHORT = Optim(lr=5e-3, epochs=5, batch_size=24, weight_decay=0.01, warmup=0.0, clip_norm=0.0)
FREE = "head.parametrizations.weight.original"


def watch(monkeypatch: pytest.MonkeyPatch) -> list[tuple[frozenset[str], dict[str, torch.Tensor]]]:
    """What trains, and all weights, at the start of each training."""
    seen: list[tuple[frozenset[str], dict[str, torch.Tensor]]] = []
    original = AdaptModule.on_train_start

    def remember(self: AdaptModule) -> None:
        named = dict(self.classifier.named_parameters())
        trains = frozenset(name for name, p in named.items() if p.requires_grad)
        seen.append((trains, weights(self.classifier)))
        original(self)

    monkeypatch.setattr(AdaptModule, "on_train_start", remember)
    return seen


@pytest.mark.parametrize("encoder", ["both", "image"])
def test_what_trains_in_each_stage(
    encoder: str,
    start: Classifier,
    toy_data: ImageData,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = watch(monkeypatch)
    before = weights(start)
    tuned = TwoStage(encoder=encoder, steps_per_shot=0, optim=SHORT).fit(start, toy_data, context)
    (first, _), (second, between) = seen
    norms = {
        name
        for name in norm_parameters(start)
        if encoder == "both" or name.startswith("backbone.model.visual.")
    }
    assert first == norms
    assert second == {FREE}
    assert bit_equal(before, weights(start))
    after = weights(tuned)
    assert after.keys() == before.keys(), "no trace of how the directions were held"
    for name in before:
        if name.startswith("backbone."):
            assert torch.equal(between[name], after[name]), (
                "encoders are frozen in the second stage"
            )
            assert torch.equal(before[name], after[name]) is (name not in norms), name


@pytest.mark.numerical
def test_the_head_starts_from_the_tuned_text_encoder_and_keeps_its_length(
    start: Classifier, toy_data: ImageData, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = watch(monkeypatch)
    tuned = TwoStage(steps_per_shot=0, optim=SHORT).fit(start, toy_data, context)
    text = tuned.clone().rebuild_head().head.weight.detach()
    assert (text - start.head.weight).abs().max() > 1e-4, "the text encoder moved"
    torch.testing.assert_close(seen[1][1][FREE], F.normalize(text, dim=1))
    head = tuned.head.weight.detach()
    torch.testing.assert_close(head.norm(dim=1), text.norm(dim=1))
    assert (head - text).abs().max() > 1e-2
    assert not tuned.head.bias.any()
    assert not tuned.head_from_text


@pytest.mark.numerical
def test_directions_equal_adamw_by_hand(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    """Full batches without augmentation: unit directions, the rate falling along a cosine."""
    optim = replace(SHORT, epochs=4)
    trained = train_directions(start, toy_data, optim, context)
    own = start.backbone.preprocessing
    pixels = torch.stack([own(toy_data.train.open(i)) for i in range(len(toy_data.train))])
    with torch.no_grad():
        features = start.features(pixels).double()
    targets = torch.from_numpy(toy_data.train.targets(start.class_names))
    scale = float(start.head.weight.detach().norm(dim=1)[0])
    free = F.normalize(start.head.weight.detach().double(), dim=1).requires_grad_(True)
    first, second = torch.zeros_like(free), torch.zeros_like(free)
    for step in range(4):
        loss = F.cross_entropy(scale * features @ F.normalize(free, dim=1).T, targets)
        (gradient,) = torch.autograd.grad(loss, free)
        rate = 5e-3 * (1 + torch.cos(torch.tensor(torch.pi * step / 4))) / 2
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        unbiased = (second / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8
        move = rate * first / (1 - 0.9 ** (step + 1)) / unbiased
        free = (free * (1 - rate * 0.01) - move).detach().requires_grad_(True)
    expected = (scale * F.normalize(free, dim=1)).float().detach()
    torch.testing.assert_close(trained.head.weight.detach(), expected, atol=1e-3, rtol=1e-3)
    assert (expected - start.head.weight.detach()).abs().max() > 0.1
    assert cross_entropy(trained, toy_data.train) < cross_entropy(start, toy_data.train)


@pytest.mark.parametrize(("share", "epochs", "expected"), [
    (0.6, 10, (6, 4)), (0.5, 1, (1, 1)), (0.9, 2, (2, 1)), (0.1, 3, (1, 2)),
])  # fmt: skip
def test_epochs_are_shared_out(
    share: float, epochs: int, expected: tuple[int, int], toy_data: ImageData
) -> None:
    method = TwoStage(share=share, steps_per_shot=0, optim=replace(SHORT, epochs=epochs))
    assert tuple(stage.epochs for stage in method.stages(toy_data)) == expected


def test_steps_of_the_paper(toy_data: ImageData) -> None:
    """300 for each of 8 shots, 24 images in batches of 12: 1200 epochs."""
    stages = TwoStage(optim=replace(SHORT, batch_size=12)).stages(toy_data)
    assert [stage.epochs for stage in stages] == [720, 480]
    optim = TwoStage().optim
    assert (optim.lr, optim.batch_size, optim.weight_decay) == (2e-4, 32, 0.01)


def test_a_run_goes_on_where_it_ended(
    start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    method = TwoStage(steps_per_shot=0, optim=SHORT)
    own = replace(context, folder=tmp_path)
    first = method.fit(start, toy_data, own)
    assert (tmp_path / "norms" / "checkpoints" / "last.ckpt").is_file()
    again = method.fit(tiny_classifier(), toy_data, replace(own, resume=True))
    assert bit_equal(weights(first), weights(again))


@pytest.mark.parametrize(
    ("name", "value"),
    [("share", 0.0), ("share", 1.0), ("encoder", "all"), ("steps_per_shot", -1)],
)
def test_ranges(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} - (out of range|not known) - {value!r} - "):
        TwoStage(**{name: value})
