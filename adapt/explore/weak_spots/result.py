"""From a model to `weak_spots.json` and `weak_spots.html`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from adapt.checks.record import picture_uri
from adapt.checks.sources import DataLike, read_sets
from adapt.common.cache import cache_folder
from adapt.common.files import write_result
from adapt.common.progress import track
from adapt.common.words import listed
from adapt.data.sources.image_list import ImageList
from adapt.errors import RecipeError, did_you_mean
from adapt.explore.opening import name_of, open_bundle
from adapt.explore.weak_spots.class_design import moves, text_logits, without
from adapt.explore.weak_spots.measure import measure, text_encoder
from adapt.explore.weak_spots.names import similar_names
from adapt.explore.weak_spots.settings import WeakSpotSettings
from adapt.explore.weak_spots.tasks.base import tasks
from adapt.models.classifier import Classifier
from adapt.report.explore.weak_spots import render_page
from adapt.training.features.pixels import prepare
from adapt.training.features.store import FeatureStore
from adapt.training.settings import Runtime
from adapt.version import __version__

SHOWN = 4
"""Questions of a task that the page shows."""


@dataclass(frozen=True)
class ClassChange:
    """Another set of classes for the user's own images."""

    images: DataLike
    """Images as `adapt check` takes them."""
    add: Sequence[str] = ()
    """Classes that the model does not have."""
    remove: Sequence[str] = ()
    """Classes of the model that are taken away."""


@dataclass
class WeakSpots:
    """What a model cannot do."""

    content: dict[str, Any]
    """The content of `weak_spots.json`."""
    pictures: dict[str, list[str]] = field(default_factory=dict, repr=False)
    """Data URIs of a few questions, by task."""

    def write(self, folder: str | Path, overwrite: bool = False) -> Path:
        """Write `weak_spots.json` and `weak_spots.html`; returns the path of the page.

        Args:
            folder: May hold other files.
            overwrite: Whether earlier ones are replaced.

        Raises:
            RecipeError: When they are there and are not to be replaced.
            RunError: When they cannot be written.
        """
        page = render_page(self.content, self.pictures)
        return write_result(result_files(folder), page, self.content, overwrite)


def result_files(folder: str | Path) -> tuple[Path, Path]:
    """The page and the content in a folder."""
    return Path(folder) / "weak_spots.html", Path(folder) / "weak_spots.json"


def probe_weak_spots(
    model: str | Path | Classifier,
    settings: WeakSpotSettings | None = None,
    change: ClassChange | None = None,
    only: Sequence[str] = (),
) -> WeakSpots:
    """Ask a model about drawings: counting, places, sizes, digits, text, colours, negation.

    Everything is drawn here; nothing is downloaded. Zero-shot is what the text encoder of the model
    says of sentences of which one is true; the probe is fitted on its image features.

    Args:
        model: A bundle, a run folder, or a classifier.
        settings: How many images, and from which seed; the defaults without.
        change: Classes to add and take away, and the images on which answers are seen to move.
        only: Names of tasks; all without.

    Raises:
        BundleError: When the model cannot be opened, or is an export.
        RecipeError: When a task, class or column is not known.
        DataError: When the images cannot be read.

    Example:
        >>> start = Classifier.from_clip("adapt-icons-xs", "embedded", ["cat", "dog"])
        >>> told = probe_weak_spots(start, WeakSpotSettings(images=20), only=["left_right"])
        >>> told.content["tasks"]["left_right"]["chance"]
        0.5
    """
    chosen, classifier = settings or WeakSpotSettings(), open_bundle(model, "text encoder to ask")
    table = tasks()
    for name in only:
        if name not in table:
            hint = did_you_mean(name, table)
            raise RecipeError(f"--only - not a task - {name!r}{hint} - use {listed(list(table))}")
    names, encode = list(only or table), text_encoder(classifier)
    told = {
        name: measure(classifier, table[name], chosen.images, chosen.seed, encode)
        for name in track(names, "drawing and asking")
    }
    content = {
        "format": 1,
        "adapt": __version__,
        "model": name_of(model),
        "arch": classifier.backbone.spec.arch,
        "seed": chosen.seed,
        "head_from_text": classifier.head_from_text,
        "tasks": told,
        "similar_names": similar_names(classifier, chosen.pairs),
        "class_design": None if change is None else class_design(classifier, change, chosen.by),
    }
    pictures = {
        name: [picture_uri(q.image) for q in table[name].questions(SHOWN, chosen.seed)]
        for name in names
    }
    return WeakSpots(content, pictures)


def class_design(classifier: Classifier, change: ClassChange, by: str | None) -> dict[str, Any]:
    """How the answers on the user's images move with other classes; see `moves`.

    Args:
        classifier: The model.
        change: The images and the classes.
        by: A column of the table of the images; how much moves is said for each of its values.

    Raises:
        RecipeError: When nothing changes, or a class or the column is not there.
        DataError: When the images cannot be read.
    """
    if not change.add and not change.remove:
        raise RecipeError(
            "--photos - nothing to compare - neither --add nor --remove - name a class to add or "
            "to take away"
        )
    images = _single(read_sets(change.images).images)
    runtime, store = Runtime(), FeatureStore(cache_folder("features"))
    pixels = prepare(images, classifier.backbone.preprocessing, runtime)
    features = store.features(classifier.backbone, pixels, runtime)
    logits = text_logits(classifier, features, change.add)
    own = len(classifier.class_names)
    names = [*classifier.class_names, *change.add]
    after, left = without(logits, names, change.remove)
    told = moves(logits[:, :own], after, (names[:own], left), _groups(images, by))
    return {"added": list(change.add), "removed": list(change.remove), "by": by, **told}


def _single(sets: Mapping[str, ImageList]) -> ImageList:
    """The images of the only set, or of the one called `test`."""
    first, *others = sets.values()
    if not others:
        return first
    if "test" in sets:
        return sets["test"]
    raise RecipeError(
        f"--photos - several sets - {listed(list(sets))} - give one folder or table, or one with "
        "a set called test"
    )


def _groups(images: ImageList, by: str | None) -> list[str] | None:
    if by is None:
        return None
    if by not in images.columns:
        hint = did_you_mean(by, images.columns)
        known = listed(list(images.columns)) or "none"
        raise RecipeError(f"--by - not a column - {by!r}{hint} - the table has {known}")
    return [str(value) for value in np.asarray(images.columns[by], dtype=object)]
