"""The bundle of the model that a run ships."""

from functools import partial
from pathlib import Path
from typing import Any

from adapt.models.bundle.reference import Reference
from adapt.models.bundle.tensors import weights_hash
from adapt.models.classifier import Classifier
from adapt.report.model_card import model_card
from adapt.runs.folder.stages import Stages


def save_shipped(
    folder: Path,
    shipped: Classifier,
    info: dict[str, Any],
    images: str,
    reference: Reference | None,
    stages: Stages,
) -> None:
    """Write the bundle of the model that ships, with its card; another process checks it.

    Args:
        folder: Run folder, whose `model` is written.
        shipped: The model, with its temperature and thresholds.
        info: What travels along.
        images: Hash of the run's images.
        reference: Statistics of its held-out images, where they have classes.
        stages: What remembers that the bundle is finished.
    """
    base = shipped.backbone.spec.base_hash
    card = model_card(folder, shipped.class_names, shipped.prompts, base, images)
    save = partial(shipped.save, folder / "model", info, True, card, reference)
    about = [info, weights_hash(shipped.state_dict()), shipped.temperature]
    stages.saved("model", about, folder / "model", save)
