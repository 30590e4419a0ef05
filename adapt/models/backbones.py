"""Pretrained CLIP models through open_clip, imported here, in `building` and `weight_files`."""

import copy
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from open_clip.factory import get_model_config
from open_clip.tokenizer import get_clean_fn
from safetensors.torch import load_file
from torch import Tensor, nn

from adapt.common.typed import resolve_path
from adapt.common.words import listed
from adapt.data.decoding.preprocessing import Preprocessing
from adapt.errors import ModelError, did_you_mean, one_line
from adapt.models.architectures import (
    check_config,
    check_files,
    text_model_folder,
    text_model_settings,
    without_lookups,
)
from adapt.models.building.libraries import find_timm, find_transformers, quiet
from adapt.models.building.tokenizers import PackedTokenizer, pack_tokenizer
from adapt.models.building.undrawn import Undrawn
from adapt.models.bundle.tensors import weights_hash
from adapt.models.penultimate import (
    FEATURES,
    PENULTIMATE,
    PROJECTED,
    before_projection,
    check_projection,
    width_before_projection,
)
from adapt.models.text_encoding import encode_tokens
from adapt.models.weight_files import (
    CONFIG,
    check_finite,
    check_source,
    check_state,
    check_weights_file,
    source_of,
    unreadable,
)

EMBEDDED_ARCH = "adapt-icons-xs"
EMBEDDED_WEIGHTS = Path(__file__).parent / "embedded" / f"{EMBEDDED_ARCH}.safetensors"
ENCODERS = ("image", "text", "both")
"""What settings named `encoder` may be."""
open_clip.add_model_config(Path(__file__).parent / "configs")


@dataclass(frozen=True)
class BackboneSpec:
    """What is needed to build the same encoders again, and which weights they started from."""

    arch: str
    """Architecture name, `hf-hub:...` or `local-dir:...`."""
    pretrained: str
    """Tag, file or folder of the weights; `random` when there are none."""
    config: dict[str, Any]
    """open_clip's `model_cfg`, activation included; what it would look up elsewhere is here."""
    base_hash: str
    """SHA-256 over the pretrained weights, by name and bytes."""
    text_model: dict[str, Any] | None = None
    """Settings of a Hugging Face text encoder; None for CLIP's own."""
    tokenizer: str | None = None
    """Tokenizer of Hugging Face as a JSON text; None for CLIP's own."""

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return asdict(self)


