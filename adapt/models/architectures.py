"""What a model config may say: every key, and every value that a key may have.

A config comes with a bundle, a model folder or a hub repository, and decides what is built. So
nothing is built that is not listed here: no name of a download, a loader, a file elsewhere or a
piece of code, and no size that would fill the memory before the weights could disagree.
"""

import copy
import json
import math
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.errors import ModelError, did_you_mean
from adapt.models.bundle.manifest import TEXT_MODEL, TOKENIZER

TEXT_MODELS = ("bert", "m2m_100", "mt5", "roberta", "xlm-roberta")
"""Kinds of Hugging Face text encoders that open_clip can hold."""
WIDEST, LONGEST, DEEPEST = 1 << 16, 1 << 12, 256
WORDS_IN_ALL = 1 << 22


@dataclass(frozen=True)
class Allowed:
    """Which values are good, and how that is said."""

    good: Callable[[Any], bool]
    words: str


def _whole(low: int, high: int) -> Allowed:
    def good(value: Any) -> bool:
        return type(value) is int and low <= value <= high

    return Allowed(good, f"a whole number from {low} to {high}")


def _number(low: float, high: float) -> Allowed:
    def good(value: Any) -> bool:
        return type(value) in (int, float) and math.isfinite(value) and low <= value <= high

    return Allowed(good, f"a number from {low:g} to {high:g}")


def _one_of(*values: Any) -> Allowed:
    def good(value: Any) -> bool:
        return any(type(value) is type(known) and value == known for known in values)

    return Allowed(good, f"one of {', '.join(map(repr, values))}")


def _or_none(rule: Allowed) -> Allowed:
    return Allowed(lambda value: value is None or rule.good(value), f"{rule.words}, or null")


def _list(rule: Allowed, lengths: range) -> Allowed:
    def good(value: Any) -> bool:
        return isinstance(value, list) and len(value) in lengths and all(map(rule.good, value))

    return Allowed(good, f"a list of {lengths[0]} to {lengths[-1]}, each {rule.words}")


def _either(first: Allowed, second: Allowed) -> Allowed:
    return Allowed(
        lambda value: first.good(value) or second.good(value), f"{first.words} or {second.words}"
    )


def _matching(pattern: str, words: str) -> Allowed:
    def good(value: Any) -> bool:
        return isinstance(value, str) and re.fullmatch(pattern, value) is not None

    return Allowed(good, words)


def _mapping(**rules: Allowed) -> Allowed:
    def good(value: Any) -> bool:
        return isinstance(value, dict) and all(
            key in rules and rules[key].good(item) for key, item in value.items()
        )

    inner = "; ".join(f"{key}: {rule.words}" for key, rule in rules.items())
    return Allowed(good, f"a mapping of {inner}")


