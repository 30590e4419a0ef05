"""An image encoder of timm as a model: with a head of its own, or beside a text encoder."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from adapt.common.typed import resolve_path
from adapt.data.labels.classes import ClassName
from adapt.errors import ModelError
from adapt.models.backbones import Backbone, BackboneSpec, build_model, load_backbone
from adapt.models.building.libraries import quiet
from adapt.models.building.timm_images import BESIDE, describe
from adapt.models.bundle.tensors import weights_hash
from adapt.models.classifier import Classifier
from adapt.models.heads import check_read, linear_head, text_weights
from adapt.models.settings import TextTower
from adapt.models.templates import class_prompts, resolve_templates
from adapt.models.weight_files import check_finite, check_weights_file

NO_TEXT = {"context_length": 77, "vocab_size": 49408, "width": 8, "heads": 1, "layers": 1}
"""Where the format of a bundle wants a text encoder and there is none: the smallest, never asked
what a text means."""


def load_tower(
    arch: str,
    pretrained: str,
    seed: int = 0,
    image_size: int | None = None,
    text: TextTower | None = None,
) -> Backbone:
    """An image encoder of timm, with timm's own preprocessing; features are its pooled ones.

    Beside it may stand the text encoder of a CLIP. Its last projection is drawn anew to the length
    of the image features where the two differ: nothing is aligned before it is trained (LiT).

    Args:
        arch: `timm/NAME` or `timm/NAME.TAG`; see `describe`.
        pretrained: A `.safetensors` file of timm, or `random` for weights drawn from `seed`.
        seed: Fixes what is random.
        image_size: Side of the images, where the encoder reads any; that of the weights if None.
        text: The text encoder beside it.

    Raises:
        ModelError: When timm has no such encoder, weights do not fit, or the text encoder is not
            one of CLIP's own kind.

    Example:
        >>> backbone = load_tower("timm/test_resnet", "random", image_size=32)
        >>> backbone.encode_image(torch.zeros(1, 3, 32, 32)).shape[1] == backbone.width
        True
    """
    vision, preprocessing, width = describe(arch, image_size)
    donor = None if text is None else load_backbone(text.arch, text.pretrained, seed)
    config: dict[str, Any] = {"embed_dim": width, "vision_cfg": vision, "text_cfg": dict(NO_TEXT)}
    name, weights = arch, pretrained
    if donor is not None and text is not None:
        _check_donor(donor, text)
        config["text_cfg"] = donor.spec.config["text_cfg"]
        config |= {
            key: donor.spec.config[key] for key in ("quick_gelu",) if key in donor.spec.config
        }
        name, weights = f"{arch}{BESIDE}{text.arch}", f"{pretrained}{BESIDE}{text.pretrained}"
    spec = BackboneSpec(name, weights, config, "")
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_model(spec)
    if pretrained != "random":
        fill_images(model.visual, arch, str(resolve_path(pretrained)))
    if donor is not None:
        _fill_texts(model, donor)
    state = model.state_dict()
    check_finite(state, name)
    return Backbone(model.eval(), replace(spec, base_hash=weights_hash(state)), preprocessing)


def fill_images(encoder: nn.Module, arch: str, pretrained: str) -> None:
    """Load timm's weights of an image encoder from a file; its classifier is left out.

    Args:
        encoder: The `visual` of an open_clip model with a trunk of timm.
        arch: Its name, for messages.
        pretrained: A `.safetensors` file as timm's repositories on the hub hold it.

    Raises:
        ModelError: When the file is no safetensors, or does not fit.
    """
    path = Path(pretrained)
    if not path.is_file():
        raise ModelError(
            f"model.pretrained - no such file - {pretrained!r} for {arch} - give the "
            "model.safetensors of its repository on the hub, or `random`"
        )
    check_weights_file(path)
    given = load_file(path)
    trunk: Any = encoder.trunk
    wanted = trunk.state_dict()
    heads = trunk.pretrained_cfg.get("classifier") or ()
    heads = (heads,) if isinstance(heads, str) else tuple(heads)
    own = {key: value for key, value in given.items() if not key.startswith(heads or ("\0",))}
    wrong = sorted(
        key
        for key in own.keys() | wanted.keys()
        if getattr(own.get(key), "shape", None) != getattr(wanted.get(key), "shape", None)
    )
    if wrong:
        count = f"{wrong[0]} and {len(wrong) - 1} more" if len(wrong) > 1 else wrong[0]
        raise ModelError(f"{path} - does not fit {arch} - {count} - give the weights of {arch}")
    trunk.load_state_dict(own)


def image_classifier(backbone: Backbone, names: Sequence[ClassName]) -> Classifier:
    """A classifier whose head says nothing yet: no text encoder could name the classes.

    Args:
        backbone: From `load_tower`.
        names: The classes.
    """
    keys = [name.key for name in names]
    head = linear_head(torch.zeros(len(keys), backbone.width))
    return Classifier(backbone, head, keys, [[name.words] for name in names], False).eval()


def named_classifier(
    backbone: Backbone, names: Sequence[ClassName], templates: Sequence[str]
) -> Classifier:
    """A classifier with the head that the text encoder beside the image encoder makes.

    Args:
        backbone: From `load_tower`, with a text encoder.
        names: The classes.
        templates: Names of sets of templates, or templates.

    Raises:
        DataError: When the text encoder reads two classes alike.
    """
    keys = [name.key for name in names]
    prompts = class_prompts(list(names), resolve_templates(list(templates)))
    check_read(backbone, keys, prompts)
    with torch.no_grad():
        head = linear_head(text_weights(backbone, prompts))
    return Classifier(backbone, head, keys, prompts).eval()


def _check_donor(donor: Backbone, text: TextTower) -> None:
    config = donor.spec.config
    if config.get("custom_text") or donor.spec.text_model or "multimodal_cfg" in config:
        raise ModelError(
            f"model.text - not a text encoder of CLIP's own kind - {text.arch} - choose a CLIP "
            "such as ViT-B-32"
        )


def _fill_texts(model: Any, donor: Backbone) -> None:
    """Copy what reads texts; a projection of another length stays as it was drawn."""
    own, given = model.state_dict(), donor.model.state_dict()
    texts = {
        name: value
        for name, value in given.items()
        if not name.startswith("visual.") and name in own and own[name].shape == value.shape
    }
    model.load_state_dict(own | texts)
