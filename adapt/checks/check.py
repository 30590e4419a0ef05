"""What is wrong with labelled images: from data to findings, `check.json` and `check.html`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapt.checks.cache import Measured, Progress, answer_path, measured, read_json
from adapt.checks.findings.copies import find_copies
from adapt.checks.findings.copy_findings import copy_findings
from adapt.checks.findings.faults import picture_findings
from adapt.checks.findings.file_names import file_name_findings
from adapt.checks.findings.finding import Finding, Place
from adapt.checks.findings.measure import Picture
from adapt.checks.influence import influence_findings
from adapt.checks.model import (
    Model,
    View,
    judged_labels,
    judged_names,
    judged_sizes,
    leak_free,
)
from adapt.checks.record import (
    addressed,
    choices,
    entry_finding,
    finding_entry,
    in_order,
    small_pictures,
    write_check,
    write_exclusions,
    write_names,
)
from adapt.checks.settings import DEFAULT_MODEL, DEFAULT_PRETRAINED
from adapt.checks.several_labels import label_set_findings
from adapt.checks.sources import CheckedSets, DataLike, read_sets
from adapt.common.files import write_json
from adapt.common.progress import Tell
from adapt.data.labels.label_sets import LabelColumns
from adapt.data.sources.image_list import ImageList
from adapt.data.splits.exclusions import Excluded, known_hashes
from adapt.errors import DataError, RecipeError
from adapt.report.check_page import verdict, write_check_page
from adapt.report.displays.html import html_table
from adapt.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass
class Check:
    """The result of a check."""

    content: dict[str, Any]
    """The content of `check.json`."""
    thumbnails: dict[str, str] = field(default_factory=dict, repr=False)
    """Data URIs of small pictures, by content hash."""

    @property
    def findings(self) -> list[Finding]:
        """All findings, most serious first."""
        return [entry_finding(entry) for entry in self.content["findings"]]

    def to_dict(self) -> dict[str, Any]:
        """The content of `check.json`."""
        return self.content

    def summary(self) -> str:
        """Plain text: each finding and how to fix it, and a verdict."""
        lines = []
        for finding in self.content["findings"]:
            lines += [f"{finding['level']:<7}  {finding['message']}"]
            lines += [f"         fix: {finding['fix']}"]
        return "\n".join([*lines, verdict(self.content)])

    def plot(self) -> "Figure":
        """How many places each kind of finding has; needs matplotlib."""
        from adapt.report.figures.displays.plots import findings_figure

        return findings_figure(self.content["findings"])

    def _repr_html_(self) -> str:
        """A table for notebooks: each finding and how to fix it."""
        rows = [[each["level"], each["message"], each["fix"]] for each in self.content["findings"]]
        return html_table(verdict(self.content), ["level", "finding", "fix"], rows)

    def failed(self, level: str) -> bool:
        """Whether there is a finding of this level or a more serious one; never for `never`."""
        levels = {"error": ("error",), "warning": ("error", "warning")}.get(level, ())
        return any(finding["level"] in levels for finding in self.content["findings"])

    def write(self, folder: str | Path) -> Path:
        """Write `check.json` and `check.html` into a folder; returns the path of the page.

        Raises:
            RunError: When they cannot be written.
        """
        write_check(Path(folder), self.content)
        page = Path(folder) / "check.html"
        return write_check_page(page, self.content, self.thumbnails, choices(self.content))

    def write_exclusions(self, path: str | Path, labels: bool = False) -> list[Excluded]:
        """Write the list that recipes take as `data.exclude`.

        Args:
            path: The file.
            labels: Whether to include images with suspected labels.

        Raises:
            RunError: When it cannot be written.
        """
        return write_exclusions(path, self.content, labels)

    def write_names(self, path: str | Path) -> tuple[list[str], list[str]]:
        """Write words for the class names that are not written as words, for `data.classes`.

        Args:
            path: The file.

        Returns:
            Lines of words that were guessed, and comments that only the user can fill.

        Raises:
            RunError: When it cannot be written.
        """
        return write_names(path, self.content)


def check(
    data: DataLike,
    root: str | Path | None = None,
    model: str | None = DEFAULT_MODEL,
    pretrained: str = DEFAULT_PRETRAINED,
    out: str | Path | None = None,
    progress: Tell | None = None,
    influence: bool = False,
    labels: LabelColumns | None = None,
) -> Check:
    """Find what is wrong with labelled images before a run.

    Measurements and answers are kept by content under `adapt.common.cache.cache_folder("check")`: a
    second call on the same files decodes nothing.

    Args:
        data: Folder, table, archive, recipe or images: see `adapt.checks.sources.read_sets`.
        root: For a table, the folder that its paths are relative to.
        model: CLIP that checks labels and class names; None checks the pixels only.
        pretrained: Its weights.
        out: Folder for `check.json` and `check.html`; None writes neither.
        progress: See `Tell`.
        influence: Whether to rank training images by how much they hurt held-out images.
        labels: For a table, where the labels of an image are, if it may have several or none.

    Raises:
        DataError: When the data cannot be read, or none of its images can.
        RecipeError: When a recipe has mistakes, or influence is asked for without a model, or
            where images have several labels.
        ModelError: When there is no such model.
        RunError: When a file cannot be written.
    """
    if influence and model is None:
        raise RecipeError(
            "--influence - needs features - the model is none - leave out --model none"
        )
    sets = read_sets(data, root, labels)
    judge = Model(model, pretrained) if model is not None else None
    if influence and sets.several_labels:
        raise RecipeError(
            f"--influence - not for several labels per image - {sets.name} - leave it out"
        )
    steps = Progress(progress)
    paths = [path for images in sets.images.values() for path in images.paths]
    steps.step("reading files", len(paths))(0)
    hashes = known_hashes(paths)
    shown = str(data) if isinstance(data, (str, Path)) else sets.name
    kept = answer_path([shown, influence, *_question(sets, hashes, judge)])
    answer = read_json(kept)
    if not answer:
        measured_images = measured(paths, hashes, judge.encoder if judge else None, steps)
        content = _examined(sets, paths, measured_images, judge, steps, influence)
        content = addressed(content, shown)
        by_hash = dict(zip(hashes, paths, strict=True))
        thumbnails = small_pictures(content, by_hash, steps.step("drawing pictures", 0))
        answer = {"content": content, "thumbnails": thumbnails}
        write_json(kept, answer)
    done = Check(answer["content"], answer["thumbnails"])
    if out is not None:
        done.write(out)
    return done


def _question(sets: CheckedSets, hashes: list[str], judge: Model | None) -> list[Any]:
    """Everything that an answer depends on."""
    rows = [
        [
            [images.relative(index), images.labels[index]],
            [column[index] for column in (images.groups, images.splits) if column],
            [column[index] for column in images.columns.values()],
        ]
        for images in sets.images.values()
        for index in range(len(images))
    ]
    words = [
        [name.key, name.words, name.prompts]
        for images in sets.images.values()
        for name in images.classes.values()
    ]
    sizes = [[name, len(images)] for name, images in sets.images.items()]
    recipe = sets.loaded.resolved if sets.loaded else {}
    told = [sizes, sets.notes, sorted(sets.others), sets.labels_file]
    told += [recipe.get("data"), recipe.get("seed")]
    model = [judge.arch, judge.pretrained, judge.encoder.key] if judge else None
    return [sets.name, hashes, rows, words, told, model]


def _examined(
    sets: CheckedSets,
    paths: list[str],
    measured_images: Measured,
    judge: Model | None,
    steps: Progress,
    influence: bool = False,
) -> dict[str, Any]:
    """The content of `check.json`."""
    readable = [picture.error is None for picture in measured_images.pictures]
    if not any(readable):
        first = f"{paths[0]} ({measured_images.pictures[0].error})" if paths else "none given"
        advice = "check the path, or export the images again"
        raise DataError(f"{sets.name} - no image can be read - first {first} - {advice}")
    split = sets.split(readable)
    row = {path: index for index, path in enumerate(paths)}
    places, rows = _placed(split, row)
    pairs = zip(*_placed(sets.images, row), strict=True)
    broken = [(place, index) for place, index in pairs if not readable[index]]
    everything = [*places, *(place for place, _ in broken)]
    pictures = [
        measured_images.pictures[index] for index in [*rows, *(index for _, index in broken)]
    ]
    findings = [*picture_findings(pictures, everything), *file_name_findings(everything)]
    task = [index for index, place in enumerate(places) if place.split not in sets.others]
    chosen = [rows[index] for index in task]
    view = _view(sets, [places[index] for index in task], measured_images, chosen, steps)
    more, extra = _compared(sets, view, judge, steps)
    more += influence_findings(view) if influence else []
    measures = {
        (place.split, place.path): picture
        for place, picture in zip(everything, pictures, strict=True)
    }
    ordered = in_order([*findings, *more])
    return {
        "format": 1,
        "adapt": __version__,
        "name": sets.name,
        "data": sets.name,
        "model": _card(judge),
        "sets": _sizes(everything, pictures, view),
        "classes": view.class_names,
        "notes": sets.notes,
        "findings": [finding_entry(finding, measures) for finding in ordered],
        **extra,
    }


def _placed(
    images: Mapping[str, ImageList], row: Mapping[str, int]
) -> tuple[list[Place], list[int]]:
    """Every image as the user knows it, and its position among the measurements."""
    places = [
        Place(name, part.relative(index), part.labels[index])
        for name, part in images.items()
        for index in range(len(part))
    ]
    return places, [row[path] for part in images.values() for path in part.paths]


def _view(
    sets: CheckedSets,
    places: list[Place],
    measured_images: Measured,
    rows: list[int],
    steps: Progress,
) -> View:
    classes = {
        key: name
        for set_name, images in sets.images.items()
        if set_name not in sets.others
        for key, name in images.classes.items()
    }
    pictures = [measured_images.pictures[row] for row in rows]
    features = None if measured_images.features is None else measured_images.features[rows]
    copies = find_copies(pictures, steps.step("comparing images", len(pictures)))
    several = sets.several_labels
    return View(places, pictures, features, copies, classes, sets.labels_file, several)


def _compared(
    sets: CheckedSets, view: View, judge: Model | None, steps: Progress
) -> tuple[list[Finding], dict[str, Any]]:
    """Findings about all images together: copies, classes, and what needs a model."""
    whole = {name: images for name, images in sets.images.items() if name not in sets.others}
    head = None if judge is None else judge.head([view.classes[key] for key in view.class_names])
    findings = [*judged_sizes(view, whole, sets.groups()), *copy_findings(view.copies, view.places)]
    if view.several:
        findings += label_set_findings(view, steps.step("checking labels", len(view.class_names)))
    elif head is not None:
        findings += judged_labels(view, head)
    findings += judged_names(view, head)
    return findings, {"leak_free": leak_free(view)}


def _card(judge: Model | None) -> dict[str, Any] | None:
    if judge is None:
        return None
    embedded = judge.pretrained == DEFAULT_PRETRAINED
    return {"arch": judge.arch, "pretrained": judge.pretrained, "embedded": embedded}


def _sizes(places: list[Place], pictures: list[Picture], view: View) -> dict[str, dict[str, int]]:
    sizes: dict[str, dict[str, int]] = {}
    labels: dict[str, set[str]] = {}
    for place, picture in zip(places, pictures, strict=True):
        size = sizes.setdefault(place.split, {"images": 0, "readable": 0, "classes": 0})
        size["images"] += 1
        size["readable"] += picture.error is None
        labels.setdefault(place.split, set()).update(view.labels_of(place))
        size["classes"] = len(labels[place.split])
    return sizes
