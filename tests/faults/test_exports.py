"""Exports made to do harm are refused with a sentence: nothing runs, no other file is read.

Whoever changes a file also writes its hash anew, so the hashes are no defence here.
"""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

import adapt
from adapt.errors import BundleError, ModelError
from adapt.export.answers import GraphAnswers
from adapt.export.formats.peft import SETTINGS
from adapt.export.load import verify
from adapt.export.opened import ExportedClassifier
from adapt.export.record import RECORD, Record
from adapt.export.write import export
from adapt.models.adapters.lora import LoraSettings
from adapt.models.classifier import Classifier
from tests.helpers.bundles import learned
from tests.helpers.exports import noise
from tests.helpers.tiny import VIT
from tests.helpers.tuned import with_adapters


class Payload:
    """What a pickle can do when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def signed_again(folder: Path, record: Record) -> Path:
    """The folder with hashes of what is in it now."""
    (folder / RECORD).unlink()
    record.write(folder)
    return folder


@pytest.fixture(scope="module")
def model(tiny_architectures: None) -> Classifier:
    return learned(VIT)


@pytest.fixture
def lean(model: Classifier, tmp_path: Path) -> Path:
    return export(model, tmp_path / "out", "lean")


def other_format(folder: Path, to: str) -> Record:
    """The record of a folder, of which it says that it is of another format."""
    own = Record.read(folder)
    return Record(**{**vars(own), "to": to})


def test_a_torch_program_is_not_opened_without_trust(lean: Path, tmp_path: Path) -> None:
    """PyTorch reads parts of it with pickle: the payload would run."""
    mark, record = tmp_path / "ran", other_format(lean, "torch")
    with zipfile.ZipFile(lean / "model.pt2", "w") as packed:
        packed.writestr("model/data/sample_inputs/model.pt", pickle.dumps(Payload(mark)))
    signed_again(lean, record)
    for ask in (adapt.load, verify):
        with pytest.raises(BundleError, match=r"can run code - PyTorch reads it .* --trust"):
            ask(lean)
    assert not mark.exists()


def graph(initializer: TensorProto | None = None, names: list[str] | None = None) -> bytes:
    """A model that adds a number to its images."""
    names = names or list(GraphAnswers.names())
    zero = helper.make_tensor("w", TensorProto.FLOAT, [4], np.zeros(4, np.float32))
    nodes = [helper.make_node("Cast", ["images"], ["x"], to=TensorProto.FLOAT)]
    nodes += [helper.make_node("Identity", ["w"], [name]) for name in names]
    made = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["b", "h", "w", 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names],
        [initializer or zero],
    )
    opsets = [helper.make_opsetid("", 20)]
    return helper.make_model(made, opset_imports=opsets, ir_version=10).SerializeToString()


def outside(place: str) -> TensorProto:
    """A weight that is in another file."""
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", place), ("length", "16")):
        entry = weight.external_data.add()
        entry.key, entry.value = key, value
    return weight


@pytest.mark.parametrize("place", ["../secret.bin", "{}/secret.bin", "a/../../secret.bin"])
def test_onnx_with_data_outside_of_the_folder(place: str, lean: Path, tmp_path: Path) -> None:
    np.arange(4, dtype=np.float32).tofile(tmp_path / "secret.bin")
    record = other_format(lean, "onnx")
    (lean / "model.onnx").write_bytes(graph(outside(place.format(tmp_path))))
    with pytest.raises(BundleError, match=r"model\.onnx - cannot be opened - .*xternal data"):
        adapt.load(signed_again(lean, record))


def test_onnx_with_data_behind_a_link(lean: Path, tmp_path: Path) -> None:
    np.arange(4, dtype=np.float32).tofile(tmp_path / "secret.bin")
    record = other_format(lean, "onnx")
    (lean / "model.onnx").write_bytes(graph(outside("link.bin")))
    (lean / "link.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(BundleError, match="not a plain file - a link"):
        adapt.load(signed_again(lean, record))


@pytest.mark.parametrize("content", [b"", b"no model", graph()[:-7], b"\xff" * 100])
def test_onnx_that_is_damaged(content: bytes, lean: Path) -> None:
    record = other_format(lean, "onnx")
    (lean / "model.onnx").write_bytes(content)
    with pytest.raises(BundleError, match=r"model\.onnx - cannot be opened"):
        adapt.load(signed_again(lean, record))


def test_onnx_with_other_outputs(lean: Path) -> None:
    record = other_format(lean, "onnx")
    (lean / "model.onnx").write_bytes(graph(names=["y"]))
    with pytest.raises(BundleError, match="other inputs or outputs"):
        adapt.load(signed_again(lean, record))


def test_onnx_that_gives_other_shapes(lean: Path) -> None:
    record = other_format(lean, "onnx")
    (lean / "model.onnx").write_bytes(graph())
    loaded = adapt.load(signed_again(lean, record))
    with pytest.raises(BundleError, match=r"not one probability per class - \(4,\) for 1 images"):
        loaded.predict(noise(1))


@pytest.mark.parametrize(
    "change",
    [
        {"hf_model_name": "evil/model"},
        {"hf_tokenizer_name": "evil/model"},
        {"tokenizer_kwargs": {"trust_remote_code": True}},
    ],
)
def test_open_clip_with_what_would_be_looked_up(
    change: dict[str, Any], model: Classifier, tmp_path: Path
) -> None:
    folder = export(model, tmp_path / "out", "open_clip")
    record, path = Record.read(folder), folder / "open_clip_config.json"
    config = json.loads(path.read_text())
    config["model_cfg"]["text_cfg"] |= change
    path.write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"model_cfg\.text_cfg"):
        adapt.load(signed_again(folder, record))


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    start = Classifier.from_clip("adapt-icons-xs", "embedded", ["cat", "dog"])
    model = with_adapters(start, LoraSettings(1, 2.0, False, 0.0, ["q"], "image", [-1]))
    return export(model, tmp_path_factory.mktemp("adapter") / "out", "peft")


@pytest.mark.parametrize(
    "change",
    [
        lambda own: own.update(peft_type="PROMPT_TUNING"),
        lambda own: own.update(megatron_core="os", megatron_config={}),
        lambda own: own.update(auto_mapping={"base_model_class": "x"}),
        lambda own: own.update(target_modules="(a+)+$"),
        lambda own: own.update(target_modules=["vision_model.encoder.layers.0.__class__"]),
        lambda own: own.update(r="8"),
        lambda own: own.pop("bias"),
    ],
)
def test_peft_with_other_settings(change: Callable[[dict[str, Any]], Any], adapter: Path) -> None:
    record, path = Record.read(adapter), adapter / SETTINGS
    before = path.read_text()
    own = json.loads(before)
    change(own)
    path.write_text(json.dumps(own))
    try:
        with pytest.raises(BundleError, match=r"other settings|not a layer"):
            ExportedClassifier.load(signed_again(adapter, record))
    finally:
        path.write_text(before)
        signed_again(adapter, record)


def test_what_was_not_changed_is_opened(adapter: Path, lean: Path) -> None:
    assert len(adapt.load(adapter).predict(noise(2))) == 2
    assert len(adapt.load(lean).predict(noise(2))) == 2


def test_a_pickle_among_the_files_is_not_read(lean: Path, tmp_path: Path) -> None:
    mark, record = tmp_path / "ran", Record.read(lean)
    stream = io.BytesIO()
    pickle.dump(Payload(mark), stream)
    (lean / "image_encoder.safetensors").write_bytes(stream.getvalue())
    with pytest.raises(BundleError, match="damaged weights"):
        adapt.load(signed_again(lean, record))
    assert not mark.exists()
