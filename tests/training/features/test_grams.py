"""Gram matrices against hooks on separate linear layers, and against attention written out."""

import copy
import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from torch import Tensor, nn

from adapt.data.image_data import ImageData
from adapt.models.adapters.attention import split_attention
from adapt.models.classifier import Classifier
from adapt.models.penultimate import before_projection
from adapt.training.features.grams import LinearPart, input_grams
from adapt.training.features.pixels import Pixels, prepare
from adapt.training.settings import Runtime
from tests.helpers.tiny import CONFIGS, RESNET, TIMM, VIT, moved, tiny_classifier, weights

RUNTIME = Runtime(accelerator="cpu", workers="0", batch_size=5)
VISUAL = "backbone.model.visual."


def gram(values: Tensor) -> np.ndarray:
    flat = values.detach().double().reshape(-1, values.shape[-1]).numpy()
    return np.asarray(flat.T @ flat / len(flat))


def hooked(module: nn.Module) -> tuple[dict[str, list[Tensor]], dict[str, nn.Linear]]:
    """What each linear layer below gets, filled when it is called."""
    layers = {name: m for name, m in module.named_modules() if isinstance(m, nn.Linear)}
    seen: dict[str, list[Tensor]] = {name: [] for name in layers}

    def keep(name: str) -> object:
        return lambda _, given: seen[name].append(given[0].reshape(-1, given[0].shape[-1]))

    for name, layer in layers.items():
        layer.register_forward_pre_hook(keep(name))
    return seen, layers


def images_of(classifier: Classifier, data: ImageData) -> tuple[Pixels, Tensor]:
    pixels = prepare(data.train.subset(range(0, 24, 3)), classifier.backbone.preprocessing)
    return pixels, next(pixels.batches(len(pixels), torch.device("cpu")))


def assert_same(given: Tensor, expected: np.ndarray) -> None:
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("arch", [VIT, TIMM])
def test_all_layers_of_a_transformer(arch: str, toy_data: ImageData) -> None:
    """Also query, key and value, which lie in one matrix, and the output layer of attention."""
    classifier = moved(tiny_classifier(arch), 1)
    pixels, images = images_of(classifier, toy_data)
    given = input_grams(classifier, pixels, weights(classifier), RUNTIME)
    found = {part.name: (part, matrix) for part, matrix in given.items()}
    assert len(found) == len(given)

    apart = copy.deepcopy(classifier)
    origins = split_attention(apart.backbone.image_encoder)
    seen, layers = hooked(apart.backbone.image_encoder)
    with torch.no_grad():
        features = apart.features(images)
    names = set()
    for name in layers:
        original = f"{VISUAL}{origins[name].name if name in origins else name + '.weight'}"
        names.add(original)
        part, matrix = found[original]
        assert part.output_first
        assert (part.start, part.stop) == (0, len(weights(classifier)[original]))
        assert_same(matrix, gram(torch.cat(seen[name])))
    assert_same(found["head.weight"][1], gram(features))
    if arch == VIT:
        with torch.no_grad():
            pooled = before_projection(classifier.backbone.image_encoder, images)
        assert not found[f"{VISUAL}proj"][0].output_first
        assert_same(found[f"{VISUAL}proj"][1], gram(pooled))
        names.add(f"{VISUAL}proj")
    assert found.keys() == {*names, "head.weight"}


@torch.no_grad()
def test_the_pooling_of_a_resnet(toy_data: ImageData) -> None:
    """Its layers are not called: a function reads their weights."""
    classifier = moved(tiny_classifier(RESNET), 1)
    pixels, images = images_of(classifier, toy_data)
    pool = classifier.backbone.image_encoder.attnpool
    maps: list[Tensor] = []
    pool.register_forward_pre_hook(lambda _, given: maps.append(given[0]))
    classifier.features(images)
    tokens = maps[0].flatten(2).transpose(1, 2)
    tokens = torch.cat([tokens.mean(1, keepdim=True), tokens], 1) + pool.positional_embedding
    q, k, v = (
        layer(tokens).unflatten(-1, (pool.num_heads, -1)).transpose(1, 2)
        for layer in (pool.q_proj, pool.k_proj, pool.v_proj)
    )
    scores = torch.softmax(q @ k.transpose(2, 3) / q.shape[-1] ** 0.5, dim=-1)
    inside = (scores @ v).transpose(1, 2).flatten(2)
    maps.clear()
    given = input_grams(classifier, pixels, weights(classifier), RUNTIME)
    found = {part.name: matrix for part, matrix in given.items()}
    for part in "qkv":
        assert_same(found[f"{VISUAL}attnpool.{part}_proj.weight"], gram(tokens))
    assert_same(found[f"{VISUAL}attnpool.c_proj.weight"], gram(inside))
    assert len(found) == 5  # and the head


