"""Split attention computes what the packed one computes, in float64 to 1e-12."""

from typing import Any

import pytest
import torch
from open_clip.transformer import Attention, AttentionalPooler, CustomResidualAttentionBlock
from timm.layers import RmsNorm
from timm.models.vision_transformer import Attention as TimmAttention
from torch import Tensor, nn

from adapt.errors import ModelError
from adapt.models.adapters.attention import Origin, split_attention
from tests.helpers.tiny import RESNET, TIMM, VIT, tiny_classifier

pytestmark = pytest.mark.numerical

B, L, C, HEADS = 3, 5, 8, 2


@pytest.fixture(autouse=True)
def double() -> Any:
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def tokens(length: int = L) -> Tensor:
    return torch.randn(B, length, C)


def masks() -> dict[str, Tensor | None]:
    upper = torch.ones(L, L).triu(1).bool()
    return {
        "none": None,
        "additive": torch.zeros(L, L).masked_fill(upper, float("-inf")),
        "bool": upper,
        "soft": torch.randn(L, L),
        "each head": torch.randn(B * HEADS, L, L),
        "each head bool": (torch.rand(B * HEADS, L, L) < 0.3) & ~torch.eye(L).bool(),
    }


def randomise(module: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.5)
    return module


@pytest.mark.parametrize("mask", list(masks()))
@pytest.mark.parametrize("bias", [True, False])
def test_multihead_attention(mask: str, bias: bool) -> None:
    attention = randomise(nn.MultiheadAttention(C, HEADS, bias=bias, batch_first=True))
    root = nn.ModuleDict({"attn": attention})
    x, given = tokens(), masks()[mask]
    with torch.no_grad():
        before = attention(x, x, x, need_weights=False, attn_mask=given)[0]
        origins = split_attention(root, "visual.")
        after, none = root["attn"](x, x, x, need_weights=False, attn_mask=given)
    assert none is None
    torch.testing.assert_close(after, before, atol=1e-12, rtol=1e-12)
    assert origins == {
        "attn.q": Origin("visual.attn.in_proj_weight", 0, C),
        "attn.k": Origin("visual.attn.in_proj_weight", C, 2 * C),
        "attn.v": Origin("visual.attn.in_proj_weight", 2 * C, 3 * C),
        "attn.o": Origin("visual.attn.out_proj.weight", 0, C),
    }
    weight = attention.in_proj_weight
    for part in ("q", "k", "v"):
        rows = origins[f"attn.{part}"]
        assert torch.equal(root["attn"].get_submodule(part).weight, weight[rows.start : rows.stop])


def test_cross_attention() -> None:
    attention = randomise(nn.MultiheadAttention(C, HEADS, batch_first=True))
    root = nn.ModuleDict({"attn": attention})
    query, key, value = tokens(2), tokens(), tokens()
    with torch.no_grad():
        before = attention(query, key, value)[0]
        split_attention(root)
        torch.testing.assert_close(root["attn"](query, key, value)[0], before, atol=1e-12, rtol=0)


@pytest.mark.parametrize("mask", list(masks()))
def test_attention_of_open_clip(mask: str) -> None:
    attention = randomise(Attention(C, HEADS, qkv_bias=mask != "none"))
    root = nn.ModuleDict({"attn": attention})
    x, given = tokens(), masks()[mask]
    with torch.no_grad():
        before = attention(x, attn_mask=given)
        origins = split_attention(root)
        after = root["attn"](x, attn_mask=given)
    torch.testing.assert_close(after, before, atol=1e-12, rtol=1e-12)
    assert origins["attn.o"] == Origin("attn.out_proj.weight", 0, C)


