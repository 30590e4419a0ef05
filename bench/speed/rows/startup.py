"""What stands before any work: imports, the help, the prediction of one image."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from adapt.models.classifier import Classifier
from bench.speed.harness import Figure, alternate, row

RUNS = 7


def program(*words: str) -> Callable[[], None]:
    """A whole process, run to its end."""

    def run() -> None:
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)

    return run


def alone(call: Callable[[], None]) -> Figure:
    """Seconds of one call, with nothing to compare with."""
    figure, _, _ = alternate(call, lambda: None, RUNS)
    return Figure(figure.ours)


@row("import", "`import adapt`", "bare Python", 3.0, "fraction")
def import_adapt() -> Figure:
    """Both as whole processes."""
    return alternate(program("-c", "import adapt"), program("-c", "pass"), RUNS)[0]


@row("help", "`adapt --help`", "-", 0.5, "seconds")
def help_shown() -> Figure:
    """As a whole process."""
    return alone(program("-m", "adapt", "--help"))


@row("predict_one", "`adapt predict` of one image, embedded model", "-", 4.0, "seconds")
def predict_one() -> Figure:
    """From the start of Python to the written table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = Classifier.from_clip("adapt-icons-xs", "embedded", ["cat", "dog"])
        start.save(folder / "model")
        Image.new("RGB", (640, 480), (200, 30, 30)).save(folder / "image.jpg")
        words = [str(folder / part) for part in ("model", "image.jpg", "table.csv")]
        call = program("-m", "adapt", "predict", *words[:2], "-o", words[2], "--overwrite")
        figure = alone(call)
        figure.note = "imports: most of it is torch; neither timm, transformers nor its compiler"
        return figure
