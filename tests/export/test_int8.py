"""Eight bits are kept where they cost little, and refused where they cost much."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score

import adapt
from adapt.data.decoding.preprocessing import PixelArray
from adapt.data.sources.image_list import ImageList
from adapt.errors import ModelError, RecipeError
from adapt.export.answers import GraphAnswers, Runtime
from adapt.export.base import FORMATS, Format
from adapt.export.formats import lean
from adapt.export.load import verify
from adapt.export.record import Record
from adapt.export.write import export
from adapt.models.classifier import Classifier
from adapt.models.prediction.labelling import SeveralLabels
from tests.helpers.tiny import tiny_classifier

DATA = Path(adapt.__file__).parent / "data" / "embedded" / "pictograms" / "emoji" / "test"


@pytest.fixture(scope="module")
def images() -> ImageList:
    return adapt.Images.from_folder(DATA).subset(range(0, 441, 3))


@pytest.fixture(scope="module")
def model(images: ImageList) -> Classifier:
    return Classifier.from_clip("adapt-icons-xs", "embedded", images.class_names)


@pytest.fixture(scope="module")
def folder(model: Classifier, images: ImageList, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(model, tmp_path_factory.mktemp("int8") / "out", "onnx", int8=images)


def accuracy(path: Path, model: Classifier, images: ImageList) -> float:
    """With onnxruntime alone."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    own = model.backbone.preprocessing
    pixels = np.stack([own.pixels(Image.open(path).convert("RGB")) for path in images.paths])
    (probabilities,) = session.run(["probabilities"], {"images": pixels})
    labels = [model.class_names[place] for place in probabilities.argmax(1)]
    return float(np.mean([a == b for a, b in zip(labels, images.labels, strict=True)]))


@pytest.mark.slow  # exports to ONNX
def test_what_is_written_is_what_onnxruntime_says(
    folder: Path, model: Classifier, images: ImageList, tmp_path: Path
) -> None:
    facts = json.loads((folder / "parity.json").read_text())
    assert facts["precision"] == "int8"
    own = facts["val"]
    plain = export(model, tmp_path / "plain", "onnx")
    before, after = (accuracy(f / "model.onnx", model, images) for f in (plain, folder))
    assert own["accuracy_float32"] == pytest.approx(before, abs=1.01 / len(images))
    assert own["accuracy_int8"] == pytest.approx(after, abs=1.01 / len(images))
    assert own["points_lost"] == pytest.approx(
        100 * (own["accuracy_float32"] - own["accuracy_int8"])
    )
    assert own["points_lost"] <= 1
    assert own["images"] == len(images)
    assert own["calibrated_on"] == min(len(images), 256)
    assert own["same_label"] > 0.9
    sizes = [(f / "model.onnx").stat().st_size for f in (folder, plain)]
    assert sizes[0] < 0.4 * sizes[1]


@pytest.mark.slow  # exports to ONNX
def test_products_with_weights_are_in_eight_bits_per_channel(folder: Path) -> None:
    graph = onnx.load(folder / "model.onnx").graph
    kinds = [node.op_type for node in graph.node]
    weights = [own for own in graph.initializer if own.name.endswith("_quantized")]
    # The embedded model has six blocks of four products, one convolution, a projection and a head.
    matrices = [own for own in weights if len(own.dims) >= 2]
    assert len(matrices) == 6 * 4 + 3
    assert all(own.data_type == onnx.TensorProto.INT8 for own in matrices)
    assert all(abs(onnx.numpy_helper.to_array(own).astype(int)).max() <= 64 for own in matrices)
    scales = [own for own in graph.initializer if own.name.endswith("_scale") and own.dims]
    assert len([own for own in scales if own.dims[0] > 1]) >= len(matrices)
    assert "QuantizeLinear" in kinds


@pytest.mark.slow  # exports to ONNX
def test_it_is_verified_and_loaded(folder: Path, model: Classifier, images: ImageList) -> None:
    assert verify(folder).probabilities < 1e-4
    loaded = adapt.load(folder)
    part = images.subset(range(0, 147, 3))
    said = [own.label for own in loaded.predict(part.paths)]
    right = np.mean([a == b for a, b in zip(said, part.labels, strict=True)])
    assert right == pytest.approx(accuracy(folder / "model.onnx", model, part), abs=1e-9)


