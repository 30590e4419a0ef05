"""Opening a model that is looked into: a bundle or run folder, not an export."""

from pathlib import Path

from adapt.comparison.sides import model_folder, title_of
from adapt.errors import BundleError
from adapt.export.load import is_export
from adapt.models.classifier import Classifier


def open_bundle(model: str | Path | Classifier, lacks: str) -> Classifier:
    """The classifier of a bundle or run folder; one that is given comes back as it is.

    Args:
        model: What was given.
        lacks: What an export lacks for the question, such as `layers to look into`.

    Raises:
        BundleError: When it cannot be opened, or is an export.
    """
    if isinstance(model, Classifier):
        return model
    folder = model_folder(model)
    if is_export(folder):
        raise BundleError(
            f"{model} - an export has no {lacks} - {folder.name} - give the bundle that it was "
            "made of"
        )
    return Classifier.load(folder)


def name_of(model: str | Path | Classifier) -> str:
    """What a model is called on a page.

    >>> name_of("runs/photos/model")
    'photos'
    """
    return "the given model" if isinstance(model, Classifier) else title_of(model)
