"""Two models on the same images: from what was given to `diff.json`, `diff.html` and a comment."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from adapt.checks.record import SIDE, picture_uri
from adapt.common.content import content_hash
from adapt.common.files import check_new, plain, write_result, write_text
from adapt.common.progress import track
from adapt.comparison.answers import PairedSet, ask_both
from adapt.comparison.data import Data, SetsAndNotes, TableForm, sets_to_compare
from adapt.comparison.limits import QUANTITIES, Limit, check_limits, judged, parse_limit
from adapt.comparison.measures import common_classes, matched, set_measures, shift_mean
from adapt.comparison.several_labels import LABEL_QUANTITIES, MEASURE, label_measures
from adapt.comparison.sides import (
    Given,
    Side,
    leaks,
    of_run,
    opened,
    paired_eval,
    shared_evals,
    told_apart,
)
from adapt.comparison.speed import latency_of
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError, RecipeError
from adapt.export.load import Loaded
from adapt.report.comparison.comment import render_comment
from adapt.report.comparison.page import flip_key, render_page, shown_flips
from adapt.version import __version__

FROM_RUNS = "the answers were stored by runs, and nothing was computed"
NOT_ASKED = "it was not asked for"


def result_files(folder: str | Path) -> tuple[Path, Path]:
    """The page and the content of a comparison in a folder."""
    return Path(folder) / "diff.html", Path(folder) / "diff.json"


@dataclass
class Comparison:
    """The result of comparing two models."""

    content: dict[str, Any]
    """The content of `diff.json`."""
    thumbnails: dict[str, str] = field(default_factory=dict, repr=False)
    """Data URIs of small pictures, by the key of a flip."""

    @property
    def failed(self) -> bool:
        """Whether a limit failed."""
        return any(limit["failed"] for limit in self.content["limits"])

    def write(self, folder: str | Path, overwrite: bool = False) -> Path:
        """Write `diff.json` and `diff.html`; returns the path of the page.

        Args:
            folder: May hold other files.
            overwrite: Whether earlier ones are replaced.

        Raises:
            RecipeError: When they are there and are not to be replaced.
            RunError: When they cannot be written.
        """
        page = render_page(self.content, self.thumbnails)
        return write_result(result_files(folder), page, self.content, overwrite)

    def write_comment(self, path: str | Path, overwrite: bool = False) -> Path:
        """Write a comment for a pull request, in Markdown.

        Args:
            path: The file.
            overwrite: Whether an earlier one is replaced.

        Raises:
            RecipeError: When it is there and is not to be replaced.
            RunError: When it cannot be written.
        """
        check_new(Path(path), overwrite=overwrite)
        return write_text(path, render_comment(self.content))


@dataclass(frozen=True)
class BothAsked:
    """Both models, what they say of each set, and what is worth knowing of these."""

    sides: tuple[Side, Side]
    pairs: Iterator[PairedSet]
    """One after the other, since answers about many images and classes take much memory."""
    notes: list[str]
    latency: dict[str, Any] | None
    """See `latency_of`."""
    no_latency: str
    """Why there is none."""
    leaks: list[str] = field(default_factory=list)
    """Images that a model has learned from."""
    several: bool = False
    """Whether images may have several labels, or none."""


def compare(
    a: Given,
    b: Given,
    data: Data | None = None,
    shifts: Sequence[str] = (),
    fail_if: Sequence[str] = (),
    latency: bool = True,
    device: str | None = None,
    table: TableForm | None = None,
) -> Comparison:
    """Compare two models on the same images; every number is B against A.

    Args:
        a: The model before: a bundle, an export, a run folder, or a loaded model.
        b: The model after.
        data: Folder, table or archive of labelled images, a recipe (all its test sets), or images.
            Without any, both must be run folders, and what they stored is compared.
        shifts: Further sets, see `sets_to_compare`.
        fail_if: Limits, see `parse_limit`.
        latency: Whether to measure how long each model takes; never from stored answers.
        device: Where both compute; None leaves loaded models where they are, and takes the CPU for
            others.
        table: How tables are read: the folder that paths start from, several labels per image.

    Raises:
        RecipeError: When a limit is wrong or cannot be judged, or something does not go together.
        DataError: When the images cannot be read or are not the same, or the models share too few
            classes.
        BundleError: When a model cannot be opened.
        RunError: When a run stored no answers.

    Example:
        >>> from adapt.data.images import Images
        >>> from adapt.models.classifier import Classifier
        >>> images = Images.from_embedded("pictograms", "emoji", "test").subset(range(0, 200, 20))
        >>> model = Classifier.from_clip("adapt-icons-xs", "embedded", images.class_names)
        >>> same = compare(model, model, images, latency=False)
        >>> same.content["sets"]["test"]["accuracy"]["p"]
        1.0
    """
    limits = [parse_limit(text, LABEL_QUANTITIES | QUANTITIES) for text in fail_if]
    if data is None and table is not None:
        raise RecipeError(
            "diff - there are no images - how a table is read was given, and no table - give one"
        )
    if data is None:
        answered = _from_runs(a, b, shifts, limits)
    else:
        given = sets_to_compare(data, shifts, table)
        check_limits(limits, list(given[0]), "" if latency else NOT_ASKED)
        answered = _asked(a, b, given, latency, device)
    quantities = LABEL_QUANTITIES if answered.several else QUANTITIES
    limits = [parse_limit(text, quantities) for text in fail_if]
    names = common_classes(*(side.class_names for side in answered.sides))
    measures, shown = {}, {}
    for pair in answered.pairs:
        kept, measures[pair.name] = _measured(pair, names, answered.several)
        shown[pair.name] = kept.images, kept.hashes
    content = _content(answered, names, measures)
    content["data"] = str(data) if isinstance(data, (str, Path)) else None
    content["limits"] = [judged(limit, content, quantities) for limit in limits]
    return Comparison(plain(content), _thumbnails(content, shown))


def _measured(pair: PairedSet, names: list[str], several: bool) -> tuple[PairedSet, dict[str, Any]]:
    """The images that are compared, and what is measured on them."""
    if several:
        return pair, label_measures(pair, names)
    own = matched(pair, names)
    return own.paired, set_measures(own)


def _from_runs(a: Given, b: Given, shifts: Sequence[str], limits: Sequence[Limit]) -> BothAsked:
    if shifts:
        raise RecipeError(
            "--shift - there are no images - the runs stored their own shifts - give DATA too"
        )
    (first, own), (second, other) = of_run(a), of_run(b)
    shared, notes = shared_evals(own, other)
    check_limits(limits, shared, FROM_RUNS)
    pairs = (paired_eval(name, own, other) for name in shared)
    return BothAsked(_named(first, second), pairs, notes, None, FROM_RUNS)


def _asked(a: Given, b: Given, data: SetsAndNotes, latency: bool, device: str | None) -> BothAsked:
    sets, notes = data
    (first, own), (second, other) = opened(a, "A", device, True), opened(b, "B", device, True)
    several = _several_labels(own, other, sets)
    common_classes(own.class_names, other.class_names)  # before anything is computed
    pairs = (ask_both(name, images, own, other) for name, images in sets.items())
    times = latency_of(own, other, next(iter(sets.values()))) if latency else None
    reason = "" if latency else NOT_ASKED
    return BothAsked(
        _named(first, second), pairs, notes, times, reason, leaks((a, b), sets), several
    )


def _several_labels(a: Loaded, b: Loaded, sets: Mapping[str, ImageList]) -> bool:
    """Whether both models give several labels per image, and all sets have them."""
    told = {"A": a.labelling.several, "B": b.labelling.several}
    told |= {name: images.several_labels for name, images in sets.items()}
    if len(set(told.values())) > 1:
        given = ", ".join(f"{name}: {'several' if many else 'one'}" for name, many in told.items())
        raise RecipeError(
            f"diff - one label per image, and several - {given} - compare models of one kind on "
            "images of that kind; of a table say where the labels are: --separator or "
            "--label-columns"
        )
    return a.labelling.several


def _named(first: Side, second: Side) -> tuple[Side, Side]:
    names = told_apart((first.name, second.name), (first.place, second.place))
    return replace(first, name=names[0]), replace(second, name=names[1])


def _content(given: BothAsked, names: list[str], measures: dict[str, Any]) -> dict[str, Any]:
    """The content of `diff.json` but for the limits, by what was measured on each set."""
    first, second = given.sides
    main, *others = measures
    key = MEASURE if given.several else "accuracy"
    return {
        "format": 1,
        "adapt": __version__,
        **({"measure": MEASURE} if given.several else {}),
        "a": first.to_dict(),
        "b": second.to_dict(),
        "classes": names,
        "only_in_a": [name for name in first.class_names if name not in names],
        "only_in_b": [name for name in second.class_names if name not in names],
        "main": main,
        "sets": measures,
        "shift_mean": shift_mean([measures[name][key] for name in others]),
        "latency": given.latency,
        "no_latency": given.no_latency,
        "notes": given.notes,
        "leaks": given.leaks,
    }


def _thumbnails(
    content: Mapping[str, Any], sets: Mapping[str, tuple[ImageList, list[str] | None]]
) -> dict[str, str]:
    """Small pictures of the flips that the page shows; none of a file that is another by now."""
    shown = shown_flips(content)
    uris: dict[str, str] = {}
    for name, flip in track(shown, "drawing pictures", len(shown)):
        (images, hashes), row = sets[name], int(flip["row"])
        with suppress(DataError):
            if hashes is not None and content_hash(images.paths[row]) != flip["sha256"]:
                continue
            uris[flip_key(name, flip)] = picture_uri(images.open(row, at_least=SIDE))
    return uris
