"""How cost grows with images, classes, alphas and shots: one panel of a figure each.

What is timed is what a run does, with everything that a step needs in memory before the clock runs,
unless the panel says otherwise. Each point is the median of `TIMES` turns; all points of a panel
are measured once per turn, so that a machine whose speed drifts slows all of them.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch

from adapt.ensembling.choose import alpha_grid, choose_alpha
from adapt.ensembling.held_out import HeldOutSets, JudgedLine, search_lines
from adapt.ensembling.line import Line
from adapt.methods.auto.method import Auto
from adapt.models.backbones import load_backbone
from adapt.models.heads import text_weights
from adapt.report.figures.style import BLUE, ORANGE, as_png, house_style, new_figure
from bench.speed.harness import timed
from bench.speed.rows import auto, curve, embedding

IMAGES = (500, 1000, 2000, 4000)
CLASSES = (10, 30, 100, 200)
POINTS = (3, 6, 11, 21)
SHOTS = (1, 2, 4, 8, 16)
TIMES = 3
STYLES = ((BLUE, "o"), (ORANGE, "s"))
Call = Callable[[], Any]


@dataclass(frozen=True)
class Series:
    """One line of a panel."""

    label: str
    seconds: list[float]
    """One for each value of the panel's axis."""


@dataclass(frozen=True)
class Panel:
    """Seconds of one piece of work by one size."""

    title: str
    axis: str
    sizes: list[int]
    series: list[Series]
    note: str


def images() -> Panel:
    """Photo files to features, and encoding alone."""
    backbone, all_photos = load_backbone("adapt-icons-xs", "embedded"), embedding.photos(IMAGES[-1])

    def whole(count: int) -> Call:
        return lambda: embedding.embed(backbone, all_photos.subset(list(range(count))))

    series = measured({"decode, resize and encode": whole}, IMAGES)
    return Panel("Images", "photos", list(IMAGES), series, "files to features, embedded model")


def classes() -> Panel:
    """Heads from text: prompts are all that counts."""
    backbone, templates = load_backbone("ViT-B-32", "random"), open_clip.SIMPLE_IMAGENET_TEMPLATES

    def head(count: int) -> Call:
        prompts = [[say(f"thing number {n}") for say in templates] for n in range(count)]
        return torch.no_grad()(lambda: text_weights(backbone, prompts))

    series = measured({"zero-shot head": head}, CLASSES)
    note = f"zero-shot head of ViT-B-32, {len(templates)} templates per class, built once"
    return Panel("Classes", "classes", list(CLASSES), series, note)


def alphas() -> Panel:
    """The choice of alpha as a run makes it, and a visit of every point."""
    start, photos = curve.labelled(400)
    tuned = start.clone()
    with torch.no_grad():
        for parameter in tuned.backbone.image_encoder.parameters():
            parameter.add_(0.1 * parameter.std() * torch.randn_like(parameter))
    sets = HeldOutSets.read(start, photos, curve.RUNTIME, [])

    def sought(count: int) -> Call:
        return lambda: choose_alpha(
            search_lines([line()], alpha_grid(count), curve.RULE).evidence(), curve.RULE
        )

    def visited(count: int) -> Call:
        return lambda: choose_alpha(line().visit_all(alpha_grid(count)).evidence(), curve.RULE)

    def line() -> JudgedLine:
        return JudgedLine(Line(start, tuned, curve.RUNTIME), sets)

    series = measured({"as a run seeks it": sought, "every point": visited}, POINTS)
    note = "400 photos, all weights of the embedded model differ"
    return Panel("Alphas", "points on the line", list(POINTS), series, note)


def shots() -> Panel:
    """The ranking of every method on features."""
    data = auto.support()

    def ranked(count: int) -> Call:
        rows = torch.arange(len(data.targets)).view(auto.CLASSES, auto.SHOTS)[:, :count]
        few = data.part(rows.reshape(-1))
        return lambda: Auto().ranked_head(few)

    series = measured({"method auto": ranked}, SHOTS)
    note = f"{auto.CLASSES} classes, features of width {auto.WIDTH}; all methods ranked"
    return Panel("Shots", "images per class", list(SHOTS), series, note)


def measured(work: Mapping[str, Callable[[int], Call]], sizes: Sequence[int]) -> list[Series]:
    """The seconds of each piece of work at each size."""
    calls = {(label, size): make(size) for label, make in work.items() for size in sizes}
    next(iter(calls.values()))()  # what is loaded at the first call is not counted
    turns = [{key: timed(call)[0] for key, call in calls.items()} for _ in range(TIMES)]
    return [
        Series(label, [statistics.median(turn[label, size] for turn in turns) for size in sizes])
        for label in work
    ]


PANELS: dict[str, Callable[[], Panel]] = {
    "images": images,
    "classes": classes,
    "alphas": alphas,
    "shots": shots,
}


def measure_growth() -> dict[str, Any]:
    """All panels, as they are stored."""
    return {name: asdict(make()) for name, make in PANELS.items()}


def panel_of(stored: Mapping[str, Any]) -> Panel:
    """What `measure_growth` stored."""
    series = [Series(**own) for own in stored["series"]]
    return Panel(**{**stored, "series": series})


def draw(stored: Mapping[str, Any], path: Path) -> None:
    """The figure: seconds from zero, so that a straight line is cost in proportion."""
    with house_style():
        figure = new_figure(9, 6.4)
        for axes, own in zip(figure.subplots(2, 2).flat, stored.values(), strict=True):
            panel = panel_of(own)
            for line, (colour, marker) in zip(panel.series, STYLES, strict=False):
                axes.plot(panel.sizes, line.seconds, marker, ls="-", color=colour, label=line.label)
            axes.set(title=panel.title, xlabel=panel.axis, ylabel="seconds")
            axes.set_xlim(0, None)
            axes.set_ylim(0, None)
            axes.legend(loc="upper left")
        path.write_bytes(as_png(figure))


def lines(stored: Mapping[str, Any], figure: str) -> list[str]:
    """The section of the document."""
    words = ["## How cost grows", "", f"![Seconds by images, classes, alphas, shots]({figure})", ""]
    for own in stored.values():
        panel = panel_of(own)
        for line in panel.series:
            pairs = zip(panel.sizes, line.seconds, strict=True)
            values = ", ".join(f"{seconds:.3g} s at {size:,}" for size, seconds in pairs)
            words.append(f"- **{panel.title}**, {line.label} ({panel.note}): {values}.")
    return words
