"""One model, one answer: evaluation, `predict`, another process, every export and the server.

Two hundred image files of mixed shapes and modes go every way that a shipped model can be asked.
"""

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

import adapt
from adapt.common.arrays import FloatArray
from adapt.data.decoding.open import open_image
from adapt.data.sources.image_list import ImageList
from adapt.ensembling.line import mix
from adapt.export.answers import GraphAnswers
from adapt.export.opened import ExportedClassifier
from adapt.export.write import export
from adapt.models.adapters.lora import LoraSettings
from adapt.models.classifier import Classifier
from adapt.models.prediction.stream import Prediction
from adapt.models.prediction.uncertainty import Uncertainty
from adapt.training.features.encode import predict_logits
from adapt.training.features.pixels import prepare
from adapt.training.settings import Runtime
from tests.helpers.bundles import learned
from tests.helpers.exports import cached
from tests.helpers.serving import running
from tests.helpers.tiny import RESNET, TIMM, VIT, run_python, tiny_classifier
from tests.helpers.tuned import with_adapters

pytestmark = [pytest.mark.slow, pytest.mark.numerical]
COUNT, NEAR = 200, 1e-4
MODES = ("RGB", "L", "RGBA", "LA", "P", "1", "CMYK", "RGB")
SUFFIXES = {"CMYK": "jpg", "RGBA": "webp", "L": "bmp", "P": "gif"}
CODE = """
import json, sys, adapt
model = adapt.load(sys.argv[1])
answers = model.predict(json.load(open(sys.argv[2])), top=99)
facts = [[a.label, a.abstained, a.unknown, sorted(a.labels), dict(a.top)] for a in answers]
print(json.dumps(facts))
"""


def low_rank() -> Classifier:
    """Random adapters, merged and mixed."""
    start = tiny_classifier(VIT, seed=2)
    settings = LoraSettings(2, 8.0, False, 0.0, ["q", "v", "mlp"], "image", [])
    return mix(start, with_adapters(start, settings, 0.2), 0.7)


