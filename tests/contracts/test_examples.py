"""Every example runs as it is, small."""

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from adapt.data.sources.embedded import EMBEDDED

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))
EXPORTED = [path for path in EXAMPLES if "onnx" in path.stem]
"""`.ci/run` runs these where nothing else is installed; an export takes long."""
ON_FOLDERS = [
    path
    for path in EXAMPLES
    if path not in EXPORTED and "sys.argv" in path.read_text(encoding="utf-8")
]
MARKED = [pytest.param(p, marks=pytest.mark.slow) if p in EXPORTED else p for p in EXAMPLES]


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Little training, no files elsewhere."""
    monkeypatch.setenv("ADAPT_TINY", "1")
    monkeypatch.setenv("ADAPT_OUT", str(tmp_path / "out"))
    monkeypatch.chdir(tmp_path)


def few_photos(root: Path, first: int, last: int) -> Path:
    """Emoji of three classes, a folder for each."""
    for label in ("animal", "boat", "clock"):
        (root / label).mkdir(parents=True)
        for file in sorted((EMBEDDED / "pictograms/emoji/train" / label).iterdir())[first:last]:
            shutil.copy(file, root / label)
    return root


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("path", MARKED, ids=lambda path: path.stem)
def test_example(
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In this process, where PyTorch is loaded already; those that take folders get small ones."""
    assert len(path.read_text(encoding="utf-8").splitlines()) < 40
    folders = [few_photos(tmp_path / "photos", 0, 8), few_photos(tmp_path / "others", 8, 11)]
    monkeypatch.setattr(sys, "argv", [str(path), *map(str, folders if path in ON_FOLDERS else [])])
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out.strip()


def run_alone(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_an_example_needs_nothing_that_the_tests_bring() -> None:
    run_alone(next(path for path in EXAMPLES if path.stem.startswith("05")))


@pytest.mark.slow
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("path", ON_FOLDERS, ids=lambda path: path.stem)
def test_example_without_folders_takes_the_drawings(path: Path) -> None:
    run_alone(path)
