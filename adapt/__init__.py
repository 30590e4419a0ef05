"""Adapt a pretrained CLIP to your labelled images without losing what it already knew.

    import adapt

    data = adapt.ImageData.from_folder("photos", val=0.2)
    start = adapt.Classifier.from_clip("ViT-B-32", "openai", data.class_names)
    tuned = adapt.method("lora", rank=8).fit(start, data)
    best, curve = adapt.wise_ft(start, tuned, data.val)
    best.save("model")

Importing the package loads no torch; each name is loaded when first used.
"""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapt.errors import AdaptError
from adapt.version import __version__ as __version__

if TYPE_CHECKING:
    from adapt.checks.check import check
    from adapt.data.image_data import ImageData
    from adapt.data.images import Images
    from adapt.ensembling.wise_ft import mix, wise_ft
    from adapt.evaluation.evaluate import evaluate
    from adapt.explore.search.index import Index
    from adapt.export.load import load
    from adapt.methods import method
    from adapt.methods.estimator.classifier import FewShotClassifier
    from adapt.models.classifier import Classifier
    from adapt.runs.run import run
    from adapt.training.context import Context
    from adapt.training.data_module import ImageDataModule
    from adapt.training.module import AdaptModule
    from adapt.training.settings import Optim

_HOMES = {
    "AdaptModule": "adapt.training.module",
    "Classifier": "adapt.models.classifier",
    "Context": "adapt.training.context",
    "FewShotClassifier": "adapt.methods.estimator.classifier",
    "ImageData": "adapt.data.image_data",
    "ImageDataModule": "adapt.training.data_module",
    "Images": "adapt.data.images",
    "Index": "adapt.explore.search.index",
    "Optim": "adapt.training.settings",
    "check": "adapt.checks.check",
    "evaluate": "adapt.evaluation.evaluate",
    "load": "adapt.export.load",
    "method": "adapt.methods",
    "mix": "adapt.ensembling.wise_ft",
    "run": "adapt.runs.run",
    "wise_ft": "adapt.ensembling.wise_ft",
}

__all__ = [
    "AdaptError",
    "AdaptModule",
    "Classifier",
    "Context",
    "FewShotClassifier",
    "ImageData",
    "ImageDataModule",
    "Images",
    "Index",
    "Optim",
    "check",
    "evaluate",
    "load",
    "method",
    "mix",
    "run",
    "wise_ft",
]


_OF_ANOTHER_PACKAGE = ("feature_based", "instance_based", "parameter_based")


def _check_folder(folder: Path) -> None:
    """Refuse a folder that also holds the domain adaptation package named `adapt`.

    Raises:
        AdaptError: When it does: which file of the two is imported would be an accident.
    """
    if mixed := [name for name in _OF_ANOTHER_PACKAGE if (folder / name).exists()]:
        raise AdaptError(
            f"{folder} - mixed with another package - {mixed[0]} belongs to the package `adapt` "
            "for domain adaptation - pip uninstall adapt adapt-clip, then install adapt-clip again"
        )


_check_folder(Path(__file__).parent)


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'adapt' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