MODELS: dict[str, Callable[[], Classifier]] = {
    "vit": lambda: learned(VIT),
    "resnet": lambda: learned(RESNET),
    "timm": lambda: learned(TIMM),
    "lora": low_rank,
    "cache": lambda: cached(learned(VIT)),
    "zero-shot": lambda: tiny_classifier(VIT, seed=5),
}


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Files of all modes and of sides from 5 to 300 pixels."""
    folder, random, made = tmp_path_factory.mktemp("images"), np.random.default_rng(0), []
    for number in range(COUNT):
        mode = MODES[number % len(MODES)]
        height, width = random.integers(5, 300, 2)
        grid = random.integers(0, 256, (height // 8 + 1, width // 8 + 1, 4), dtype=np.uint8)
        pixels = np.kron(grid, np.ones((8, 8, 1), np.uint8))[:height, :width]
        image = Image.fromarray(pixels, "RGBA")
        image = image if mode == "RGBA" else image.convert("RGB").convert(mode)
        made.append(str(folder / f"{number}.{SUFFIXES.get(mode, 'png')}"))
        image.save(made[-1], **({"lossless": True} if mode == "RGBA" else {}))
    return made


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest, paths: list[str], tiny_architectures: None) -> Classifier:
    """With thresholds that half of the images reach, none of them within rounding of one."""
    plain = MODELS[request.param]()
    images = [open_image(path) for path in paths]
    with torch.inference_mode():
        logits = torch.cat([plain(plain.backbone.preprocessing(i)[None]) for i in images])
        # Random weights give all images one class; without what they share, each has its own.
        shared = logits.mean(0)
        plain.head.bias -= shared
        logits = logits - shared
    own = plain.probabilities(logits).numpy()
    energy = plain.temperature * torch.logsumexp(logits.double() / plain.temperature, 1)
    return plain.with_uncertainty(
        Uncertainty(
            abstain_below=between(own.max(1)),
            abstain_coverage=0.5,
            conformal_level=0.5,
            conformal_threshold=between(1 - own),
            unknown_detector="energy",
            unknown_threshold=between(energy.numpy()),
        )
    )


def between(values: FloatArray) -> float:
    """The middle of the widest gap among the middle fifth of the values."""
    ordered = np.sort(values.ravel())
    middle = ordered[int(0.4 * len(ordered)) : int(0.6 * len(ordered))]
    place = np.diff(middle).argmax()
    return float(middle[place : place + 2].mean())


@pytest.fixture(scope="module")
def truth(model: Classifier, paths: list[str]) -> list[Prediction]:
    """What `predict` says, image by image."""
    return [answer for path in paths for answer in model.predict(path, top=99)]


def probabilities(answers: list[Prediction], names: list[str]) -> FloatArray:
    return np.array([[dict(answer.top)[name] for name in names] for answer in answers])


def same(given: list[Prediction], truth: list[Prediction], names: list[str]) -> None:
    for own, wanted in zip(given, truth, strict=True):
        assert own.error is None
        assert (own.label, own.abstained, own.unknown) == (
            wanted.label, wanted.abstained, wanted.unknown,
        )  # fmt: skip
        assert set(own.labels) == set(wanted.labels)
    np.testing.assert_allclose(
        probabilities(given, names), probabilities(truth, names), rtol=0, atol=NEAR
    )


def test_the_verdicts_are_mixed(truth: list[Prediction]) -> None:
    """Otherwise their equality would say nothing."""
    assert {answer.abstained for answer in truth} == {False, True}
    assert {answer.unknown for answer in truth} == {False, True}
    assert len({frozenset(answer.labels) for answer in truth}) > 1
    assert len({answer.label for answer in truth}) > 1


def test_in_batches(model: Classifier, paths: list[str], truth: list[Prediction]) -> None:
    same(model.predict(paths, batch_size=64, top=99), truth, model.class_names)


def test_evaluation(model: Classifier, paths: list[str], truth: list[Prediction]) -> None:
    images = ImageList(paths, [model.class_names[0]] * COUNT, None, None, "/", {})
    runtime = Runtime(accelerator="cpu", workers="0", batch_size=32)
    pixels = prepare(images, model.backbone.preprocessing, runtime)
    logits = torch.from_numpy(predict_logits(model, pixels, runtime))
    own = model.probabilities(logits).numpy()
    np.testing.assert_allclose(own, probabilities(truth, model.class_names), rtol=0, atol=NEAR)
    labels = [model.class_names[place] for place in own.argmax(1)]
    assert labels == [answer.label for answer in truth]


def test_another_process(
    model: Classifier, paths: list[str], truth: list[Prediction], tmp_path: Path
) -> None:
    (tmp_path / "paths.json").write_text(json.dumps(paths))
    folder = model.save(tmp_path / "model")
    said = json.loads(run_python(CODE, tmp_path, str(folder), str(tmp_path / "paths.json")))
    given = [
        Prediction("", label, 0.0, list(top.items()), None, abstained, tuple(labels), unknown)
        for label, abstained, unknown, labels, top in said
    ]
    same(given, truth, model.class_names)


@pytest.mark.parametrize("to", ["onnx", "torch", "lean", "open_clip"])
def test_exports(
    to: str, model: Classifier, paths: list[str], truth: list[Prediction], tmp_path: Path
) -> None:
    """From files, from decoded images of any size, and from the reference preprocessor."""
    folder = export(model, tmp_path / "out", to)
    loaded = adapt.load(folder, trust=to == "torch")
    assert isinstance(loaded, ExportedClassifier)
    same(loaded.predict(paths, top=99), truth, model.class_names)
    if to != "onnx":
        return
    read: Any = runpy.run_path(str(folder / "preprocess.py"))["read"]
    own = json.loads((folder / "export.json").read_text())["preprocessing"]
    squares = np.stack([read(path, own) for path in paths])
    _compare(loaded.runtime(squares), truth, model.class_names)
    for path, wanted in zip(paths, truth, strict=True):
        whole = np.asarray(open_image(path))
        _compare(loaded.runtime(whole[None]), [wanted], model.class_names)


def _compare(given: GraphAnswers, truth: list[Prediction], names: list[str]) -> None:
    wanted = probabilities(truth, names)
    np.testing.assert_allclose(given.probabilities, wanted, rtol=0, atol=NEAR)
    assert [names[place] for place in given.probabilities.argmax(1)] == [a.label for a in truth]
    assert given.abstained.tolist() == [answer.abstained for answer in truth]
    assert given.unknown.tolist() == [answer.unknown for answer in truth]
    sets = [{names[place] for place in np.flatnonzero(row)} for row in given.conformal_set]
    assert sets == [set(answer.labels) for answer in truth]


def test_the_server(
    model: Classifier, paths: list[str], truth: list[Prediction], tmp_path: Path
) -> None:
    with running(model.save(tmp_path / "model")) as server:
        replies = [
            server.predict(Path(path).read_bytes(), "application/octet-stream", "?top=99")
            for path in paths
        ]
    given = []
    for reply in replies:
        (own,) = reply.results
        top = [(place["label"], place["probability"]) for place in own["top"]]
        verdicts = own["abstained"], tuple(own["set"]), own["unknown"]
        given.append(Prediction("", own["label"], own["confidence"], top, None, *verdicts))
    same(given, truth, model.class_names)


def test_features_of_plain_open_clip(model: Classifier, paths: list[str], tmp_path: Path) -> None:
    folder = model.save(tmp_path / "model")
    theirs, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    images = [open_image(path) for path in paths]
    with torch.inference_mode():
        own = torch.cat([model.features(model.backbone.preprocessing(i)[None]) for i in images])
        plain = theirs.eval().encode_image(torch.stack([transform(image) for image in images]))
    np.testing.assert_allclose(F.normalize(plain, dim=-1).numpy(), own.numpy(), rtol=0, atol=1e-5)
