"""open_clip's CLIP as the `CLIPModel` of transformers: the same weights under other names."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from adapt.errors import ModelError

VISION = {"image_size": 224, "layers": 12, "width": 768, "head_width": 64, "patch_size": 16}
"""What open_clip takes where a config does not say."""
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12}
RATIO = "mlp_ratio"
TOP = {"embed_dim", "vision_cfg", "text_cfg", "quick_gelu"}
ADVICE = "use the format onnx, torch or lean"
PARTS = ("q_proj", "k_proj", "v_proj")
KINDS = "weight|bias|in_proj_weight|in_proj_bias"
BLOCK = re.compile(rf"(visual\.)?transformer\.resblocks\.(\d+)\.(.+)\.({KINDS})")
LAYERS = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
OTHERS = {
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "logit_scale": "logit_scale",
}
TURNED = {"visual.proj": "visual_projection.weight", "text_projection": "text_projection.weight"}
"""Matrices that open_clip multiplies from the other side."""


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """What `transformers.CLIPConfig` takes for a config of open_clip.

    Raises:
        ModelError: When `CLIPModel` has no such architecture.
    """
    vision, text = {**VISION, **config["vision_cfg"]}, {**TEXT, **config["text_cfg"]}
    strange = {*config} - TOP | {*vision} - {*VISION, RATIO} | {*text} - {*TEXT, RATIO}
    if strange or not isinstance(vision["layers"], int):
        what = ", ".join(sorted(map(str, strange))) or "a ResNet"
        raise ModelError(f"CLIPModel of transformers - no such architecture - {what} - {ADVICE}")
    act = "quick_gelu" if config.get("quick_gelu") else "gelu"
    return {
        "projection_dim": config["embed_dim"],
        "vision_config": {
            **_block(vision, vision["width"] // vision["head_width"], act),
            "image_size": vision["image_size"],
            "patch_size": vision["patch_size"],
        },
        "text_config": {
            **_block(text, text["heads"], act),
            "vocab_size": text["vocab_size"],
            "max_position_embeddings": text["context_length"],
            # Of CLIP's own tokenizer.
            "bos_token_id": 49406,
            "eos_token_id": 49407,
        },
    }


def _block(own: Mapping[str, Any], heads: int, act: str) -> dict[str, Any]:
    return {
        "hidden_size": own["width"],
        "intermediate_size": int(own["width"] * own.get(RATIO, 4.0)),
        "num_hidden_layers": own["layers"],
        "num_attention_heads": heads,
        "hidden_act": act,
    }


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of open_clip under the names of `CLIPModel`.

    Raises:
        ModelError: When it has a tensor that `CLIPModel` has not.
    """
    own: dict[str, Tensor] = {}
    for name, value in state.items():
        if name in OTHERS:
            own[OTHERS[name]] = value
        elif name in TURNED:
            own[TURNED[name]] = value.T
        else:
            parts = place(name)
            rows = value.chunk(len(parts))
            own |= dict(zip(parts, rows, strict=True))
    return own


def place(name: str) -> list[str]:
    """Where a tensor of a block is in `CLIPModel`: three places where attention is packed.

    Raises:
        ModelError: When it is nowhere.

    >>> place("visual.transformer.resblocks.3.mlp.c_fc.weight")
    ['vision_model.encoder.layers.3.mlp.fc1.weight']
    """
    match = BLOCK.fullmatch(name)
    if match is not None:
        visual, block, layer, kind = match.groups()
        own = f"{'vision' if visual else 'text'}_model.encoder.layers.{block}"
        if layer in LAYERS:
            return [f"{own}.{LAYERS[layer]}.{kind}"]
        if layer == "attn" and kind.startswith("in_proj_"):
            ending = kind.removeprefix("in_proj_")
            return [f"{own}.self_attn.{part}.{ending}" for part in PARTS]
    raise ModelError(f"CLIPModel of transformers - no such tensor - {name} - {ADVICE}")
