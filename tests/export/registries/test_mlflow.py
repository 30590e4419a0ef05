"""Logged, registered and loaded with MLflow itself, which writes to a folder here."""

import base64
import json
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from adapt.errors import BundleError, DataError, MissingExtraError, ModelError
from adapt.export.load import load
from adapt.export.registries.mlflow import PyfuncModel, load_model, log_model, requirements
from adapt.version import __version__
from tests.helpers.commands import ROOT
from tests.helpers.tiny import bit_equal, weights

COLUMNS = ["label", "confidence", "abstained", "set", "unknown", "error"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where MLflow keeps its database, which takes seconds to make, and the models."""
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture
def store(kept: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module `mlflow`, with a store of its own."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    mlflow = pytest.importorskip("mlflow", reason="the extra `mlflow` is not installed")
    monkeypatch.chdir(kept)
    address = f"sqlite:///{kept}/mlflow.db"
    mlflow.set_tracking_uri(address)
    mlflow.set_registry_uri(address)
    name = f"e{len(mlflow.search_experiments())}"
    place = str(kept / name)
    mlflow.set_experiment(experiment_id=mlflow.create_experiment(name, place))
    yield mlflow
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    """Two images, one file that is none, one that is missing."""
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        pixels = random.integers(0, 256, (30, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    (folder / "c.png").write_text("no image")
    return [str(folder / name) for name in ("a.png", "b.png", "c.png", "none.png")]


def expected(folder: Path, images: list[Any]) -> list[tuple[Any, ...]]:
    found = load(folder).predict(images)
    return [(p.label, p.confidence, p.abstained, list(p.labels), p.unknown) for p in found]


def rows(table: pd.DataFrame) -> list[tuple[Any, ...]]:
    labels = [None if pd.isna(label) else label for label in table["label"]]
    rest = (list(table[name]) for name in COLUMNS[1:5])
    return list(zip(labels, *rest, strict=True))


@pytest.mark.parametrize("kind", ["plain", "export"])
def test_paths_and_bytes(shipped: dict[str, Path], photos: list[str], kind: str) -> None:
    model = PyfuncModel(load(shipped[kind]))
    by_path = model.predict(pd.DataFrame({"path": photos}, index=[5, 6, 7, 8]))
    assert list(by_path.columns) == COLUMNS
    assert list(by_path.index) == [5, 6, 7, 8]
    assert rows(by_path) == expected(shipped[kind], photos)
    assert [error is not None for error in by_path["error"]] == [False, False, True, True]
    content = [Path(photo).read_bytes() for photo in photos[:3]]
    by_bytes = model.predict(pd.DataFrame({"image": content}))
    assert rows(by_bytes) == rows(by_path)[:3]
    mixed = pd.DataFrame({"path": [photos[0], None, None, photos[0]],
                          "image": [None, content[1], None, content[0]]})  # fmt: skip
    both = model.predict(mixed)
    assert rows(both)[:2] == rows(by_path)[:2]
    assert both["error"][2] == "image 3 - not one image - 0 given - fill path or image"
    assert "not one image - 2 given" in both["error"][3]
    assert len(model.predict(pd.DataFrame({"path": []}))) == 0


def test_what_is_refused(shipped: dict[str, Path]) -> None:
    model = PyfuncModel(load(shipped["plain"]))
    with pytest.raises(DataError, match="no images - columns file - give path or image"):
        model.predict(pd.DataFrame({"file": ["a.png"]}))
    with pytest.raises(DataError, match="params - not known - top"):
        model.predict(pd.DataFrame({"path": ["a.png"]}), {"top": 3})


def test_requirements(shipped: dict[str, Path], tmp_path: Path) -> None:
    listed = requirements(shipped["plain"])
    assert listed[0] == f"adapt-clip=={__version__}"
    assert f"torch=={version('torch')}" in listed
    (tmp_path / "export.json").write_text('{"to": "onnx", "files": {}}')
    assert requirements(tmp_path)[0] == f"adapt-clip[onnx]=={__version__}"


def test_without_mlflow(shipped: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    for call in (lambda: log_model(shipped["plain"]), lambda: load_model("models:/pets/1")):
        with pytest.raises(MissingExtraError, match=r"pip install 'adapt-clip\[mlflow\]'"):
            call()


def answered(theirs: Any, images: list[bytes]) -> list[str]:
    """What MLflow's own server answers to JSON with these images in base64."""
    from mlflow.pyfunc.scoring_server import invocations

    data = [[base64.b64encode(image).decode()] for image in images]
    body = json.dumps({"dataframe_split": {"columns": ["image"], "data": data}})
    schema = theirs.metadata.get_input_schema()
    answer = invocations(body, "application/json", theirs, schema)
    assert answer.status == 200, answer.response
    return [row["label"] for row in json.loads(answer.response)["predictions"]]


@pytest.mark.parametrize("kind", ["bundle", "export"])
def test_logged_and_loaded(
    store: Any, kept: Path, shipped: dict[str, Path], photos: list[str], kind: str
) -> None:
    with store.start_run():
        info = log_model(shipped[kind], "pets", registered_model_name=kind)
    stored = {path.name for path in kept.rglob("*") if path.is_file()}
    assert {path.name for path in shipped[kind].iterdir()} < stored
    assert not [name for name in stored if name.endswith((".pkl", ".pickle", ".bin"))]
    for address in (info.model_uri, f"models:/{kind}/1"):
        again = load_model(address)
        assert again.class_names == load(shipped[kind]).class_names
        assert again.predict(photos) == load(shipped[kind]).predict(photos)
    theirs = store.pyfunc.load_model(f"models:/{kind}/1")
    assert rows(theirs.predict(pd.DataFrame({"path": photos}))) == expected(shipped[kind], photos)
    content = [Path(photo).read_bytes() for photo in photos[:2]]
    table = theirs.predict(pd.DataFrame({"image": content}))
    assert rows(table) == expected(shipped[kind], photos[:2])
    assert answered(theirs, content) == [label for label, *_ in expected(shipped[kind], photos[:2])]
    with pytest.raises(store.exceptions.MlflowException, match="Failed to enforce schema"):
        theirs.predict(pd.DataFrame({"path": [1.5]}))
    listing = "export.json" if kind == "export" else "classifier.json"
    own = json.loads((shipped[kind] / listing).read_text())
    assert theirs.metadata.metadata["sha256"] == own["sha256"]
    assert theirs.metadata.flavors["python_function"]["loader_module"] == (
        "adapt.export.registries.mlflow"
    )
    if kind == "bundle":
        assert bit_equal(weights(again), weights(load(shipped[kind])))


def test_what_is_no_model_of_ours(
    store: Any, kept: Path, shipped: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="cannot be had from MLflow"):
        load_model("models:/nothing/1")
    with store.start_run():
        info = log_model(shipped["plain"])
    head = next(kept.rglob(f"{info.model_id}/**/head.safetensors"))
    head.write_bytes(head.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(BundleError, match="altered"):
        load_model(info.model_uri)
    with pytest.raises(BundleError, match="altered"):
        store.pyfunc.load_model(info.model_uri)
    with store.start_run():
        (tmp_path / "text").mkdir()
        other = store.pyfunc.log_model(
            name="other",
            loader_module="json",
            data_path=str(tmp_path / "text"),
            pip_requirements=[],
        )
    with pytest.raises(BundleError, match="not a bundle"):
        load_model(other.model_uri)


def test_a_delta_is_restored_first(tmp_path: Path) -> None:
    shutil.unpack_archive(ROOT / "tests" / "fixtures" / "bundle_format_2.zip", tmp_path)
    with pytest.raises(BundleError, match=r"a delta.*adapt restore"):
        log_model(tmp_path / "delta")