_FLAG = _one_of(True, False)
_WIDTH, _DEPTH = _whole(1, WIDEST), _whole(1, DEEPEST)
_SIDE = _whole(1, LONGEST)
_RATIO = _number(0.01, 64)
_PART = _number(0, 1)
_SCALE = _or_none(_number(0, 10))
_NORM = _mapping(eps=_number(0, 1), elementwise_affine=_FLAG, bias=_FLAG)
_ACTIVATION = _or_none(_mapping(approximate=_one_of("none", "tanh")))
_ATTENTION = {
    "block_type": _one_of(None, "default", "custom"),
    "qk_norm": _FLAG,
    "scaled_cosine_attn": _FLAG,
    "scale_heads": _FLAG,
    "scale_attn_inner": _FLAG,
    "scale_attn": _FLAG,
    "scale_fc": _FLAG,
}
VISION: dict[str, Allowed] = {
    "layers": _either(_DEPTH, _list(_DEPTH, range(4, 5))),
    "width": _WIDTH,
    "head_width": _WIDTH,
    "mlp_ratio": _RATIO,
    "patch_size": _or_none(_SIDE),
    "image_size": _either(_SIDE, _list(_SIDE, range(2, 3))),
    "ls_init_value": _SCALE,
    "patch_dropout": _PART,
    "attentional_pool": _one_of(True, False, "parallel", "cascade"),
    "attn_pooler_queries": _SIDE,
    "attn_pooler_heads": _SIDE,
    "no_ln_pre": _FLAG,
    "pos_embed_type": _one_of("learnable", "sin_cos_2d"),
    "final_ln_after_pool": _FLAG,
    "pool_type": _one_of("tok", "avg", "none"),
    "output_tokens": _FLAG,
    "act_kwargs": _ACTIVATION,
    "norm_kwargs": _or_none(_NORM),
    **_ATTENTION,
    # A name of timm's own list: no `hf-hub:`, no `local-dir:`, no path.
    "timm_model_name": _matching(r"[a-z0-9_]{1,100}", "a name of timm's own list"),
    "timm_model_pretrained": _one_of(False),
    "timm_pool": _one_of(
        None, "", "avg", "max", "avgmax", "catavgmax", "token", "map", "abs_attn", "rot_attn"
    ),
    "timm_proj": _one_of(None, "", "linear", "mlp", "none"),
    "timm_proj_bias": _FLAG,
    "timm_drop": _PART,
    "timm_drop_path": _or_none(_PART),
}
_TEXT_SHAPE: dict[str, Allowed] = {
    "context_length": _SIDE,
    "vocab_size": _whole(1, WORDS_IN_ALL),
    "width": _WIDTH,
    "heads": _whole(1, LONGEST),
    "layers": _DEPTH,
    "mlp_ratio": _RATIO,
    "ls_init_value": _SCALE,
}
TEXT: dict[str, Allowed] = {
    **_TEXT_SHAPE,
    "hf_tokenizer_name": _one_of(TOKENIZER),
    "tokenizer_kwargs": _mapping(
        clean=_one_of("lower", "whitespace", "canonicalize"),
        strip_sep_token=_FLAG,
        additional_special_tokens=_list(_matching(r"[\w<>/-]{1,100}", "a word"), range(1, 65)),
    ),
    "embed_cls": _FLAG,
    "pad_id": _whole(0, WORDS_IN_ALL),
    "eos_id": _whole(0, WORDS_IN_ALL),
    "no_causal_mask": _FLAG,
    "final_ln_after_pool": _FLAG,
    "pool_type": _one_of("argmax", "first", "last", "eos", "none"),
    "proj_bias": _FLAG,
    "proj_type": _one_of("linear", "none"),
    "output_tokens": _FLAG,
    "act_kwargs": _ACTIVATION,
    "norm_kwargs": _or_none(_NORM),
    **_ATTENTION,
    "hf_model_name": _one_of(TEXT_MODEL),
    "hf_model_pretrained": _one_of(False),
    "hf_proj_type": _one_of(None, "linear", "mlp"),
    "hf_pooler_type": _one_of(
        "mean_pooler", "max_pooler", "cls_pooler", "cls_last_hidden_state_pooler"
    ),
}
MULTIMODAL: dict[str, Allowed] = {
    **_TEXT_SHAPE,
    "dim_head": _WIDTH,
    "n_queries": _SIDE,
    "attn_pooler_heads": _SIDE,
}
TOP: dict[str, Allowed] = {
    "embed_dim": _WIDTH,
    "quick_gelu": _FLAG,
    "custom_text": _FLAG,
    "init_logit_scale": _number(-100, 100),
    "init_logit_bias": _or_none(_number(-1000, 1000)),
    "nonscalar_logit_scale": _FLAG,
    "pad_id": _whole(0, WORDS_IN_ALL),
}
SECTIONS: dict[str, dict[str, Allowed]] = {
    "vision_cfg": VISION,
    "text_cfg": TEXT,
    "multimodal_cfg": MULTIMODAL,
}
NEEDED = ("embed_dim", "vision_cfg", "text_cfg")


def check_config(config: Any, path: str = "model_cfg") -> None:
    """Refuse a config with a key or a value that is not on the list.

    Args:
        config: open_clip's `model_cfg`, from JSON.
        path: How the message names it.

    Raises:
        ModelError: Naming the first wrong key.

    >>> check_config({"embed_dim": 8, "vision_cfg": {"width": 8}, "text_cfg": {}})
    """
    mapping = _as_mapping(config, path)
    for name in NEEDED:
        if name not in mapping:
            raise ModelError(f"{path}.{name} - missing - a model needs it - add it")
    _check(
        {name: value for name, value in mapping.items() if name not in SECTIONS},
        TOP,
        path,
        SECTIONS,
    )
    for name, rules in SECTIONS.items():
        if name in mapping:
            _check(_as_mapping(mapping[name], f"{path}.{name}"), rules, f"{path}.{name}")


