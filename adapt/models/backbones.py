"""Pretrained CLIP models through open_clip: the only file that imports it."""

import copy
import hashlib
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from open_clip.factory import get_model_config
from safetensors.torch import load_file
from torch import Tensor, nn

from adapt.common.typed import resolve_path
from adapt.common.words import listed
from adapt.data.decoding.preprocessing import Preprocessing
from adapt.errors import ModelError, did_you_mean
from adapt.models.penultimate import (
    FEATURES,
    PENULTIMATE,
    PROJECTED,
    before_projection,
    check_projection,
    width_before_projection,
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
    """open_clip's `model_cfg`, activation included."""
    base_hash: str
    """SHA-256 over the pretrained weights, by name and bytes."""

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
        """The same encoders (shared), with images encoded another way.

        Args:
            features: `projected` into the space of the texts, or `penultimate`, what the image
                encoder has before that projection.

        Raises:
            ModelError: When it is neither, or this image encoder has no projection.
        """
        if features not in FEATURES:
            hint = did_you_mean(features, FEATURES)
            raise ModelError(f"features - not known - {features!r}{hint} - use {listed(FEATURES)}")
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
        parts = [self.model.encode_text(part) for part in tokens.split(batch_size)]
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

    CLIP's own is made from the config, so that a bundle needs neither the folder nor the registered
    name that the model once came from.
    """
    return _tokenizer(spec.arch, json.dumps(spec.config["text_cfg"], sort_keys=True))


@lru_cache(maxsize=8)
def _tokenizer(arch: str, text_config: str) -> Any:
    config = json.loads(text_config)
    if config.get("hf_tokenizer_name") or (":" not in arch and "siglip" in arch.lower()):
        return open_clip.get_tokenizer(arch)
    return open_clip.SimpleTokenizer(
        context_length=config.get("context_length", 77), **config.get("tokenizer_kwargs", {})
    )


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


def weights_hash(state: dict[str, Tensor]) -> str:
    """SHA-256 over names and bytes of a state dict, in name order."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(
            state[name].detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data
        )
    return digest.hexdigest()


def load_backbone(arch: str, pretrained: str, seed: int = 0) -> Backbone:
    """Build a CLIP and load its weights.

    Args:
        arch: An architecture name (`adapt list models`), `hf-hub:org/name` or `local-dir:folder`.
        pretrained: A tag of that architecture, a weights file (`.safetensors`, or `.bin`/`.pt`
            read with `weights_only=True`), a folder with `open_clip_config.json` and weights, or
            `random` for weights drawn from `seed` (asked for by name, never silently).
        seed: Fixes `random` weights.

    Raises:
        ModelError: Unknown architecture or tag (the known ones are listed), missing or unsuitable
            weights, or an activation that the weights were not trained with.
    """
    identifier, weights, quick_gelu = _resolve(arch, pretrained)
    with _quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
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
            raise ModelError(
                f"model - cannot be loaded - {arch} with {pretrained}: {error} - {_advice(arch)}"
            ) from error
    if pretrained == "embedded":
        model.load_state_dict({k: v.float() for k, v in load_file(EMBEDDED_WEIGHTS).items()})
    return _wrap(model, identifier, pretrained, quick_gelu)


def build_backbone(
    spec: BackboneSpec, preprocessing: Preprocessing, state: dict[str, Tensor]
) -> Backbone:
    """The same encoders again from a spec and a state dict; nothing is looked up or downloaded.

    Raises:
        ModelError: When the state dict does not fit the architecture of the spec.
    """
    config = copy.deepcopy(spec.config)
    custom_text = config.pop("custom_text", False) or "hf_model_name" in config["text_cfg"]
    config["vision_cfg"]["timm_model_pretrained"] = False
    model = (open_clip.CustomTextCLIP if custom_text else open_clip.CLIP)(**config)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(
            f"weights - do not fit {spec.arch} - {error} - copy the whole bundle again"
        ) from error
    return Backbone(model.eval(), spec, preprocessing)


def _wrap(model: nn.Module, arch: str, pretrained: str, quick_gelu: bool) -> Backbone:
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
    spec = BackboneSpec(
        arch, pretrained, model_config(arch, quick_gelu), weights_hash(model.state_dict())
    )
    return Backbone(model.eval(), spec, preprocessing)


def model_config(arch: str, quick_gelu: bool = False) -> dict[str, Any]:
    """open_clip's `model_cfg` of an architecture, `hf-hub:` or `local-dir:` name."""
    if arch.startswith("local-dir:"):
        config = json.loads(
            (Path(arch.removeprefix("local-dir:")) / "open_clip_config.json").read_text()
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


def _advice(arch: str) -> str:
    if arch.startswith("hf-hub:"):
        return "check the name and the network, or download the repository and give its folder"
    return "check the file, or the network if the weights are to be downloaded"


@contextmanager
def _quiet() -> Iterator[None]:
    """open_clip reports through warnings and the root logger what we turn into errors."""
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="QuickGELU mismatch")
        try:
            yield
        finally:
            logging.getLogger().setLevel(level)