def test_a_loss_beyond_the_limit_leaves_nothing(
    model: Classifier, images: ImageList, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In eight bits every answer is the first class: the loss is that of its share."""

    def read(folder: Path, record: Record) -> Runtime:
        plain, broken = lean.read(folder, record), (folder / "small").exists()

        def run(batch: PixelArray) -> GraphAnswers:
            answers = plain(batch)
            if broken:
                answers.probabilities[:] = np.eye(len(model.class_names))[0]
            return answers

        return run

    format_ = Format("", lean.write, read, int8=lambda folder, _: (folder / "small").touch())
    monkeypatch.setattr(FORMATS, "table", lambda: {"lean": format_})
    given = [own.label for own in model.predict(images.paths)]
    said = [a == b for a, b in zip(given, images.labels, strict=True)]
    first = [label == model.class_names[0] for label in images.labels]
    lost = 100 * (np.mean(said) - np.mean(first))
    assert lost > 1
    shares = f"{100 * np.mean(first):.1f} % in eight bits, {100 * np.mean(said):.1f} % in float32"
    with pytest.raises(
        ModelError, match=f"loses accuracy - {shares} on 147 images, .* 0.68 points"
    ):
        export(model, tmp_path / "out", "lean", int8=images)
    assert not list(tmp_path.iterdir())


def test_several_labels_are_kept_by_their_map(
    images: ImageList, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The eight bits are made up: a little noise on each probability, or other ones."""
    few = images.subset(range(0, 147, 2))
    names, several = few.class_names, tiny_classifier(names=few.class_names)
    several = several.with_labelling(SeveralLabels([[f"no {name}"] for name in names]))
    sets = [tuple(sorted({own, names[row % 5]})) for row, own in enumerate(few.labels)]
    few = replace(few, labels=["|".join(own) for own in sets], label_sets=sets)
    size = {"noise": 1e-6}

    def read(folder: Path, record: Record) -> Runtime:
        plain, small = lean.read(folder, record), (folder / "small").exists()

        def run(batch: PixelArray) -> GraphAnswers:
            answers = plain(batch)
            if small:
                random = np.random.default_rng(len(batch))
                noise = random.uniform(-1, 1, answers.probabilities.shape) * size["noise"]
                answers.probabilities[:] = np.clip(answers.probabilities + noise, 0, 1)
            return answers

        return run

    format_ = Format("", lean.write, read, int8=lambda folder, _: (folder / "small").touch())
    monkeypatch.setattr(FORMATS, "table", lambda: {"lean": format_})
    folder = export(several, tmp_path / "out", "lean", int8=few)
    own = json.loads((folder / "parity.json").read_text())["val"]
    odds = np.zeros((len(few), len(names)))
    for row, answer in enumerate(several.predict(few.paths, top=len(names))):
        for name, value in answer.top:
            odds[row, names.index(name)] = value
    marks = few.targets(names)
    present = marks.any(axis=0)
    wanted = average_precision_score(marks[:, present], odds[:, present])
    assert own["mAP_float32"] == pytest.approx(wanted, abs=1e-3)
    assert own["points_lost"] == pytest.approx(100 * (own["mAP_float32"] - own["mAP_int8"]))
    assert "accuracy_int8" not in own
    size["noise"] = 1.0
    chosen = odds > np.median(odds, axis=0)  # the model is right on all of these
    better = replace(few, label_sets=[tuple(np.array(names)[row].tolist()) for row in chosen])
    with pytest.raises(ModelError, match="loses mAP"):
        export(several, tmp_path / "again", "lean", int8=better)
    assert not (tmp_path / "again").exists()
    with pytest.raises(RecipeError, match="not of the model's kind"):
        export(several, tmp_path / "again", "lean", int8=images)


def test_other_formats_have_none(model: Classifier, images: ImageList, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="format lean has no eight bits - use --to onnx"):
        export(model, tmp_path / "out", "lean", int8=images)
    assert not list(tmp_path.iterdir())
