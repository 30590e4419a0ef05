"""One style for all figures, and how they become SVG and PNG.

The colours are those of Okabe and Ito, which people with any colour vision can tell apart. Every
series also has its own marker or line style, so that a grey print can still be read.
"""

import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import matplotlib
from markupsafe import escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.text import Text

from adapt.report.record.read import Absent, RunRecord
from adapt.report.record.scores import named_start

INK = "#20262e"
PAPER = "#fffffe"
MUTED = "#6b7480"
GRID = "#dfe3e8"
ORANGE = "#e69f00"
SKY = "#56b4e9"
GREEN = "#009e73"
BLUE = "#0072b2"
VERMILION = "#d55e00"
PURPLE = "#cc79a7"

MODEL_COLOURS = {
    "majority": MUTED,
    "zero_shot": ORANGE,
    "linear_probe": GREEN,
    "mixed_probe": GREEN,
    "adapted": PURPLE,
    "output_ensemble": SKY,
    "ensemble": BLUE,
}
MODEL_MARKERS = {
    "majority": "X",
    "zero_shot": "s",
    "linear_probe": "^",
    "mixed_probe": "P",
    "adapted": "D",
    "output_ensemble": "v",
    "ensemble": "o",
}
# In the page these colours become CSS variables, so that figures follow the dark mode.
_VARIABLES = {
    INK: "--ink",
    PAPER: "--page",
    MUTED: "--muted",
    GRID: "--line",
    ORANGE: "--orange",
    BLUE: "--blue",
    GREEN: "--green",
    VERMILION: "--vermilion",
    PURPLE: "--purple",
}
# Keys are Any because newer matplotlib lists every one of its settings as a Literal.
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 2.0,
    "lines.markersize": 6.0,
    # Text stays text: crisp, searchable, and any script is drawn with the reader's own fonts.
    "svg.fonttype": "none",
    "svg.hashsalt": "adapt",
}


@dataclass(frozen=True)
class ReportFigure:
    """A figure with the words that belong to it.

    Attributes:
        drawing: What matplotlib drew.
        alt: The numbers of the figure in words, for those who cannot see it.
        caption: What it shows, and on which images.
        read: How to read it, in plain words.
        title: Heading; empty for the title that its function is registered with.
        name: File name without suffix; filled in by `figure`.
    """

    drawing: Figure
    alt: str
    caption: str
    read: str
    title: str = ""
    name: str = ""


Draw = Callable[[RunRecord], ReportFigure | str | None]
Show = Callable[[RunRecord], ReportFigure | Absent | None]


def figure(name: str, title: str, needs: str = "") -> Callable[[Draw], Show]:
    """Make a figure of the report from a function that draws it.

    The function takes the run and returns the figure, or the reason why there is none as a sentence
    without its full stop. It returns None where a figure would say nothing, such as a line of one
    point: the report is then silent.

    Args:
        name: File name without suffix.
        title: Heading.
        needs: A file of the run folder without which the function is not called.
    """

    def decorate(draw: Draw) -> Show:
        @wraps(draw)
        def drawn(run: RunRecord) -> ReportFigure | Absent | None:
            result = run.reason(needs) if needs and run.lacks(needs) else draw(run)
            if isinstance(result, str):
                return Absent(title, result)
            if result is None:
                return None
            return replace(result, name=name, title=result.title or title)

        return drawn

    return decorate


@contextmanager
def house_style() -> Iterator[None]:
    """Draw with the look of the report, whatever the user's own matplotlib settings are."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that fits its own labels."""
    return Figure(figsize=(width, height), layout="constrained")


def percent_axis(axes: Axes, which: str = "y") -> None:
    """Label an axis of fractions in percent."""
    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_formatter(lambda value, _: f"{100 * value:.4g} %")


def chosen_line(axes: Axes, alpha: float) -> None:
    """Mark the alpha that was chosen on an axis of alphas."""
    axes.axvline(alpha, color=INK, linewidth=1.2, linestyle=":", zorder=1)


def colour_of(model: str) -> str:
    """The colour a model has in every figure."""
    return MODEL_COLOURS.get(model, SKY)


def marker_of(model: str) -> str:
    """The marker a model has in every figure."""
    return MODEL_MARKERS.get(model, "P")


def as_png(figure: Figure) -> bytes:
    """The figure on white, at print resolution."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=160, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def as_svg(figure: Figure) -> str:
    """The figure as a stand-alone SVG file on white."""
    buffer = io.StringIO()
    FigureCanvasSVG(figure)
    figure.savefig(buffer, format="svg", facecolor="none", metadata={"Date": None})
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.DOTALL)
    return svg.replace("<svg ", '<svg style="background: white" ', 1)


def as_inline_svg(svg: str, shown: ReportFigure) -> str:
    """A stand-alone SVG as an `<svg>` element that takes its colours from the page.

    Args:
        svg: What `as_svg` made of the figure.
        shown: The figure; gives the words for those who cannot see it.
    """
    svg = svg[svg.index("<svg") :]
    # Several figures share one page, so their ids must differ.
    prefix = f"{shown.name}-"
    svg = re.sub(r'\bid="', f'id="{prefix}', svg)
    svg = re.sub(r'href="#', f'href="#{prefix}', svg)
    svg = svg.replace("url(#", f"url(#{prefix}")
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    label = f'<svg role="img" aria-label="{escape(shown.alt)}" '
    return svg.replace('<svg style="background: white" ', label, 1).strip()


def name_start(figure: ReportFigure, scores: Mapping[str, Any]) -> None:
    """Call the start of a run what it is in every text of a drawing; see `named_start`."""
    for artist in figure.drawing.findobj(Text):
        assert isinstance(artist, Text)
        if "zero-shot" in artist.get_text():
            artist.set_text(named_start(artist.get_text(), scores))
