"""From a model and images to `why.json` and `why.html`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from adapt.checks.record import picture_uri, small_picture
from adapt.checks.sources import DataLike, read_sets
from adapt.common.cache import cache_folder
from adapt.common.files import write_result
from adapt.common.progress import track
from adapt.data.sources.image_list import ImageList
from adapt.explore.opening import name_of, open_bundle
from adapt.explore.training_images import TRAIN, check_there, training_images
from adapt.explore.why.explain import Content, explain
from adapt.explore.why.labels import explain_label
from adapt.explore.why.pictures import overlay
from adapt.explore.why.settings import WhySettings
from adapt.explore.why.training import TrainingSet
from adapt.models.classifier import Classifier
from adapt.report.explore.why import render_page
from adapt.training.features.store import FeatureStore
from adapt.version import __version__


def result_files(folder: str | Path) -> tuple[Path, Path]:
    """The page and the content of an answer in a folder."""
    return Path(folder) / "why.html", Path(folder) / "why.json"


@dataclass
class Why:
    """Why a model answered as it did for some images."""

    content: dict[str, Any]
    """The content of `why.json`."""
    pictures: dict[str, str] = field(default_factory=dict, repr=False)
    """Data URIs by `picture_key`."""

    def write(self, folder: str | Path, overwrite: bool = False) -> Path:
        """Write `why.json` and `why.html`; returns the path of the page.

        Args:
            folder: May hold other files.
            overwrite: Whether earlier ones are replaced.

        Raises:
            RecipeError: When they are there and are not to be replaced.
            RunError: When they cannot be written.
        """
        page = render_page(self.content, self.pictures)
        return write_result(result_files(folder), page, self.content, overwrite)


def why(
    model: str | Path | Classifier,
    images: Sequence[str | Path],
    training: DataLike | None = None,
    settings: WhySettings | None = None,
) -> Why:
    """Why a model answers as it does: training images, regions, words.

    Args:
        model: A bundle, a run folder, or a classifier.
        images: Files.
        training: What the model was trained on: labelled images as `adapt check` takes them. For a
            run folder its own training images, if it is not given.
        settings: What is explained; the defaults without.

    Raises:
        BundleError: When the model cannot be opened, or is an export.
        DataError: When the training images cannot be read, or have classes of which the model knows
            nothing.
        ImageError: When an image cannot be read.
        RecipeError: When the rival, or the label where an image may have several, is not a class.

    Example:
        >>> from adapt.data.images import Images
        >>> seen = Images.from_embedded("pictograms", "emoji", "train").subset(range(0, 600, 20))
        >>> start = Classifier.from_clip("adapt-icons-xs", "embedded", seen.class_names)
        >>> done = why(start, [seen.paths[0]], seen, WhySettings(where=False))
        >>> told = done.content["images"][0]
        >>> told["training"]["nearest"]["answer"][0]["path"]
        'animal/noto--cat.png'
    """
    classifier = open_bundle(model, "layers to look into")
    known = training_images(model) if training is None else _training(training)
    told = _explained(classifier, images, known, settings)
    content = {
        "format": 1,
        "adapt": __version__,
        "model": name_of(model),
        "arch": classifier.backbone.spec.arch,
        "training_images": 0 if known is None else len(known),
        "images": told,
    }
    return Why(content, _pictures(classifier, told, known))


def _explained(
    classifier: Classifier,
    images: Sequence[str | Path],
    known: ImageList | None,
    settings: WhySettings | None,
) -> list[Content]:
    store, shown = FeatureStore(cache_folder("features")), track(images, "explaining answers")
    if classifier.labelling.several:
        return [explain_label(classifier, image, known, settings, store) for image in shown]
    training = None if known is None else TrainingSet.of(classifier, known, store)
    return [explain(classifier, str(image), training, settings) for image in shown]


def _training(given: DataLike) -> ImageList:
    sets = read_sets(given).images
    images = sets[TRAIN] if TRAIN in sets else next(iter(sets.values()))
    check_there(images)
    return images


def picture_key(image: int, kind: str, row: int | str = "") -> str:
    """What a picture is named by.

    >>> picture_key(0, "training", 3)
    '0/training/3'
    """
    return f"{image}/{kind}/{row}"


def _pictures(
    classifier: Classifier, told: list[Content], training: ImageList | None
) -> dict[str, str]:
    pictures: dict[str, str] = {}
    for number, own in enumerate(told):
        pixels = classifier.predictor.pixels(own["image"])
        pictures[picture_key(number, "image")] = picture_uri(Image.fromarray(pixels))
        if isinstance(own["regions"], dict):
            for name, drawing in own["regions"].items():
                if isinstance(drawing, dict):
                    pictures[picture_key(number, "map", name)] = overlay(pixels, drawing["map"])
        if training is not None:
            for row in _rows(own["training"]):
                drawn = small_picture(training.paths[row])
                if drawn is not None:
                    pictures[picture_key(number, "training", row)] = drawn
    return pictures


def _rows(told: Content) -> set[int]:
    """The training images that are shown of one answer."""
    parts = [*told["nearest"].values(), *told["pulls"].values()]
    return {entry["row"] for part in parts for entry in part}
