"""A folder of plain open_clip, with the head beside it."""

from pathlib import Path

import open_clip
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file

from adapt.common.files import write_json
from adapt.data.decoding.preprocessing import PixelArray
from adapt.errors import ModelError
from adapt.export.answers import GraphAnswers, Runtime, answers_from
from adapt.export.base import FORMATS, Format
from adapt.export.record import Record
from adapt.models.architectures import check_config
from adapt.models.bundle.manifest import CONFIG, ENCODERS, HEAD, read_mapping
from adapt.models.bundle.tensors import save_tensors
from adapt.models.cache_head import head_from_state
from adapt.models.classifier import Classifier
from adapt.models.penultimate import PROJECTED


def write(classifier: Classifier, folder: Path) -> None:
    """What `open_clip.create_model_and_transforms("local-dir:...")` reads, and the head.

    Raises:
        ModelError: When plain open_clip has no such features, or would look up the text encoder.
    """
    own = classifier.backbone
    if own.features != PROJECTED:
        raise ModelError(
            f"features - not those of open_clip - {own.features} - use the format onnx, torch or "
            "lean"
        )
    if own.spec.text_model is not None or own.spec.tokenizer is not None:
        raise ModelError(
            f"{own.spec.arch} - open_clip would look up its text encoder at the hub - "
            "a text encoder of Hugging Face - use the format onnx, torch or lean"
        )
    plain = classifier.clone().float().cpu()
    write_json(
        folder / CONFIG,
        {"model_cfg": own.spec.config, "preprocess_cfg": own.preprocessing.to_dict()},
    )
    save_tensors(plain.backbone.model.state_dict(), folder / ENCODERS)
    save_tensors(plain.head.state_dict(), folder / HEAD)


def read(folder: Path, record: Record) -> Runtime:
    """open_clip's own model and transform.

    Raises:
        ModelError: When the config asks for what is not on the list of what may be built, such as
            a download.
    """
    check_config(read_mapping(folder / CONFIG).get("model_cfg"))
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    model, state = model.eval(), load_file(folder / HEAD)
    classes, width = state["weight"].shape
    head, (_, uncertainty) = head_from_state(state, classes, width), record.parts()

    def run(images: PixelArray) -> GraphAnswers:
        pixels = torch.stack([transform(Image.fromarray(image)) for image in images])
        with torch.inference_mode():
            features = F.normalize(model.encode_image(pixels), dim=-1)
        return answers_from(features, head, record.temperature, uncertainty, record.labelling)

    return run


FORMATS.register(
    "open_clip",
    Format("a folder that plain open_clip loads, with the head beside it", write, read),
)