def check_text_model(settings: Any, path: str = TEXT_MODEL) -> None:
    """Refuse settings of a Hugging Face text encoder that are more than plain numbers and words.

    Args:
        settings: What its config holds.
        path: How the message names it.

    Raises:
        ModelError: Naming the first wrong key.
    """
    mapping = _as_mapping(settings, path)
    kind = mapping.get("model_type")
    if kind not in TEXT_MODELS:
        hint = did_you_mean(str(kind), TEXT_MODELS)
        raise ModelError(
            f"{path}.model_type - not on the list - {kind!r}{hint} - what can be built is "
            f"{', '.join(TEXT_MODELS)}"
        )
    for name, value in mapping.items():
        if re.fullmatch(r"[a-z][a-z0-9_]{0,60}", name) is None or name in _LOADERS:
            raise ModelError(f"{path}.{name} - not on the list - {value!r} - remove it")
        if not _plain(value) or ("layer" in name and isinstance(value, int) and value > DEEPEST):
            raise ModelError(
                f"{path}.{name} - not a plain value - {str(value)[:60]!r} - give a short word, a "
                f"number up to {WORDS_IN_ALL}, true, false or null"
            )


UNUSED = (
    "_name_or_path",
    "architectures",
    "auto_map",
    "dtype",
    "id2label",
    "label2id",
    "task_specific_params",
    "tokenizer_class",
    "torch_dtype",
    "transformers_version",
)
"""Settings of a Hugging Face model that do not change what is built as a text encoder."""


def check_files(text_config: Mapping[str, Any], text_model: Any, tokenizer: Any) -> None:
    """Refuse a text encoder whose files are not beside its config, and files without one.

    Args:
        text_config: `text_cfg` of a config.
        text_model: What `TEXT_MODEL` holds; None without it.
        tokenizer: What `TOKENIZER` holds; None without it.

    Raises:
        ModelError: Naming the file.
    """
    named = {TEXT_MODEL: "hf_model_name", TOKENIZER: "hf_tokenizer_name"}
    for (file, key), content in zip(named.items(), (text_model, tokenizer), strict=True):
        if (key in text_config) != (content is not None):
            what = "missing" if content is None else f"the config has no {key}"
            raise ModelError(f"{file} - does not fit - {what} - copy the whole bundle again")


_LOADERS = ("auto_map", "quantization_config", "trust_remote_code")


def _plain(value: Any) -> bool:
    """A word without a path or an address, a number that no memory bursts of, or lists of these."""
    if isinstance(value, str):
        return re.fullmatch(r"[\w .-]{0,60}", value) is not None
    if isinstance(value, list):
        return len(value) <= 64 and all(not isinstance(v, list) and _plain(v) for v in value)
    if value is None or isinstance(value, bool):
        return True
    return isinstance(value, (int, float)) and math.isfinite(value) and abs(value) <= WORDS_IN_ALL


def _as_mapping(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ModelError(f"{path} - not a mapping - {type(value).__name__} - give a mapping")
    return value


def _check(
    values: Mapping[str, Any], rules: dict[str, Allowed], path: str, beside: Mapping[str, Any] = {}
) -> None:
    for name, value in values.items():
        if name not in rules:
            hint = did_you_mean(str(name), [*rules, *beside])
            raise ModelError(
                f"{path}.{name} - not on the list of what may be built - {str(value)[:60]!r}{hint} "
                "- remove it, or use a model without it"
            )
        if not rules[name].good(value):
            raise ModelError(
                f"{path}.{name} - not on the list of what may be built - {str(value)[:60]!r} - "
                f"give {rules[name].words}"
            )


def text_model_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those settings of a Hugging Face model that say what is built.

    >>> text_model_settings({"model_type": "bert", "_name_or_path": "org/name"})
    {'model_type': 'bert'}
    """
    return {name: value for name, value in settings.items() if name not in UNUSED}


@contextmanager
def text_model_folder(settings: dict[str, Any] | None) -> Iterator[str | None]:
    """A folder from which transformers reads the settings of a text encoder, and nothing else."""
    if settings is None:
        yield None
        return
    check_text_model(settings)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(settings), encoding="utf-8")
        yield folder


def without_lookups(config: dict[str, Any]) -> dict[str, Any]:
    """A config in which files of a bundle stand for what open_clip would look up elsewhere.

    >>> without_lookups({"text_cfg": {"hf_tokenizer_name": "org/name"}, "vision_cfg": {}})
    {'text_cfg': {'hf_tokenizer_name': 'tokenizer.json'}, 'vision_cfg': {}}
    """
    own = copy.deepcopy(config)
    text, vision = own.get("text_cfg", {}), own.get("vision_cfg", {})
    if vision.get("timm_model_pretrained"):
        vision["timm_model_pretrained"] = False
    if text.get("hf_model_name"):
        text |= {"hf_model_name": TEXT_MODEL, "hf_model_pretrained": False}
    if text.get("hf_tokenizer_name"):
        text["hf_tokenizer_name"] = TOKENIZER
        text.pop("tokenizer_mode", None)  # `pack_tokenizer` refuses those that matter
    return own
