"""What timm says of an image encoder: how images are made ready, and what open_clip builds."""

from typing import Any

from adapt.data.decoding.preprocessing import INTERPOLATIONS, Preprocessing
from adapt.errors import ModelError, did_you_mean
from adapt.models.building.undrawn import Undrawn

PREFIX, BESIDE = "timm/", "+"
"""How its architectures are written: `timm/resnet50`, and `timm/resnet50+ViT-B-32` with the text
encoder of another model beside it."""


def of_timm(arch: str) -> bool:
    """Whether an architecture is an image encoder of timm.

    >>> of_timm("timm/resnet50"), of_timm("ViT-B-32")
    (True, False)
    """
    return arch.startswith(PREFIX)


def has_text(arch: str) -> bool:
    """Whether a model of this architecture has a text encoder that means something.

    >>> has_text("timm/resnet50"), has_text("timm/resnet50+ViT-B-32"), has_text("ViT-B-32")
    (False, True, True)
    """
    return not of_timm(arch) or BESIDE in arch


def describe(arch: str, image_size: int | None = None) -> tuple[dict[str, Any], Preprocessing, int]:
    """What is needed to build an image encoder of timm and to use it as timm does.

    Args:
        arch: `timm/NAME`, or `timm/NAME.TAG` for the preprocessing of other weights than timm's
            default ones.
        image_size: Side of the images in pixels; that of the weights if None.

    Returns:
        open_clip's `vision_cfg`; timm's own evaluation transform; the length of the features.

    Raises:
        ModelError: When timm has no such model, it reads one size only, or images are made ready
            in a way that is not known here.
    """
    import timm

    name = arch.removeprefix(PREFIX)
    base = name.partition(".")[0]
    known = timm.list_models()
    if base not in known:
        hint = did_you_mean(base, known)
        raise ModelError(f"model.arch - not a model of timm - {arch!r}{hint} - timm.list_models()")
    try:
        stored: Any = timm.get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError as error:
        tags = sorted(full.partition(".")[2] for full in timm.list_pretrained(f"{base}.*"))
        advice = f"choose one of {', '.join(tags)}" if tags else "leave the tag out"
        raise ModelError(f"model.arch - no such weights in timm - {arch!r} - {advice}") from error
    with Undrawn(outline=True):
        trunk: Any = timm.create_model(base, pretrained=False, num_classes=0)
    settings: Any = timm.data
    data = settings.resolve_data_config(pretrained_cfg=vars(stored))
    size = data["input_size"][-1]
    if image_size is not None and image_size != size and stored.fixed_input_size:
        raise ModelError(
            f"model.image_size - {arch} reads one size - {image_size} - set it to {size}"
        )
    own = _preprocessing(arch, data, image_size or size)
    pool = getattr(trunk, "global_pool", "avg")
    vision = {
        "timm_model_name": base,
        "timm_model_pretrained": False,
        "timm_pool": pool if isinstance(pool, str) and pool else "avg",
        "timm_proj": "none",
        "image_size": own.size,
    }
    return vision, own, int(getattr(trunk, "head_hidden_size", trunk.num_features))


def _preprocessing(arch: str, data: dict[str, Any], size: int) -> Preprocessing:
    """The evaluation transform of timm."""
    squash = data["crop_mode"] == "squash"
    if data["crop_mode"] not in ("center", "squash") or data["interpolation"] not in INTERPOLATIONS:
        given = f"{data['crop_mode']}, {data['interpolation']}"
        raise ModelError(f"model - prepares images in another way - {arch}: {given} - take another")
    return Preprocessing(
        size,
        list(data["mean"]),
        list(data["std"]),
        data["interpolation"],
        "squash" if squash else "shortest",
        crop_pct=1.0 if squash else min(float(data["crop_pct"]), 1.0),
    )
