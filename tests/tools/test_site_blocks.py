"""Code blocks of the pages: commands and settings exist, Python runs or says why not."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from adapt.data.sources.embedded import EMBEDDED
from tools.site.blocks import (
    Block,
    adapt_commands,
    blocks,
    unloadable,
    wrong_command,
    wrong_imports,
    wrong_keys,
)

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "benchmarks" not in path.parts)
ALL = [block for page in [*PAGES, DOCS.parent / "README.md"] for block in blocks(page)]
PYTHON = [block for block in ALL if block.language == "python"]
RUN = [
    page for page in PAGES
    if any(block.language == "python" and not block.reason for block in blocks(page))
]  # fmt: skip
WALKED = sorted((DOCS / "tutorials").glob("*.md"))


def test_a_block_is_read_with_its_reason(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "a\n\n<!-- not run: no GPU -->\n```bash\nsrun adapt run photos \\\n  seed=1 &\n```\n"
        "- x\n\n  ```console\n  $ adapt list methods\n  gda\n  ```\n"
    )
    first, second = blocks(page)
    assert (first.language, first.reason, first.line) == ("bash", "no GPU", 4)
    assert list(adapt_commands(first)) == [["run", "photos", "seed=1"]]
    assert (second.reason, list(adapt_commands(second))) == ("", [["list", "methods"]])


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("diff a b --fail-if x", ""),
        ("diff a b --fail x", "--fail"),
        ("run quickstart --resume auto method.rank=8", ""),
        ("run quickstart data.train.rot=a", "data.train.rot"),
        ("run quickstart ~evals.outline", ""),
        ("cache info", ""),
        ("cache inf", "cache"),
    ],
)
def test_a_wrong_command_is_noticed(words: str, wrong: str) -> None:
    assert wrong in (said := wrong_command(words.split()))
    assert bool(said) == bool(wrong)


@pytest.mark.parametrize("block", ALL, ids=lambda block: block.place)
def test_commands_and_settings_are_real(block: Block) -> None:
    problems = [wrong_command(words) for words in adapt_commands(block)]
    if block.language == "yaml" and "apiVersion" not in block.text:
        problems += wrong_keys(yaml.safe_load(block.text))
    assert not [problem for problem in problems if problem]


def test_a_setting_that_does_not_load_is_noticed() -> None:
    assert not unloadable(["run", "one_folder", "photos", "evals.shift=other_photos"])
    assert "wrong type" in unloadable(["run", "quickstart", "method=16"])[0]
    assert "out of range" in unloadable(["sweep", "quickstart", "method.optim.lr=-1,1"])[0]


@pytest.mark.parametrize("block", ALL, ids=lambda block: block.place)
def test_recipes_with_these_settings_load(block: Block) -> None:
    assert not [problem for words in adapt_commands(block) for problem in unloadable(words)]


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.place)
def test_python_takes_what_is_there(block: Block) -> None:
    assert not list(wrong_imports(block.text))


def some_photos(root: Path, first: int, last: int) -> None:
    """Drawings of four classes, a folder for each."""
    for label in ("animal", "boat", "clock", "flower"):
        (root / label).mkdir(parents=True)
        for file in sorted((EMBEDDED / "pictograms/emoji/train" / label).iterdir())[first:last]:
            shutil.copy(file, root / label)


@pytest.fixture
def beside_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder but for what pages call `photos`, `other_photos` and `new_photos`."""
    some_photos(tmp_path / "photos", 0, 12)
    some_photos(tmp_path / "other_photos", 12, 16)
    (tmp_path / "new_photos").mkdir()
    for file in sorted((EMBEDDED / "pictograms/emoji/test/animal").iterdir())[:3]:
        shutil.copy(file, tmp_path / "new_photos")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("beside_photos")
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_python_runs(page: Path) -> None:
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.language == "python" and not block.reason:
            lines = "\n" * block.line + block.text
            exec(compile(lines, str(page), "exec"), names)


@pytest.mark.slow
@pytest.mark.parametrize("page", WALKED, ids=lambda page: page.stem)
def test_commands_of_a_tutorial_run(page: Path, beside_photos: Path) -> None:
    """One after another, in one folder; a block that is not run says why."""
    for block in blocks(page):
        if block.reason:
            continue
        for words in adapt_commands(block):
            done = subprocess.run([sys.executable, "-m", "adapt", *words], cwd=beside_photos,
                                  capture_output=True, text=True, check=False)  # fmt: skip
            assert done.returncode == 0, (block.place, words, done.stderr[-2000:])


def test_reasons_are_reasons() -> None:
    for block in ALL:
        assert not block.reason or len(re.findall(r"\w+", block.reason)) >= 3, block.place
