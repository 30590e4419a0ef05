"""MLflow: a model in a run and in the model registry, and its `pyfunc`.

What is stored is the folder of the model and the name of this module, which MLflow imports to open
it: nothing is pickled. https://mlflow.org/docs/latest/ml/model/
"""

import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from adapt.common.typed import resolve_path
from adapt.data.decoding.formats import refuse
from adapt.errors import BundleError, DataError, ModelError, one_line
from adapt.export.base import FORMATS
from adapt.export.load import Loaded, is_export, load, verify
from adapt.export.registries.folders import check_installed, fetched, listing_of
from adapt.models.bundle.manifest import DELTA, OWN_HASH
from adapt.models.prediction.inputs import NamedImage
from adapt.models.prediction.stream import Prediction
from adapt.version import __version__

EXTRA, DATA = "mlflow", "data"
PATH, IMAGE = "path", "image"
COLUMNS = ("label", "confidence", "abstained", "set", "unknown", "error")
KINDS = {"confidence": float, "abstained": bool, "unknown": bool}
PREDICTS = ("torch", "torchvision", "open_clip_torch", "safetensors", "Pillow", "numpy")
"""What a model needs to predict, beside this package."""


def log_model(
    model: str | Path, name: str = "model", registered_model_name: str | None = None
) -> Any:
    """Verify a model, and log its folder to the active run of MLflow as a `pyfunc`.

    Args:
        model: A bundle or an export; a delta is restored first.
        name: Of the logged model.
        registered_model_name: Also makes it the next version of this model in the registry.

    Returns:
        MLflow's `ModelInfo`; `load_model` and `mlflow.pyfunc.load_model` take its `model_uri`.

    Raises:
        BundleError: When the model was altered, is a delta, or of a kind that could run code.
        MissingExtraError: When MLflow is not installed.
    """
    folder = resolve_path(model).resolve()
    content = listing_of(folder)
    if DELTA in content["files"]:
        raise BundleError(
            f"{folder} - a delta - MLflow cannot be told where its pretrained weights are - log "
            "the whole model: adapt restore"
        )
    check_installed("mlflow", EXTRA)
    import mlflow

    verify(folder)
    facts = {name: content[name] for name in ("adapt", OWN_HASH)}
    return mlflow.pyfunc.log_model(
        name=name,
        loader_module=__name__,
        data_path=str(folder),
        signature=_signature(),
        pip_requirements=requirements(folder),
        registered_model_name=registered_model_name,
        metadata=facts | {"classes": len(content["class_names"])},
    )


def load_model(model_uri: str) -> Loaded:
    """Open a model that `log_model` logged, as `adapt.load` does; no code of the store is run.

    Args:
        model_uri: Such as `models:/pets/3` or `runs:/RUN/model`.

    Raises:
        BundleError: When it is none that `log_model` logged, or was altered.
        ModelError: When MLflow does not have it.
        MissingExtraError: When MLflow is not installed.
    """
    check_installed("mlflow", EXTRA)
    import mlflow

    def fetch(folder: Path) -> None:
        with TemporaryDirectory(prefix="adapt-", ignore_cleanup_errors=True) as place:
            try:
                local = mlflow.artifacts.download_artifacts(model_uri, dst_path=place)
            except (mlflow.exceptions.MlflowException, OSError) as error:
                raise ModelError(
                    f"{model_uri} - cannot be had from MLflow - {one_line(error)} - check the name "
                    "and MLFLOW_TRACKING_URI"
                ) from error
            models = [path for path in Path(local, DATA).glob("*") if path.is_dir()]
            if len(models) != 1:
                raise BundleError(
                    f"{model_uri} - not a model of adapt - {len(models)} folders below {DATA}/ - "
                    "log it with adapt.export.registries.mlflow.log_model"
                )
            shutil.copytree(models[0], folder, symlinks=True, dirs_exist_ok=True)

    return fetched(fetch)


def requirements(folder: Path) -> list[str]:
    """What `pip` installs where the model is to predict, in the versions that are here."""
    extra = FORMATS.table()[listing_of(folder)["to"]].extra if is_export(folder) else ""
    own = f"adapt-clip[{extra}]" if extra else "adapt-clip"
    return [f"{own}=={__version__}", *_installed()]


def _installed() -> Iterator[str]:
    for package in PREDICTS:
        try:
            yield f"{package}=={version(package)}"
        except PackageNotFoundError:
            yield package


def _signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Array

    inputs = [ColSpec("string", PATH, required=False), ColSpec("binary", IMAGE, required=False)]
    texts = [ColSpec("string", "label", required=False), ColSpec("double", "confidence"),
             ColSpec("boolean", "abstained"), ColSpec(Array(DataType.string), "set"),
             ColSpec("boolean", "unknown"), ColSpec("string", "error", required=False)]  # fmt: skip
    return ModelSignature(Schema(inputs), Schema(texts))


def _load_pyfunc(data_path: str) -> "PyfuncModel":
    """MLflow calls it with the folder of the model."""
    return PyfuncModel(load(data_path))


class PyfuncModel:
    """What `mlflow.pyfunc.load_model` predicts with.

    Args:
        model: A bundle or an export, opened.
    """

    def __init__(self, model: Loaded) -> None:
        self.model = model

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        """One row for each row of the input, with the same index.

        Args:
            model_input: With a column `path` (files that this machine can read), `image` (bytes of
                image files), or both, of which each row fills one.
            params: There are none.

        Returns:
            The columns `label`, `confidence`, `abstained`, `set` (a list of labels), `unknown` and
            `error`, as in `Prediction`.

        Raises:
            DataError: When neither column is there, or parameters are given.
        """
        if params:
            raise DataError(f"params - not known - {', '.join(params)} - leave them out")
        columns = [name for name in (IMAGE, PATH) if name in model_input]
        if not columns:
            given = ", ".join(map(str, model_input.columns))
            raise DataError(f"model_input - no images - columns {given} - give {PATH} or {IMAGE}")
        images = _named(model_input[columns])
        rows = [_row(found) for found in self.model.predictor.stream(images, top=1)]
        table = pd.DataFrame(rows, index=model_input.index, columns=list(COLUMNS), dtype=object)
        return table.astype(KINDS)


def _named(table: pd.DataFrame) -> Iterator[NamedImage]:
    for number, cells in enumerate(table.itertuples(index=False), 1):
        given = [cell for cell in cells if isinstance(cell, str | bytes)]
        name = given[0] if given and isinstance(given[0], str) else f"image {number}"
        if len(given) == 1:
            yield NamedImage(name, given[0])
        else:
            advice = f"fill {PATH} or {IMAGE}"
            problem = refuse(name, "not one image", f"{len(given)} given", advice)
            yield NamedImage(name, problem=problem)


def _row(found: Prediction) -> tuple[Any, ...]:
    return (found.label, found.confidence, found.abstained, list(found.labels), found.unknown,
            found.error)  # fmt: skip
