"""Texts are encoded without the positions that no feature depends on."""

import open_clip
import pytest
import torch
import torch.nn.functional as F

from adapt.models.backbones import load_backbone
from adapt.models.text_encoding import encode_tokens

TEXTS = ["a cat", "a photo of a very small and rather old dog in the snow", "x", ""]
KINDS = ["adapt-icons-xs", "ViT-B-32"]


@pytest.mark.parametrize("arch", KINDS)
@torch.inference_mode()
def test_features_are_those_of_the_whole_context(arch: str) -> None:
    model = open_clip.create_model(arch, load_weights=False).eval()
    tokens = open_clip.tokenize(TEXTS, model.context_length)
    short, whole = encode_tokens(model, tokens), model.encode_text(tokens)
    torch.testing.assert_close(F.normalize(short), F.normalize(whole), atol=5e-7, rtol=0)


def test_only_the_positions_up_to_the_last_end_are_computed() -> None:
    model = load_backbone("adapt-icons-xs", "embedded").model
    lengths: list[int] = []
    model.ln_final.register_forward_pre_hook(lambda _, given: lengths.append(given[0].shape[1]))
    tokens = open_clip.tokenize(["a cat", "a small dog"], model.context_length)
    encode_tokens(model, tokens)
    assert lengths == [5]  # start, three words, end


def test_a_pool_by_the_end_token_and_a_full_context() -> None:
    model = open_clip.create_model("adapt-icons-xs", load_weights=False).eval()
    tokens = open_clip.tokenize(["a cat " * 200, "a dog"], model.context_length)
    by_argmax = encode_tokens(model, tokens)
    model.text_pool_type, model.text_eos_id = "eos", int(tokens.max())
    assert torch.equal(encode_tokens(model, tokens), by_argmax)
    torch.testing.assert_close(by_argmax, model.encode_text(tokens), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("change", ["no mask", "last", "sees behind"])
def test_encoders_that_see_the_whole_context_are_left_alone(change: str) -> None:
    model = open_clip.create_model("adapt-icons-xs", load_weights=False).eval()
    if change == "no mask":
        model.attn_mask = None
    elif change == "last":
        model.text_pool_type = "last"
    else:
        model.attn_mask = torch.zeros_like(model.attn_mask)
    tokens = open_clip.tokenize(["a cat", "a dog"], model.context_length)
    assert torch.equal(encode_tokens(model, tokens), model.encode_text(tokens))


def test_gradients_reach_the_text_encoder() -> None:
    model = open_clip.create_model("adapt-icons-xs", load_weights=False).eval()
    tokens = open_clip.tokenize(["a cat", "a dog"], model.context_length)
    encode_tokens(model, tokens).square().sum().backward()
    short = model.positional_embedding.grad.clone()
    model.zero_grad()
    model.encode_text(tokens).square().sum().backward()
    whole = model.positional_embedding.grad
    torch.testing.assert_close(short, whole, atol=1e-5 * float(whole.abs().max()), rtol=0)
