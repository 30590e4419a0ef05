"""New images without labels: from a model and a source to `monitor.json`, a page and a table."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adapt.common.files import check_new, plain, write_json, write_text
from adapt.common.typed import resolve_path
from adapt.errors import RecipeError, WeightsError
from adapt.evaluation.evaluate import softmax
from adapt.evaluation.unlabelled.estimates import Answers
from adapt.explore.monitor import measures
from adapt.explore.monitor.line import Images, LineOfModel
from adapt.explore.monitor.reference import reference_of_folder
from adapt.explore.monitor.seen import Seen, see
from adapt.explore.monitor.settings import MonitorSettings
from adapt.explore.monitor.to_label import to_label
from adapt.export.load import is_export
from adapt.models.bundle.reference import Reference, read_reference
from adapt.models.classifier import Classifier
from adapt.models.prediction.inputs import NamedImage
from adapt.predictions.inputs.base import LIST, Reading
from adapt.predictions.opening import OpenModel, open_model
from adapt.report.explore.monitor import render_page
from adapt.version import __version__

NO_REFERENCE = (
    "no statistics of held-out images - the bundle was written by an earlier version, by hand, or "
    "is an export - give labelled images that the model did not learn from: --reference FOLDER"
)
JSON, PAGE, TABLE = "monitor.json", "monitor.html", "to_label.csv"


@dataclass(frozen=True)
class Monitoring:
    """What was found of new images."""

    content: dict[str, Any]
    """The content of `monitor.json`."""
    table: str
    """The content of `to_label.csv`."""
    reference: Reference
    """What the images were compared with."""

    @property
    def alarm(self) -> bool:
        """Whether something passed its limit."""
        return bool(self.content["alarms"])

    def write(self, folder: str | Path, overwrite: bool = False) -> Path:
        """Write `monitor.json`, `monitor.html` and `to_label.csv`; returns the path of the page.

        Args:
            folder: May hold other files.
            overwrite: Whether earlier ones are replaced.

        Raises:
            RecipeError: When they are there and are not to be replaced.
            RunError: When they cannot be written.
        """
        check_new(*result_files(folder), overwrite=overwrite)
        write_json(Path(folder, JSON), self.content)
        write_text(Path(folder, TABLE), self.table)
        return write_text(Path(folder, PAGE), render_page(self.content))


def result_files(folder: str | Path) -> tuple[Path, Path, Path]:
    """The files of a result in a folder: page, content, table."""
    return Path(folder, PAGE), Path(folder, JSON), Path(folder, TABLE)


def monitor(
    model: str | Path,
    source: str | Path,
    reference: str | Path | None = None,
    settings: MonitorSettings | None = None,
    base: str | Path | None = None,
) -> Monitoring:
    """Compare images without labels with the held-out images of a model.

    Args:
        model: A bundle, or an export (with `reference`).
        source: Images of any kind that `adapt predict` reads.
        reference: Labelled images that the model did not learn from, in place of the statistics in
            the bundle.
        settings: Limits, and how images are computed.
        base: Where the pretrained weights are, for the models between the start and this one.

    Raises:
        RecipeError: When something does not go together.
        BundleError: When the model cannot be opened, or has no statistics and none are given.
        DataError: When no image can be read.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from adapt.data.images import Images
        >>> images = Images.from_embedded("pictograms", "emoji", "test")
        >>> made = Classifier.from_clip("adapt-icons-xs", "embedded", images.class_names)
        >>> with TemporaryDirectory() as folder:
        ...     place = made.save(folder)
        ...     found = monitor(place, images.root, images.root)
        >>> found.content["drift"]["drifted"]
        False
    """
    settings, folder = settings or MonitorSettings(), resolve_path(model)
    given = str(source) if str(source) == LIST else str(resolve_path(source))
    stored = None if is_export(folder) else read_reference(folder)
    if stored is None and reference is None:
        raise RecipeError(f"{model} - {NO_REFERENCE}")
    opened = open_model(folder, settings.device, trust=settings.trust)
    line, no_line = _line(opened, folder, base, settings, given)
    if reference is not None:
        stored = reference_of_folder(reference, opened, line, settings.batch_size)
    assert stored is not None
    source_of = _SourceImages(given, settings.null)
    seen = see(opened.predictor, source_of(), settings.batch_size)
    said = {} if line is None else _ask_along(line, stored, seen, source_of, settings.batch_size)
    content = _content(opened, stored, seen, said, settings, no_line)
    own = {"adapt": __version__, "model": str(model), "source": str(source)}
    content = {"format": 1, **own, "skipped": source_of.skipped, **content}
    labelling, table = to_label(
        seen, opened.loaded.class_names, content["accuracy"]["estimate"], settings.width
    )
    content["to_label"] = labelling
    content["alarms"] = alarms(content)
    return Monitoring(plain(content), table, stored)


class _SourceImages:
    """The images of a source, as often as they are asked for."""

    def __init__(self, source: str, null: bool) -> None:
        self.source, self._null = source, null
        self.skipped: dict[str, int] = {}

    def __call__(self) -> Iterator[NamedImage]:
        reading = Reading(self.source, self._null)
        for item in reading.items():
            yield item.load()
        self.skipped = dict(reading.skipped.most_common())


def _line(
    opened: OpenModel,
    folder: Path,
    base: str | Path | None,
    settings: MonitorSettings,
    source: str,
) -> tuple[LineOfModel | None, str]:
    """The line of a model, or why there is none."""
    if not settings.line:
        return None, "models on the line were not asked for"
    if not isinstance(opened.loaded, Classifier):
        return None, "an export has no line to its start"
    if source == LIST:
        return None, "images of a list on standard input cannot be read twice"
    try:
        return LineOfModel.through(opened.loaded, folder, base), ""
    except WeightsError as error:
        return None, str(error).split(" - ", 1)[1]


def _ask_along(
    line: LineOfModel, reference: Reference, seen: Seen, images: Images, batch_size: int
) -> Answers:
    """What the models on the line say of the sample."""
    said = {}
    for alpha, temperature in zip(reference.alphas, reference.temperatures, strict=True):
        if alpha == line.alpha:
            own = seen.probabilities[seen.rows]
        else:
            own = softmax(line.logits(alpha, seen, images, batch_size), temperature)
        said[alpha] = (own.argmax(axis=1), own.max(axis=1).astype(np.float32))
    return said


def _content(
    opened: OpenModel,
    reference: Reference,
    seen: Seen,
    line: Answers,
    settings: MonitorSettings,
    no_line: str,
) -> dict[str, Any]:
    model = opened.loaded
    return {
        "images": len(seen.names),
        "errors": seen.errors,
        "reference": {
            "source": reference.source,
            "images": reference.images,
            "kept": len(reference.targets),
        },
        "accuracy": measures.accuracy(reference, seen, line, settings.min_accuracy, no_line),
        "along": measures.along(reference, line),
        "drift": measures.drift(reference, seen, settings.level),
        "mix": measures.class_mix(reference, seen, model.class_names),
        "unknown": measures.unknowns(seen, model.uncertainty, settings.max_unknown),
        "unsure": measures.unsure(reference, seen),
        "confidences": {
            "reference": _histogram(reference.confidences),
            "new": _histogram(seen.confidences),
        },
    }


def _histogram(confidences: np.ndarray) -> list[float]:
    """Shares of images in 20 bins of confidence from 0 to 1."""
    counts = np.histogram(np.clip(confidences, 0, 1), 20, (0.0, 1.0))[0]
    return [float(share) for share in counts / counts.sum()]


def alarms(content: dict[str, Any]) -> list[str]:
    """A sentence for each limit that is passed.

    Args:
        content: Of `monitor.json`.
    """
    own, found = content["accuracy"], []
    if content["drift"]["drifted"]:
        p, level = content["drift"]["p"], content["drift"]["level"]
        found.append(f"the images are of another distribution: p = {p:.3g}, level {level:g}")
    if own["limit"] is not None and own["estimate"] < own["limit"]:
        found.append(
            f"the estimated accuracy is too low: {100 * own['estimate']:.1f} %, limit "
            f"{100 * own['limit']:g} %"
        )
    unknown = content["unknown"]
    if unknown["limit"] is not None and unknown["share"] is None:
        raise RecipeError(
            f"--max-unknown - cannot be judged - {unknown['reason']} - leave it out, or train with "
            "`data.unknown`"
        )
    if unknown["limit"] is not None and unknown["share"] > unknown["limit"]:
        found.append(
            f"too many images are unknown: {100 * unknown['share']:.1f} %, limit "
            f"{100 * unknown['limit']:g} %"
        )
    return found
