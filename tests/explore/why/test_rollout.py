"""Attention rollout against the weights that PyTorch's attention returns."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from timm.layers import AttentionPoolLatent

from adapt.errors import ModelError
from adapt.explore.why.grad_cam import grad_cam
from adapt.explore.why.rollout import attention_rollout
from adapt.explore.why.sanity import Map, randomisation_test
from adapt.models.classifier import Classifier
from adapt.models.heads import linear_head
from adapt.models.towers.timm_tower import load_tower
from tests.helpers.tiny import RESNET, TIMM, VIT, tiny_classifier


def test_equals_the_weights_of_pytorch() -> None:
    classifier = tiny_classifier(VIT)
    encoder = classifier.backbone.image_encoder
    pixels = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    hidden = encoder._embeds(pixels)
    flow = np.eye(17)
    with torch.no_grad():
        for block in encoder.transformer.resblocks:
            normed = block.ln_1(hidden)
            _, heads = block.attn(
                normed, normed, normed, need_weights=True, average_attn_weights=False
            )
            flow = 0.5 * (heads[0].mean(0).double().numpy() + np.eye(17)) @ flow
            hidden = block(hidden)
    assert attention_rollout(classifier, pixels) == pytest.approx(
        flow[0, 1:].reshape(4, 4), rel=1e-4
    )


def test_all_that_reaches_the_feature_is_one() -> None:
    classifier = tiny_classifier(VIT, seed=3)
    drawn = attention_rollout(classifier, torch.zeros(1, 3, 32, 32))
    assert drawn.min() >= 0
    assert 0 < drawn.sum() < 1  # the rest comes from the class token itself


def of_timm(arch: str, size: int, seed: int = 0) -> Classifier:
    """A classifier with an image encoder of timm, of random weights."""
    backbone = load_tower(arch, "random", seed, image_size=size)
    head = linear_head(torch.eye(3, backbone.width))
    return Classifier(backbone, head, ["a", "b", "c"], [["a"], ["b"], ["c"]])


def noise(classifier: Classifier, seed: int = 0) -> torch.Tensor:
    """An image of random numbers."""
    side = classifier.backbone.preprocessing.size
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(seed))


def by_hand(trunk: Any, pixels: torch.Tensor) -> tuple[np.ndarray, torch.Tensor]:
    """The flow through timm's blocks, from q and k, and what the last of them gives."""
    hidden = trunk.norm_pre(trunk._pos_embed(trunk.patch_embed(pixels)))
    flow = np.eye(hidden.shape[1])
    for block in trunk.blocks:
        own, normed = block.attn, block.norm1(hidden)
        q, k, _ = own.qkv(normed)[0].unflatten(-1, (3, own.num_heads, -1)).unbind(1)
        q, k = own.q_norm(q.transpose(0, 1)), own.k_norm(k.transpose(0, 1))
        weights = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]), -1).mean(0)
        flow = 0.5 * (weights.double().numpy() + np.eye(len(flow))) @ flow
        hidden = block(hidden)
    return flow, trunk.norm(hidden)


@pytest.mark.numerical
def test_a_transformer_of_timm() -> None:
    classifier = tiny_classifier(TIMM)
    trunk: Any = classifier.backbone.image_encoder.trunk
    pixels = noise(classifier)
    before = classifier(pixels)
    with torch.no_grad():
        flow, _ = by_hand(trunk, pixels)
    side, first = trunk.patch_embed.grid_size[0], trunk.num_prefix_tokens
    wanted = flow[0, first:].reshape(side, side)
    assert trunk.global_pool == "token"
    assert attention_rollout(classifier, pixels) == pytest.approx(wanted, rel=1e-4)
    trunk.global_pool = "avg"
    wanted = flow[first:, first:].mean(0).reshape(side, side)
    assert attention_rollout(classifier, pixels) == pytest.approx(wanted, rel=1e-4)
    trunk.global_pool = "max"
    with pytest.raises(ModelError, match="pools by max"):
        attention_rollout(classifier, pixels)
    trunk.global_pool = "token"
    assert torch.equal(classifier(pixels), before), "nothing is left behind"


@pytest.mark.numerical
def test_attention_pooling_of_timm() -> None:
    classifier = tiny_classifier(TIMM)
    trunk: Any = classifier.backbone.image_encoder.trunk
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk.attn_pool = AttentionPoolLatent(trunk.embed_dim, num_heads=4)
    pixels = noise(classifier, 1)
    seen: list[torch.Tensor] = []
    with torch.no_grad():
        flow, last = by_hand(trunk, pixels)
        pool, first = trunk.attn_pool, 0 if trunk.pool_include_prefix else trunk.num_prefix_tokens
        # the weights are what the pooling does to values that are the identity
        heads, count = pool.num_heads, last.shape[1] - first
        q = pool.q_norm(pool.q(pool.latent).unflatten(-1, (heads, -1)).transpose(1, 2))
        k = pool.kv(last[:, first:]).unflatten(-1, (2, heads, -1))[:, :, 0].transpose(1, 2)
        eye = torch.eye(count).expand(1, heads, -1, -1)
        seen.append(torch.nn.functional.scaled_dot_product_attention(q, pool.k_norm(k), eye))
    weights = np.zeros(len(flow))
    weights[first:] = seen[0].mean(1)[0, 0].double().numpy()
    side = trunk.patch_embed.grid_size[0]
    wanted = (weights @ flow)[len(flow) - side * side :].reshape(side, side)
    assert attention_rollout(classifier, pixels) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("kind", ["transformer", "convolutions"])
def test_maps_of_timm_depend_on_the_weights(kind: str) -> None:
    classifier = tiny_classifier(TIMM) if kind == "transformer" else of_timm("timm/test_resnet", 64)
    pixels = noise(classifier)
    maps: dict[str, Map] = {
        "cam": lambda model: grad_cam(model, pixels, lambda logits: logits[:, 0] - logits[:, 1])
    }
    if kind == "transformer":
        maps["rollout"] = lambda model: attention_rollout(model, pixels)
    for name, own in maps.items():
        alike = randomisation_test(classifier, own)
        assert alike is None or alike < 0.9, name


def test_attention_over_channels_is_refused() -> None:
    classifier = of_timm("timm/xcit_nano_12_p16_224", 224)
    with pytest.raises(ModelError, match="do not attend to the tokens"):
        attention_rollout(classifier, noise(classifier))


def test_others_are_refused() -> None:
    with pytest.raises(ModelError, match="not a transformer of open_clip or timm"):
        attention_rollout(tiny_classifier(RESNET), torch.zeros(1, 3, 32, 32))
    with pytest.raises(ModelError, match="not a transformer of open_clip or timm"):
        attention_rollout(of_timm("timm/test_resnet", 64), torch.zeros(1, 3, 64, 64))