def test_block_of_open_clip() -> None:
    block = randomise(CustomResidualAttentionBlock(C, HEADS)).eval()
    x, mask = tokens(), masks()["additive"]
    with torch.no_grad():
        before = block(x, attn_mask=mask)
        assert len(split_attention(block)) == 4
        torch.testing.assert_close(block(x, attn_mask=mask), before, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("qk_norm", [False, True])
@pytest.mark.parametrize("bias", [True, False])
def test_fused_layer_of_timm(bias: bool, qk_norm: bool) -> None:
    norm = RmsNorm if qk_norm else nn.LayerNorm
    attention = TimmAttention(C, HEADS, qkv_bias=bias, qk_norm=qk_norm, norm_layer=norm)
    root = nn.ModuleDict({"attn": randomise(attention)}).eval()
    x = tokens()
    with torch.no_grad():
        before = root["attn"](x)
        origins = split_attention(root, "visual.trunk.")
        torch.testing.assert_close(root["attn"](x), before, atol=1e-12, rtol=1e-12)
    assert origins == {
        "attn.qkv.q": Origin("visual.trunk.attn.qkv.weight", 0, C),
        "attn.qkv.k": Origin("visual.trunk.attn.qkv.weight", C, 2 * C),
        "attn.qkv.v": Origin("visual.trunk.attn.qkv.weight", 2 * C, 3 * C),
    }


@pytest.mark.parametrize("arch", [VIT, TIMM])
def test_whole_model(arch: str) -> None:
    torch.set_default_dtype(torch.float32)
    backbone = tiny_classifier(arch).double().backbone
    side = backbone.preprocessing.size
    pixels = torch.randn(2, 3, side, side, dtype=torch.double)
    with torch.no_grad():
        before = backbone.encode_image(pixels), backbone.encode_text(["a cat", "two dogs"])
        count = len(split_attention(backbone.model))
        after = backbone.encode_image(pixels), backbone.encode_text(["a cat", "two dogs"])
    assert count == (2 * 4 + 2 * 4 if arch == VIT else 6 * 3 + 2 * 4)
    for left, right in zip(before, after, strict=True):
        torch.testing.assert_close(right, left, atol=1e-12, rtol=0)


def test_resnet_has_none_in_its_image_encoder() -> None:
    assert split_attention(tiny_classifier(RESNET).backbone.image_encoder) == {}


def test_mode_and_gradients_are_kept() -> None:
    attention = nn.ModuleDict({"attn": nn.MultiheadAttention(C, HEADS, batch_first=True)}).eval()
    split_attention(attention)
    assert not attention["attn"].q.training
    x = tokens().requires_grad_()
    attention["attn"](x, x, x)[0].sum().backward()
    assert all(p.grad is not None for p in attention.parameters())


def eva() -> nn.Module:
    attention = TimmAttention(C, HEADS)
    attention.q_bias = nn.Parameter(torch.zeros(C))
    return attention


REFUSED = {
    "extra key bias": lambda: nn.MultiheadAttention(C, HEADS, add_bias_kv=True, batch_first=True),
    "zero attention": lambda: nn.MultiheadAttention(C, HEADS, add_zero_attn=True, batch_first=True),
    "dropout": lambda: nn.MultiheadAttention(C, HEADS, dropout=0.1, batch_first=True),
    "sequence first": lambda: nn.MultiheadAttention(C, HEADS),
    "separate widths": lambda: AttentionalPooler(C, 6, HEADS, 4),
    "inner norms": lambda: Attention(C, HEADS, qk_norm=True),
    "head scale": lambda: Attention(C, HEADS, scale_heads=True),
    "scaled cosine": lambda: Attention(C, HEADS, scaled_cosine=True),
    "biases are separate": eva,
}


@pytest.mark.parametrize("why", list(REFUSED))
def test_other_arithmetic_is_refused(why: str) -> None:
    with pytest.raises(ModelError) as caught:
        split_attention(nn.ModuleDict({"attn": REFUSED[why]()}))
    assert why in str(caught.value)
    assert "use method full" in str(caught.value)


@pytest.mark.parametrize("options", [{"attn_drop": 0.1}, {"proj_drop": 0.1}, {"inner_norm": True}])
def test_other_arithmetic_of_open_clip_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="attention cannot be split"):
        split_attention(nn.ModuleDict({"attn": Attention(C, HEADS, **options)}))
