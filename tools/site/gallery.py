"""The pages of the gallery: real ones, made by commands on images that ship with adapt.

    python -m tools.site.gallery WORK [--pacs FOLDER]

Runs that are in WORK are taken as they are, so that the command can be given again; all of it takes
a quarter of an hour on two cores. Pages go to docs/gallery, their pictures to docs/figures (with a
Chromium). Figures that make a page heavy are left out of the copies here: a page is at most 400 kB.
PACS may be looked at, but not passed on: its report is drawn from a copy of the run without images.
"""

import argparse
import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from adapt.data.images import Images
from adapt.report.sections import SECTIONS, Section
from adapt.report.write import write
from tests.helpers.browser import CHROMIUM, browser

ROOT = Path(__file__).parents[2]
PAGES, PICTURES = ROOT / "docs" / "gallery", ROOT / "docs" / "figures" / "gallery"
LARGEST = 400_000
"""Bytes of a page in docs/gallery."""
HEAVY = (
    "effective", "reliability", "reliability_on_a_shift", "risk_coverage", "confusion",
    "contact_sheet",
)  # fmt: skip
EMOJI = "{kind: embedded, name: pictograms, domain: emoji}"
OUTLINE = "{kind: embedded, name: pictograms, domain: outline}"
SHOT = (1000, 760)
"""Width and height of a picture of a page, in points and pixels."""


@dataclass(frozen=True)
class Run:
    """A run of the gallery: the words after `adapt run`."""

    name: str
    words: tuple[str, ...]


FEW = (
    "few_shot_auto",
    "model.arch=adapt-icons-xs",
    "model.pretrained=embedded",
    f"data.train={EMOJI[:-1]}, split: train}}",
    f"evals={{test: {EMOJI}, outline: {OUTLINE}}}",
    "few_shot={shots: [1, 2, 4, 8], seeds: 3}",
)
RUNS = (
    Run("quickstart", ("quickstart",)),
    Run("short", ("quickstart", "method.optim.epochs=1")),
    Run("few_shot", FEW),
)


def light(sections: Sequence[Section]) -> list[Section]:
    """The sections of a report without the figures that make it heavy.

    >>> names = [maker.__name__ for part in light(SECTIONS) for maker in part.makers]
    >>> "alpha_curve" in names, "confusion" in names
    (True, False)
    """
    return [
        replace(part, makers=tuple(m for m in part.makers if m.__name__ not in HEAVY))
        for part in sections
    ]


def without_images(run: Path, copy: Path) -> Path:
    """A copy of what a report reads, without a picture or the name of an image.

    Args:
        run: Run folder.
        copy: A folder that is not there yet.
    """
    copy.mkdir(parents=True)
    for file in run.iterdir():
        if file.suffix in (".json", ".csv", ".yaml") and file.stem not in (
            "mistakes", "split", "check", "augmentation", "answers", "recipe", "environment",
        ):  # fmt: skip
            shutil.copy(file, copy)
    scores = (copy / "scores.json").read_text(encoding="utf-8")
    assert not re.search(r"\.(jpe?g|png)\b", scores), "an image is named"
    return copy


def faulty_photos(folder: Path) -> Path:
    """Labelled images with planted faults: wrong labels, copies, a damaged file, a tiny one."""
    images = Images.from_embedded("pictograms", "emoji", "train")
    chosen = images.class_names[:6]
    for path, label in zip(images.paths, images.labels, strict=True):
        if label in chosen:
            (folder / label).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / label)
    files = [sorted((folder / label).iterdir()) for label in chosen]
    for number, own in enumerate(files[:3]):
        other = folder / chosen[number + 1]
        shutil.move(own[0], other / f"moved-{own[0].name}")  # a wrong label
        shutil.copy(own[1], own[1].with_name(f"copy-of-{own[1].name}"))
    shutil.copy(files[4][0], folder / chosen[5] / f"also-{files[4][0].name}")  # two labels
    files[3][0].write_bytes(files[3][0].read_bytes()[:200])
    return folder


def adapt(words: Sequence[str], place: Path, allowed: Sequence[int] = (0,)) -> None:
    """Run a command in a folder."""
    done = subprocess.run([sys.executable, "-m", "adapt", *words], cwd=place, check=False)
    if done.returncode not in allowed:
        sys.exit(f"adapt {' '.join(words)}: exit code {done.returncode}")


def make(work: Path, pacs: Path | None) -> dict[str, Path]:
    """Every page by its name, made in `work`."""
    for run in RUNS:
        if not (work / run.name / "scores.json").is_file():
            adapt(["run", *run.words, "--out", run.name, "--overwrite"], work)
    adapt(["diff", "short", "quickstart", "--out", "diff", "--overwrite"], work)
    compared = ["quickstart", "short", "few_shot", "-o", "runs.html", "--overwrite"]
    adapt(["report", "--compare", *compared], work)
    if not (work / "check" / "check.html").is_file():
        if not (work / "photos").is_dir():
            faulty_photos(work / "photos")
        adapt(["check", "photos", "--out", "check"], work, (0, 3))
    pages = {
        "diff": work / "diff" / "diff.html",
        "runs": work / "runs.html",
        "check": work / "check" / "check.html",
    }
    folders = {name: work / name for name in ("quickstart", "few_shot")}
    if pacs is not None:
        shutil.rmtree(work / "pacs-without-images", ignore_errors=True)
        folders["pacs"] = without_images(pacs, work / "pacs-without-images")
    for name, folder in folders.items():
        write(folder, ["html"], light(SECTIONS))
        pages[name] = folder / "report.html"
    return pages


def picture(page: Path) -> bytes | None:
    """The top of a page as PNG; None without a Chromium."""
    if CHROMIUM is None:
        return None
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as view:
        view.patience = 300.0
        view.open(page.resolve().as_uri())
        shot = Image.open(io.BytesIO(view.picture(*SHOT)))
    small = io.BytesIO()
    shot.convert("RGB").resize(SHOT).quantize(128).save(small, "PNG", optimize=True)
    return small.getvalue()


def main() -> None:
    """Make the pages and their pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--pacs", type=Path, help="a run of the recipe pacs_photo")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    PAGES.mkdir(exist_ok=True)
    PICTURES.mkdir(exist_ok=True)
    for name, page in make(given.work.resolve(), given.pacs).items():
        text = page.read_text(encoding="utf-8").replace(f"{given.work.resolve()}/", "")
        assert len(text) <= LARGEST, f"{name}: {len(text):,} bytes"
        (PAGES / f"{name}.html").write_text(text, encoding="utf-8")
        shot = picture(PAGES / f"{name}.html")
        if shot is not None:
            (PICTURES / f"{name}.png").write_bytes(shot)
        print(f"{name}: {len(text):,} bytes")


if __name__ == "__main__":
    main()
