"""From a model and labelled images with groups to `audit.json` and `audit.html`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adapt.common.content import content_hashes
from adapt.common.files import plain, write_result
from adapt.common.words import listed, plural
from adapt.comparison.answers import Asked, PairedSet, Said, ask
from adapt.comparison.data import Data, TableForm, sets_to_compare
from adapt.comparison.measures import Matched, common_classes, matched
from adapt.comparison.sides import Given, Side, model_folder, opened, seen_by
from adapt.data.sources.image_list import ImageList
from adapt.errors import RecipeError, WeightsError
from adapt.explore.audit.columns import groups_by
from adapt.explore.audit.extra_classes import answers_with, check_texts, extra_rates, read_extra
from adapt.explore.audit.limits import judged, read_limits
from adapt.explore.audit.measures import MODEL, START, GradedAnswers, audit_columns
from adapt.explore.audit.settings import AuditSettings
from adapt.explore.monitor.line import LineOfModel
from adapt.export.load import Loaded
from adapt.models.classifier import Classifier
from adapt.report.explore.audit import render_page
from adapt.version import __version__

JSON, PAGE = "audit.json", "audit.html"


@dataclass(frozen=True)
class Audit:
    """The accuracy of a model by group."""

    content: dict[str, Any]
    """The content of `audit.json`."""

    @property
    def failed(self) -> bool:
        """Whether a limit failed."""
        return any(limit["failed"] for limit in self.content["limits"])

    def write(self, folder: str | Path, overwrite: bool = False) -> Path:
        """Write `audit.json` and `audit.html`; returns the path of the page.

        Args:
            folder: May hold other files.
            overwrite: Whether earlier ones are replaced.

        Raises:
            RecipeError: When they are there and are not to be replaced.
            RunError: When they cannot be written.
        """
        page = render_page(self.content)
        return write_result(result_files(folder), page, self.content, overwrite)


def result_files(folder: str | Path) -> tuple[Path, Path]:
    """The page and the content in a folder."""
    return Path(folder, PAGE), Path(folder, JSON)


@dataclass(frozen=True)
class Audited:
    """A model that is audited, and the model it started from."""

    side: Side
    loaded: Loaded
    start: Classifier | None
    no_start: str
    """Why there is no start; empty where there is one."""

    @classmethod
    def open(
        cls,
        model: Given,
        start: Classifier | None,
        base: str | Path | None,
        device: str | None = None,
    ) -> "Audited":
        """Open a model, and make its start of the pretrained weights where that is possible.

        Args:
            model: A bundle, an export, a run folder, or a loaded model.
            start: The start, where the caller has it.
            base: Where the pretrained weights are; found if not given.
            device: See `opened`.

        Raises:
            BundleError: When it is no model, or was altered.
            RecipeError: When it gives several labels per image.
        """
        side, loaded = opened(model, "the given model", device)
        if start is not None:
            return cls(side, loaded, start, "")
        if not isinstance(loaded, Classifier):
            return cls(side, loaded, None, "an export does not tell its start")
        if not isinstance(model, str | Path):
            return cls(side, loaded, None, "it was not given")
        try:
            line = LineOfModel.through(loaded, model_folder(model), base)
        except WeightsError as error:
            return cls(side, loaded, None, str(error).split(" - ", 2)[-1])
        return cls(side, loaded, line.start, "")

    @property
    def sides(self) -> dict[str, Loaded]:
        """The models to ask, by name."""
        return {MODEL: self.loaded} | ({} if self.start is None else {START: self.start})


def audit(
    model: Given,
    data: Data,
    by: Sequence[str],
    settings: AuditSettings | None = None,
    fail_if: Sequence[str] = (),
    start: Classifier | None = None,
) -> Audit:
    """Accuracy and recall of a model by group, with intervals and control of many tests.

    Args:
        model: A bundle, an export, a run folder, or a loaded model.
        data: Table of labelled images with group columns, or any labelled images that have some:
            see `sets_to_compare`. Of several splits the test images are taken.
        by: Columns.
        settings: When a group is judged and a gap is clear; the defaults without.
        fail_if: Limits, see `read_limits`.
        start: The zero-shot model to set beside it; made of a bundle's pretrained weights without.

    Raises:
        RecipeError: When a column or limit is wrong, or the model gives several labels per image.
        DataError: When the images cannot be read, or have a class that the model does not know.
        BundleError: When the model cannot be opened.

    Example:
        >>> from adapt.data.images import Images
        >>> images = Images.from_embedded("pictograms", "emoji", "test").subset(range(0, 200, 4))
        >>> images.columns["side"] = ["left", "right"] * 25
        >>> start = Classifier.from_clip("adapt-icons-xs", "embedded", images.class_names)
        >>> done = audit(start, images, ["side"])
        >>> [group["n"] for group in done.content["columns"]["side"]["groups"]]
        [25, 25]
    """
    settings = settings or AuditSettings()
    name, images, notes = _single(data, settings.root)
    columns = groups_by(images, by, settings.cross)
    limits = read_limits(fail_if, list(columns))
    extra = None if settings.extra_classes is None else read_extra(settings.extra_classes)
    audited = Audited.open(model, start, settings.base)
    if extra is not None:
        check_texts(audited.loaded, str(model))
    asked, matched_sides = _answers(name, images, columns, audited)
    kept = next(iter(matched_sides.values()))
    groups = {column: kept.paired.images.columns[column] for column in columns}
    told = audit_columns(
        _answered(matched_sides),
        groups,
        settings.min_images,
        settings.level,
        settings.correction,
    )
    content = _head(audited, data, name, asked, kept, settings) | told
    content["extra"] = None
    if extra is not None:
        answers = {
            side: answers_with(own, kept.paired.images, extra)
            for side, own in audited.sides.items()
            if isinstance(own, Classifier)
        }
        keys = [own.key for own in extra]
        rows, content["extra"] = extra_rates(answers, groups, keys, settings)
        for column, own_rows in rows.items():
            content["columns"][column]["extra"] = own_rows
    content["notes"] = [*notes, *_leaks(model, images)]
    content["limits"] = [judged(limit, content["columns"]) for limit in limits]
    return Audit(plain(content))


def _single(data: Data, root: str | None) -> tuple[str, ImageList, list[str]]:
    """The one set of images that is audited."""
    sets, notes = sets_to_compare(data, table=None if root is None else TableForm(root))
    name, *others = sets
    if others:
        notes.append(f"audited on {name}; {listed(others)} left out")
    images = sets[name]
    if images.several_labels:
        raise RecipeError(
            f"{images.root} - several labels per image - {name} - an audit needs one label per "
            "image: give a table with a column label"
        )
    return name, images, notes


def _answers(
    name: str, images: ImageList, columns: Mapping[str, list[str]], audited: Audited
) -> tuple[Asked, dict[str, Matched]]:
    """What all models say of the images that can be read and whose class they know."""
    grouped = replace(images, columns={**images.columns, **columns})
    sides = audited.sides
    asked = ask(name, grouped, list(sides.values()))
    first, *others = sides.values()
    names = common_classes(first.class_names, (others or [first])[-1].class_names)

    def paired(said: Said) -> Matched:
        return matched(PairedSet(name, asked.images, said, said), names)

    return asked, {side: paired(said) for side, said in zip(sides, asked.said, strict=True)}


def _answered(sides: Mapping[str, Matched]) -> GradedAnswers:
    kept = sides[MODEL]
    return GradedAnswers(
        kept.targets, kept.names, {side: own.right[0] for side, own in sides.items()}
    )


def _head(
    audited: Audited, data: Data, name: str, asked: Asked, kept: Matched, settings: AuditSettings
) -> dict[str, Any]:
    return {
        "format": 1,
        "adapt": __version__,
        "model": audited.side.to_dict(),
        "no_start": audited.no_start,
        "data": str(data) if isinstance(data, str | Path) else None,
        "set": name,
        "images": len(kept.targets),
        "classes": kept.present,
        "left_out": kept.left_out,
        "unreadable": asked.unreadable,
        "min_images": settings.min_images,
        "level": settings.level,
        "correction": settings.correction,
    }


def _leaks(model: Given, images: ImageList) -> list[str]:
    """Whether the model has learned from the images, as far as its run folder tells."""
    seen = seen_by(model)
    if not seen or images.shift is not None:
        return []
    count = sum(digest in seen for digest in content_hashes(images.paths))
    if not count:
        return []
    told = f"{count:,} of {plural(len(images), 'image')}"
    return [f"LEAK: {told} were in train or val of the run: accuracies of groups are too high"]