class Backbone(nn.Module):
    """Both encoders of a CLIP, with its preprocessing and tokenizer.

    Args:
        model: An open_clip model with `encode_image`, `encode_text` and `logit_scale`.
        spec: Where it came from.
        preprocessing: What images go through before `encode_image`.
    """

    model: Any

    def __init__(self, model: nn.Module, spec: BackboneSpec, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.model, self.spec, self.preprocessing = model, spec, preprocessing
        self.features = PROJECTED

    def with_features(self, features: str) -> "Backbone":
        """The same encoders (shared) with images encoded another way; itself if nothing changes.

        Args:
            features: `projected` into the space of the texts, or `penultimate`, what the image
                encoder has before that projection.

        Raises:
            ModelError: When it is neither, or this image encoder has no projection.
        """
        if features not in FEATURES:
            hint = did_you_mean(features, FEATURES)
            raise ModelError(f"features - not known - {features!r}{hint} - use {listed(FEATURES)}")
        if features == self.features:
            return self
        if features == PENULTIMATE:
            check_projection(self.image_encoder, self.spec.arch)
        other = copy.copy(self)
        other.features = features
        return other

    def encode_image(self, pixels: Tensor) -> Tensor:
        """Unit image features (B, D) of normalised pixels (B, 3, H, W)."""
        if self.features == PENULTIMATE:
            return F.normalize(before_projection(self.image_encoder, pixels), dim=-1)
        return F.normalize(self.model.encode_image(pixels), dim=-1)

    def encode_text(self, texts: list[str], batch_size: int = 256) -> Tensor:
        """Unit text features (N, D); texts beyond the context length are cut by the tokenizer."""
        device = self.model.logit_scale.device
        tokens = tokenizer_of(self.spec)(texts).to(device)
        parts = [encode_tokens(self.model, part) for part in tokens.split(batch_size)]
        return F.normalize(torch.cat(parts), dim=-1)

    @property
    def scale(self) -> Tensor:
        """Multiplier of the cosine, exp(logit scale)."""
        scale: Tensor = self.model.logit_scale.exp()
        return scale

    @property
    def image_encoder(self) -> nn.Module:
        """The part of the model that sees pixels."""
        encoder: nn.Module = self.model.visual
        return encoder

    @property
    def width(self) -> int:
        """Length D of the features."""
        if self.features == PENULTIMATE:
            return width_before_projection(self.image_encoder)
        return int(self.spec.config["embed_dim"])


def tokenizer_of(spec: BackboneSpec) -> Any:
    """The tokenizer that belongs to a model.

    It is made from the spec, so that a bundle needs neither the folder nor the registered name
    that the model once came from, nor a network.
    """
    return _tokenizer(json.dumps(spec.config["text_cfg"], sort_keys=True), spec.tokenizer)


@lru_cache(maxsize=8)
def _tokenizer(text_config: str, packed: str | None) -> Any:
    config = json.loads(text_config)
    settings = config.get("tokenizer_kwargs", {})
    if packed is None:
        return open_clip.SimpleTokenizer(
            context_length=config.get("context_length", 77), **settings
        )
    clean = get_clean_fn(settings.get("clean", "whitespace"))
    return PackedTokenizer(packed, clean, settings.get("strip_sep_token", False))


def architectures() -> list[str]:
    """Every architecture name open_clip knows, the embedded one included."""
    return list(open_clip.list_models())


def pretrained_tags(arch: str) -> list[str]:
    """Known weights of an architecture."""
    if arch == EMBEDDED_ARCH:
        return ["embedded"]
    return list(open_clip.list_pretrained_tags_by_model(arch))


def named_templates() -> dict[str, list[str]]:
    """open_clip's template sets as format strings: `openai` (80) and `simple` (7)."""
    return {
        "openai": [template("{}") for template in open_clip.OPENAI_IMAGENET_TEMPLATES],
        "simple": [template("{}") for template in open_clip.SIMPLE_IMAGENET_TEMPLATES],
    }


def load_backbone(arch: str, pretrained: str, seed: int = 0) -> Backbone:
    """Build a CLIP and load its weights; what no bundle can hold is refused before it is trained.

    Args:
        arch: An architecture name (`adapt list models`), `hf-hub:org/name` or `local-dir:folder`.
        pretrained: A tag of that architecture, a `.safetensors` file, a folder with
            `open_clip_config.json` and such a file, or `random` for weights drawn from `seed`
            (asked for by name, never silently).
        seed: Fixes `random` weights.

    Raises:
        ModelError: Unknown architecture or tag, missing, damaged or unsuitable weights, a pickle,
            an activation they were not trained with, or a model that no bundle can hold.
        WeightsError: When a weight is not a finite number.
    """
    identifier, weights, quick_gelu = _resolve(arch, pretrained)
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        source = source_of(identifier, weights)
        try:
            config = model_config(identifier, quick_gelu)
            check_config(without_lookups(config))
            if pretrained != "random":
                check_source(identifier, source)
            model = open_clip.create_model(
                identifier,
                pretrained=weights,
                load_weights=pretrained != "random",
                force_quick_gelu=quick_gelu,
                pretrained_text=False,
                require_pretrained=pretrained not in ("random", "embedded"),
                weights_only=True,
            )
        except Exception as error:  # each format has errors of its own
            raise unreadable(arch, pretrained, source, error) from error
    if pretrained == "embedded":
        model.load_state_dict({k: v.float() for k, v in load_file(EMBEDDED_WEIGHTS).items()})
    check_finite(model.state_dict(), f"{arch} with {pretrained}")
    return _wrap(model, identifier, pretrained, config)


def build_backbone(
    spec: BackboneSpec, preprocessing: Preprocessing, state: dict[str, Tensor]
) -> Backbone:
    """The same encoders again from a spec and a state dict; nothing is looked up or downloaded.

    The spec is checked against the list of what may be built, and the state dict against an empty
    model, before memory is taken.

    Raises:
        ModelError: When the state dict does not fit the architecture of the spec.
        WeightsError: When a weight is not a finite number.
    """
    return Backbone(build_part(spec, state, lambda model: model), spec, preprocessing)


def build_part(
    spec: BackboneSpec, state: dict[str, Tensor], part: Callable[[Any], nn.Module]
) -> nn.Module:
    """A part of the model of a spec, filled; see `build_backbone` for what is checked and raised.

    Args:
        spec: Of the model.
        state: Of the part.
        part: From the model to the part.
    """
    with Undrawn(outline=True):
        expected = part(build_model(spec)).state_dict()
    check_state(state, expected, spec.arch)
    check_finite(state, spec.arch)
    with Undrawn():
        made = part(build_model(spec))
    made.load_state_dict(state)
    return made.eval()


def build_model(spec: BackboneSpec) -> Any:
    """A model of untrained weights, if all that its spec says is on the list.

    Raises:
        ModelError: When it is not, or cannot be built.
    """
    check_config(spec.config)
    config = copy.deepcopy(spec.config)
    text = config["text_cfg"]
    check_files(text, spec.text_model, spec.tokenizer)
    custom_text = config.pop("custom_text", False) or spec.text_model is not None
    if spec.text_model is not None:
        find_transformers()
    if config["vision_cfg"].get("timm_model_name"):
        find_timm()
    config["vision_cfg"]["timm_model_pretrained"] = False
    try:
        with quiet(), text_model_folder(spec.text_model) as folder:
            if folder is not None:
                text |= {"hf_model_name": folder, "hf_model_pretrained": False}
            if not custom_text:
                return open_clip.CLIP(**config)
            coca = "multimodal_cfg" in config
            return open_clip.CoCa(**config) if coca else open_clip.CustomTextCLIP(**config)
    except Exception as error:  # open_clip, timm and transformers have errors of their own
        raise ModelError(
            f"{spec.arch} - cannot be built - {one_line(error)} - use another model"
        ) from error


def _wrap(model: nn.Module, arch: str, pretrained: str, config: dict[str, Any]) -> Backbone:
    raw = open_clip.get_model_preprocess_cfg(model)
    size = raw["size"] if isinstance(raw["size"], int) else raw["size"][0]
    if not isinstance(raw["size"], int) and len(set(raw["size"])) != 1:
        raise ModelError(
            f"model - images are not square - {arch} needs {raw['size']} - choose another model"
        )
    preprocessing = Preprocessing(
        size=size,
        mean=list(raw["mean"]),
        std=list(raw["std"]),
        interpolation=raw["interpolation"],
        resize_mode=raw["resize_mode"],
        fill_color=raw["fill_color"],
    )
    state = model.state_dict()
    spec = _spec(model, arch, pretrained, config, weights_hash(state))
    with Undrawn(outline=True):
        check_state(state, build_model(spec).state_dict(), arch)
    return Backbone(model.eval(), spec, preprocessing)


def _spec(
    model: Any, arch: str, pretrained: str, config: dict[str, Any], base_hash: str
) -> BackboneSpec:
    """The spec that a bundle can hold: what the config would look up is looked up now."""
    text_model = packed = None
    if config["text_cfg"].get("hf_model_name"):
        text_model = text_model_settings(model.text.config.to_diff_dict())
    if config["text_cfg"].get("hf_tokenizer_name"):
        try:
            tokenizer = open_clip.get_tokenizer(arch)
        except Exception as error:  # transformers has errors of every kind
            raise ModelError(
                f"model - its tokenizer cannot be loaded - {arch}: {one_line(error)} - check the "
                "network, or put its repository into the cache of the hub"
            ) from error
        packed = pack_tokenizer(tokenizer)
    return BackboneSpec(arch, pretrained, without_lookups(config), base_hash, text_model, packed)


def model_config(arch: str, quick_gelu: bool = False) -> dict[str, Any]:
    """open_clip's `model_cfg` of an architecture, `hf-hub:` or `local-dir:` name."""
    if arch.startswith("local-dir:"):
        config = json.loads(
            (Path(arch.removeprefix("local-dir:")) / CONFIG).read_text(encoding="utf-8")
        )["model_cfg"]
    elif arch.startswith("hf-hub:"):
        config = open_clip.factory._get_hf_config(arch.removeprefix("hf-hub:"))["model_cfg"]
    else:
        config = copy.deepcopy(get_model_config(arch.replace("/", "-")))
    if quick_gelu:
        config["quick_gelu"] = True
    return dict(config)


def _resolve(arch: str, pretrained: str) -> tuple[str, str | None, bool]:
    """open_clip's name, its `pretrained` argument, and whether QuickGELU must be forced."""
    if arch.startswith(("hf-hub:", "local-dir:")):
        return arch, None, False
    known = pretrained in ("random", *pretrained_tags(arch))
    if not known:
        pretrained = str(resolve_path(pretrained))
    if not known and Path(pretrained).is_dir():
        return f"local-dir:{pretrained}", None, False
    if arch not in architectures():
        raise ModelError(
            f"model.arch - not known - {arch!r}{did_you_mean(arch, architectures())} - "
            "see `adapt list models`, or give hf-hub:org/name"
        )
    if pretrained == "random":
        return arch, None, False
    if pretrained == "embedded" and arch == EMBEDDED_ARCH:
        return arch, None, False
    if not known and Path(pretrained).is_file():
        check_weights_file(pretrained)
        return arch, pretrained, False
    if not known:
        tags = pretrained_tags(arch)
        raise ModelError(
            f"model.pretrained - not known for {arch} - "
            f"{pretrained!r}{did_you_mean(pretrained, tags)} - "
            f"choose one of {', '.join(tags) or '(none)'}, or give a file or folder"
        )
    return arch, pretrained, _forced_quick_gelu(arch, pretrained)


def _forced_quick_gelu(arch: str, tag: str) -> bool:
    """Whether the weights need QuickGELU although the architecture's config does not say so.

    The activation follows the weights. The other way round cannot be repaired: a config that says
    QuickGELU with weights trained without it is refused.
    """
    trained = bool(open_clip.get_pretrained_cfg(arch, tag).get("quick_gelu", False))
    configured = bool((get_model_config(arch) or {}).get("quick_gelu", False))
    if configured and not trained:
        raise ModelError(
            f"model - activation does not match - {arch} uses QuickGELU, the weights {tag!r} "
            f"were trained without it - use {arch.replace('-quickgelu', '')}"
        )
    return trained and not configured
