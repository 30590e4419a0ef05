"""A cache of the Hugging Face hub with tiny repositories, as downloads leave it."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import huggingface_hub
import open_clip
import pytest
import torch
from safetensors.torch import save
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from tests.helpers.tiny import TEXT

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
LETTERS = [chr(code) for code in range(32, 127)]
ROBERTA = {
    "model_type": "roberta",
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "vocab_size": len(SPECIAL) + len(LETTERS),
    "max_position_embeddings": 40,
    "bos_token_id": 0,
    "pad_token_id": 1,
    "eos_token_id": 2,
    "id2label": {"0": "a", "1": "b"},
    "_name_or_path": "/home/somebody/roberta",
}
MT5 = {
    "model_type": "mt5",
    "d_model": 16,
    "d_kv": 8,
    "d_ff": 24,
    "num_layers": 1,
    "num_decoder_layers": 1,
    "num_heads": 2,
    "vocab_size": len(SPECIAL) + len(LETTERS),
    "pad_token_id": 1,
    "eos_token_id": 2,
}
VISION = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8}
OWN_TEXT = {
    "context_length": 12,
    "vocab_size": len(SPECIAL) + len(LETTERS),
    "hf_tokenizer_name": "org/letters",
    "tokenizer_kwargs": {"clean": "canonicalize"},
    "width": 16,
    "heads": 2,
    "layers": 1,
    "no_causal_mask": True,
    "proj_bias": True,
    "pool_type": "last",
    "norm_kwargs": {"eps": 1e-6},
}
FAMILIES: dict[str, dict[str, Any]] = {
    "coca": {
        "embed_dim": 24,
        "custom_text": True,
        "vision_cfg": {
            **VISION,
            "attentional_pool": True,
            "attn_pooler_heads": 2,
            "attn_pooler_queries": 4,
            "output_tokens": True,
        },
        "text_cfg": {**TEXT, "embed_cls": True, "output_tokens": True},
        "multimodal_cfg": {
            "context_length": 16,
            "vocab_size": 49408,
            "width": 24,
            "heads": 2,
            "layers": 1,
            "attn_pooler_heads": 2,
        },
    },
    "siglip": {
        "embed_dim": 64,
        "custom_text": True,
        "init_logit_bias": -10,
        "vision_cfg": {
            "image_size": 160,
            "timm_model_name": "test_vit",
            "timm_model_pretrained": False,
            "timm_pool": "map",
            "timm_proj": "none",
        },
        "text_cfg": OWN_TEXT,
    },
    "roberta": {
        "embed_dim": 24,
        "vision_cfg": VISION,
        "text_cfg": {
            "context_length": 14,
            "hf_model_name": "org/letters-roberta",
            "hf_tokenizer_name": "org/letters",
            "hf_proj_type": "mlp",
            "hf_pooler_type": "mean_pooler",
            "tokenizer_kwargs": {"strip_sep_token": True},
        },
    },
    "mt5": {
        "embed_dim": 24,
        "vision_cfg": VISION,
        "text_cfg": {
            "hf_model_name": "org/letters-mt5",
            "hf_tokenizer_name": "org/letters",
            "hf_proj_type": "linear",
            "hf_pooler_type": "mean_pooler",
        },
    },
    "convnext": {
        "embed_dim": 24,
        "vision_cfg": {
            "image_size": 64,
            "timm_model_name": "test_convnext",
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "linear",
            "timm_drop": 0.0,
            "timm_drop_path": 0.1,
        },
        "text_cfg": TEXT,
    },
    "resnet": {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
        "text_cfg": {**TEXT, "context_length": 9},
    },
    "custom": {
        "embed_dim": 24,
        "quick_gelu": True,
        "vision_cfg": {**VISION, "image_size": 40, "ls_init_value": 1e-4, "pool_type": "avg"},
        "text_cfg": {**TEXT, "context_length": 31, "tokenizer_kwargs": {"clean": "whitespace"}},
    },
}
"""One tiny CLIP of each kind that open_clip can build and we can train."""
PREPROCESSING = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "interpolation": "bilinear"}


def use_hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process know of this cache alone, and of no network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def add_repository(cache: Path, name: str, files: Mapping[str, bytes]) -> Path:
    """The snapshot folder of a repository: links into `blobs`, and `refs/main`."""
    root = cache / f"models--{name.replace('/', '--')}"
    revision = hashlib.sha1(name.encode()).hexdigest()
    snapshot = root / "snapshots" / revision
    for folder in (root / "blobs", root / "refs", snapshot):
        folder.mkdir(parents=True, exist_ok=True)
    (root / "refs" / "main").write_text(revision)
    for path, content in files.items():
        blob = root / "blobs" / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        (snapshot / path).symlink_to(os.path.relpath(blob, snapshot))
    return snapshot


def letter_tokenizer(folder: Path) -> dict[str, bytes]:
    """The files of a tokenizer of single letters."""
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *LETTERS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    own = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
    )
    own.save_pretrained(folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return {"config.json": b'{"model_type": "roberta"}', **files}


def fill_hub(cache: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put every family, and what their configs look up, into a cache."""
    use_hub(cache, monkeypatch)
    add_repository(cache, "org/letters", letter_tokenizer(scratch / "letters"))
    for name, settings in (("roberta", ROBERTA), ("mt5", MT5)):
        files = {"config.json": json.dumps(settings).encode()}
        add_repository(cache, f"org/letters-{name}", files)
    for name, config in FAMILIES.items():
        add_family(cache, name, config)


def add_family(cache: Path, name: str, config: dict[str, Any], **changes: bytes) -> Path:
    """A repository `org/NAME` with config and random weights; returns its snapshot folder."""
    content = json.dumps({"model_cfg": config, "preprocess_cfg": PREPROCESSING}).encode()
    snapshot = add_repository(cache, f"org/{name}", {"open_clip_config.json": content})
    model = open_clip.create_model(f"local-dir:{snapshot}", pretrained_text=False)
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if parameter_name.endswith("text_projection"):
                parameter.normal_(std=0.1)  # that of a CoCa is left as the memory was
    files = {"open_clip_model.safetensors": save(model.state_dict(), {"format": "pt"})}
    return add_repository(cache, f"org/{name}", files | changes)
