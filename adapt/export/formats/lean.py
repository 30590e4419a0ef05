"""The image encoder, the head and the thresholds alone: no text encoder."""

from pathlib import Path
from typing import Any

from adapt.common.files import write_json
from adapt.errors import BundleError
from adapt.export.answers import Runtime
from adapt.export.base import FORMATS, Format
from adapt.export.graph.whole import WholeGraph, runtime_of
from adapt.export.record import Record
from adapt.models.backbones import BackboneSpec, build_part
from adapt.models.bundle.manifest import CONFIG, COPY, HEAD, read_mapping
from adapt.models.bundle.packed import load_packed, save_packed
from adapt.models.bundle.tensors import load_tensors, save_tensors
from adapt.models.cache_head import head_from_state
from adapt.models.classifier import Classifier
from adapt.models.penultimate import PROJECTED, without_projection

ENCODER = "image_encoder.safetensors"


TEXT = {"width": 64, "heads": 1, "layers": 1}
"""The smallest of text encoders stands in for the one that is left out."""


def write(classifier: Classifier, folder: Path) -> None:
    """Weights of the image encoder and of the head, and how to build the encoder."""
    plain = classifier.clone().float().cpu()
    own = plain.backbone
    config = {"model_cfg": _image_config(own.spec.config), "features": own.features}
    write_json(folder / CONFIG, config)
    save_packed(own.image_encoder.state_dict(), folder / ENCODER)
    save_tensors(plain.head.state_dict(), folder / HEAD)


def read(folder: Path, record: Record) -> Runtime:
    """The graph in torch.

    Raises:
        BundleError: When the parts do not fit each other.
    """
    config, state = read_mapping(folder / CONFIG), load_tensors(folder / HEAD)
    if set(config) != {"model_cfg", "features"}:
        raise BundleError(f"{folder / CONFIG} - other keys - {', '.join(config)[:60]} - {COPY}")
    spec = BackboneSpec("image encoder", "", config["model_cfg"], "")
    encoder = build_part(spec, load_packed(folder / ENCODER), lambda model: model.visual)
    if config["features"] != PROJECTED:
        encoder = without_projection(encoder)
    preprocessing, uncertainty = record.parts()
    width = state["weight"].shape[-1] if "weight" in state else 0
    head = head_from_state(state, len(record.class_names), width)
    return runtime_of(
        WholeGraph(
            encoder, head, preprocessing, record.temperature, uncertainty, record.labelling
        ).eval()
    )


def _image_config(config: dict[str, Any]) -> dict[str, Any]:
    """What of a config builds the image encoder."""
    quick = {"quick_gelu": True} if config.get("quick_gelu") else {}
    vision = {"embed_dim": config["embed_dim"], "vision_cfg": config["vision_cfg"]}
    return {**vision, "text_cfg": TEXT, **quick}


FORMATS.register(
    "lean",
    Format("half the size, for adapt itself: image encoder, head and thresholds", write, read),
)
