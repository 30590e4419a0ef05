"""An adapter of peft for the `CLIPModel` of transformers, with the head beside it."""

import re
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from adapt.common.files import write_json
from adapt.common.typed import misfit
from adapt.data.decoding.preprocessing import PixelArray
from adapt.errors import BundleError, ModelError
from adapt.export.answers import GraphAnswers, Runtime, answers_from
from adapt.export.base import FORMATS, Format
from adapt.export.graph.hugging_face import place, renamed, settings
from adapt.export.record import Record
from adapt.models.architectures import check_config
from adapt.models.base_weights import base_weights
from adapt.models.building.libraries import quiet
from adapt.models.bundle.low_rank import LowRank, Product
from adapt.models.bundle.manifest import CONFIG, COPY, HEAD, read_mapping
from adapt.models.bundle.tensors import save_tensors
from adapt.models.cache_head import head_from_state
from adapt.models.classifier import Classifier
from adapt.models.penultimate import PROJECTED

SETTINGS, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
"""As peft names them."""
PREFIX = "base_model.model."
FIXED = {"peft_type": "LORA", "lora_dropout": 0.0, "bias": "none", "inference_mode": True}
FIELDS: dict[str, Any] = {
    "base_model_name_or_path": str,
    "r": int,
    "lora_alpha": float,
    "target_modules": list[str],
}
LAYER = re.compile(r"(vision|text)_model\.encoder\.layers\.\d+\.(self_attn|mlp)\.\w+")
ADVICE = "use the format onnx, torch, open_clip or lean"


def write(classifier: Classifier, folder: Path) -> None:
    """What `PeftModel.from_pretrained(clip_model, folder)` reads, and the head.

    Raises:
        ModelError: When the model is not its pretrained weights and low-rank adapters alone, or
            transformers has no such architecture.
        BundleError: When the pretrained weights are not at hand.
    """
    own, added = classifier.backbone, classifier.low_rank
    if added is None or own.features != PROJECTED:
        raise ModelError(
            f"peft - no adapter - the model is not one that method lora alone made - {ADVICE}"
        )
    config = settings(own.spec.config)
    _check_alone(classifier, added)
    write_json(folder / CONFIG, {"model_cfg": own.spec.config, "clip_config": config})
    write_json(folder / SETTINGS, _adapter_config(added, own.spec.arch))
    save_tensors(_adapter_weights(added), folder / WEIGHTS)
    save_tensors(classifier.clone().float().cpu().head.state_dict(), folder / HEAD)


def _check_alone(classifier: Classifier, added: LowRank) -> None:
    """Check that nothing else changed: the model is what the adapter makes of the start."""
    spec = classifier.backbone.spec
    before = base_weights(spec.to_dict())
    after = {**before, **added.weights(before)}
    for name, value in classifier.backbone.model.state_dict().items():
        if not torch.equal(after[name], value.cpu()):
            raise ModelError(f"{name} - more than the adapter - it was changed too - {ADVICE}")


def _adapter_config(added: LowRank, arch: str) -> dict[str, Any]:
    rank = {product.down.shape[0] for product in added.products}.pop()
    return {
        **FIXED,
        "base_model_name_or_path": arch.removeprefix("hf-hub:"),
        "r": rank,
        "lora_alpha": added.scale * added.alpha * rank,
        "target_modules": sorted({_layer(product) for product in added.products}),
    }


def _adapter_weights(added: LowRank) -> dict[str, Tensor]:
    sides = {"lora_A": "down", "lora_B": "up"}
    return {
        f"{PREFIX}{_layer(product)}.{name}.weight": getattr(product, side)
        for product in added.products
        for name, side in sides.items()
    }


def _layer(product: Product) -> str:
    """The module of `CLIPModel` whose weight these rows are."""
    places = place(product.name)
    which = product.start // len(product.up) if len(places) > 1 else 0
    return places[which].removesuffix(".weight")


def read(folder: Path, record: Record) -> Runtime:
    """The model of peft around that of transformers.

    Raises:
        BundleError: When the pretrained weights are not at hand, or the settings are not such as
            `write` writes.
        ModelError: When transformers has no such architecture.
    """
    from peft import PeftModel
    from transformers import CLIPConfig, CLIPModel

    _check_settings(folder)
    config = read_mapping(folder / CONFIG).get("model_cfg")
    check_config(config)
    with torch.device("meta"):
        model: Any = CLIPModel(CLIPConfig(**settings(config or {})))
    state = renamed(base_weights(record.base))
    model.to_empty(device="cpu")
    model.load_state_dict(state, strict=False)
    _fill_positions(model)
    with quiet():
        model = PeftModel.from_pretrained(model, str(folder), local_files_only=True).eval()
    stored = load_file(folder / HEAD)
    head = head_from_state(stored, *stored["weight"].shape)
    preprocessing, uncertainty = record.parts()

    def run(images: PixelArray) -> GraphAnswers:
        pixels = torch.stack([preprocessing(Image.fromarray(image)) for image in images])
        with torch.inference_mode():
            pooled = model.get_image_features(pixel_values=pixels).pooler_output
            features = F.normalize(pooled, dim=-1)
        return answers_from(features, head, record.temperature, uncertainty, record.labelling)

    return run


def _check_settings(folder: Path) -> None:
    """Refuse settings that `write` does not write: some name modules that peft would import."""
    path = folder / SETTINGS
    content = read_mapping(path)
    problems = [misfit(hint, content.get(name), name) for name, hint in FIELDS.items()]
    fixed = {name: content.get(name) for name in FIXED}
    if set(content) != {*FIELDS, *FIXED} or any(problems) or fixed != FIXED:
        raise BundleError(f"{path} - other settings - {str(content)[:60]} - {COPY}")
    if strange := [name for name in content["target_modules"] if not LAYER.fullmatch(name)]:
        raise BundleError(f"{path} - not a layer of CLIPModel - {strange[0]!r:.80} - {COPY}")
    if not (folder / WEIGHTS).is_file():
        raise BundleError(f"{folder} - no weights - {WEIGHTS} is missing - {COPY}")


def _fill_positions(model: nn.Module) -> None:
    """Counters that no file holds, and an empty model lacks."""
    for name, buffer in model.named_buffers():
        if name.endswith("position_ids"):
            buffer.copy_(torch.arange(buffer.shape[-1])[None])


FORMATS.register(
    "peft",
    Format("LoRA as an adapter of peft for CLIPModel of transformers, and the head", write, read),
)
