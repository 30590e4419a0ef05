"""Only what is listed can be built."""

import copy
from typing import Any

import pytest

from adapt.errors import ModelError
from adapt.models.architectures import (
    DEEPEST,
    check_config,
    check_text_model,
    text_model_folder,
    text_model_settings,
)
from adapt.models.backbones import architectures, model_config
from tests.helpers.hub import FAMILIES, ROBERTA
from tests.helpers.tiny import CONFIGS, VIT


def test_every_architecture_of_open_clip_is_listed_but_for_what_it_looks_up() -> None:
    for arch in architectures():
        config = model_config(arch)
        for name in ("hf_model_name", "hf_tokenizer_name"):
            config["text_cfg"].pop(name, None)
        check_config(config)
    assert len(architectures()) > 100


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("vision_cfg", "timm_model_name", "hf-hub:somebody/code"),
        ("vision_cfg", "timm_model_name", "local-dir:/tmp/x"),
        ("vision_cfg", "timm_model_name", "../../x"),
        ("vision_cfg", "timm_model_pretrained", True),
        ("vision_cfg", "layers", 10**6),
        ("vision_cfg", "layers", True),
        ("vision_cfg", "layers", [1, 1, 1]),
        ("vision_cfg", "mlp_ratio", float("nan")),
        ("vision_cfg", "image_size", "224"),
        ("vision_cfg", "act_kwargs", {"approximate": "exec"}),
        ("vision_cfg", "loader", "x"),
        ("text_cfg", "hf_model_name", "roberta-base"),
        ("text_cfg", "hf_tokenizer_name", "roberta-base"),
        ("text_cfg", "hf_model_pretrained", True),
        ("text_cfg", "tokenizer_kwargs", {"bpe_path": "/etc/passwd"}),
        ("text_cfg", "tokenizer_kwargs", {"reduction_mask": "syntax"}),
        ("text_cfg", "tokenizer_kwargs", {"trust_remote_code": True}),
        ("text_cfg", "tokenizer_mode", "clips"),
        ("text_cfg", "vocab_size", 0),
        (None, "embed_dim", 10**9),
        (None, "custom_text", 1),
        (None, "cast_dtype", "float16"),
        (None, "vision_cfg", []),
    ],
)
def test_what_is_not_listed(section: str | None, key: str, value: Any) -> None:
    config = copy.deepcopy(CONFIGS[VIT])
    (config[section] if section else config)[key] = value
    with pytest.raises(ModelError) as caught:
        check_config(config)
    assert f"model_cfg.{section}.{key}" in str(caught.value) or f"model_cfg.{key}" in str(
        caught.value
    )


@pytest.mark.parametrize("name", ["embed_dim", "vision_cfg", "text_cfg"])
def test_what_a_model_needs(name: str) -> None:
    config = {key: value for key, value in CONFIGS[VIT].items() if key != name}
    with pytest.raises(ModelError, match=f"{name} - missing"):
        check_config(config)


def test_settings_of_a_text_model() -> None:
    kept = text_model_settings(ROBERTA)
    assert set(ROBERTA) - set(kept) == {"id2label", "_name_or_path"}
    check_text_model(kept)
    with text_model_folder(None) as nothing, text_model_folder(kept) as folder:
        assert nothing is None
        assert folder is not None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model_type", "llama"),
        ("model_type", None),
        ("auto_map", {"AutoModel": "code.Model"}),
        ("quantization_config", "x"),
        ("hidden_act", "../../x"),
        ("hidden_size", 10**12),
        ("hidden_size", float("inf")),
        ("num_hidden_layers", DEEPEST + 1),
        ("vocab_size", {"a": 1}),
        ("Upper", 1),
    ],
)
def test_settings_that_are_refused(key: str, value: Any) -> None:
    with pytest.raises(ModelError, match=r"text_model\.json"):
        check_text_model({**text_model_settings(ROBERTA), key: value})


def test_each_tiny_family_is_listed() -> None:
    """But for the names that the loader replaces."""
    for config in FAMILIES.values():
        own = copy.deepcopy(config)
        for name in ("hf_model_name", "hf_tokenizer_name"):
            own["text_cfg"].pop(name, None)
        check_config(own)