@torch.no_grad()
def test_queries_of_their_own(toy_data: ImageData, tmp_path: Path) -> None:
    """Where learned queries look at tokens, rows of the packed matrix get other inputs."""
    vision = {"attentional_pool": True, "attn_pooler_queries": 4, "attn_pooler_heads": 2}
    config = copy.deepcopy(CONFIGS[VIT])
    config["embed_dim"] = 32
    config["vision_cfg"] |= vision
    (tmp_path / "test-tiny-pooled.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path)
    classifier = moved(tiny_classifier("test-tiny-pooled"), 1)
    pixels, images = images_of(classifier, toy_data)
    encoder, calls = classifier.backbone.image_encoder, []
    encoder.attn_pool.attn.register_forward_pre_hook(lambda _, given: calls.append(given))
    classifier.features(images)
    query, key, value = calls[0]
    name = f"{VISUAL}attn_pool.attn.in_proj_weight"
    given = input_grams(classifier, pixels, [name], RUNTIME)
    rows = len(weights(classifier)[name]) // 3
    assert set(given) == {LinearPart(name, True, n * rows, (n + 1) * rows) for n in range(3)}
    for number, inputs in enumerate((query, key, value)):
        part = LinearPart(name, True, number * rows, (number + 1) * rows)
        assert_same(given[part], gram(inputs))


@torch.no_grad()
def test_the_text_encoder_reads_the_prompts(toy_data: ImageData) -> None:
    """If the head comes from text; and only what is asked for is measured."""
    classifier = moved(tiny_classifier(VIT), 1, learned=False)
    pixels, _ = images_of(classifier, toy_data)
    text = [n for n in weights(classifier) if "model.transformer" in n or "text_proj" in n]
    given = input_grams(classifier, pixels, text, RUNTIME)
    apart = copy.deepcopy(classifier)
    origins = split_attention(apart.backbone.model.transformer)
    seen, layers = hooked(apart.backbone.model.transformer)
    prompts = [prompt for own in apart.prompts for prompt in own]
    apart.backbone.encode_text(prompts)
    found = {part.name: matrix for part, matrix in given.items()}
    for name in layers:
        own = origins[name].name if name in origins else f"{name}.weight"
        assert_same(found[f"backbone.model.transformer.{own}"], gram(torch.cat(seen[name])))
    projection = "backbone.model.text_projection"
    assert projection in found
    assert len(found) == 4 * len(classifier.backbone.model.transformer.resblocks) + 1
    learned = moved(classifier, 1)
    assert input_grams(learned, pixels, text, RUNTIME) == {}
    assert input_grams(learned, pixels, [], RUNTIME) == {}


def test_a_head_with_a_cache(start: Classifier, toy_data: ImageData) -> None:
    """Its linear part is a transposed weight times features."""
    from adapt.models.cache_head import CacheHead

    head, generator = start.head, torch.Generator().manual_seed(0)
    keys = torch.nn.functional.normalize(torch.randn(6, 24, generator=generator), dim=-1)
    cached = CacheHead(head.weight.detach(), head.bias.detach(), keys, torch.ones(6, 3), 2.0)
    classifier = start.with_learned_head(cached)
    pixels, images = images_of(classifier, toy_data)
    given = input_grams(classifier, pixels, [*weights(classifier)], RUNTIME)
    found = {part.name: (part, matrix) for part, matrix in given.items()}
    with torch.no_grad():
        features = classifier.features(images)
        votes = cached.votes(features)
    assert_same(found["head.weight"][1], gram(features))
    assert_same(found["head.keys"][1], gram(features))
    assert_same(found["head.values"][1], gram(votes))
    assert [found[f"head.{n}"][0].output_first for n in ("weight", "keys", "values")] == [
        True,
        True,
        False,
    ]
