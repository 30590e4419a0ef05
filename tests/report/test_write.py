"""The report as files: numbers, escaping, degradation, determinism."""

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from adapt.errors import RecipeError, RunError
from adapt.report import write_report
from adapt.report.tables.scores import accuracy_table
from tests.helpers.report_fixture import (
    make_run,
    make_scores,
    metrics,
    record,
    rows_of,
    small_scores,
)

HOSTILE = [
    "<script>alert(1)</script>",
    'a "quoted" & $x_1$ name',
    "pipe | *star* `tick`",
    "n" * 300,
]


class Page(HTMLParser):
    """Collects what a page shows, runs and points to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.labels: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.links += [v or "" for k, v in attrs if k in ("src", "href", "xlink:href", "data")]
        if tag in ("svg", "img"):
            self.labels.append(given.get("alt") or given.get("aria-label") or "")

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with hostile class names and its report."""
    names = [*HOSTILE, "plain"]
    folder = make_run(tmp_path_factory.mktemp("runs") / "hostile", names, name="<b>run</b>")
    write_report(folder, ["html", "md"])
    return folder


def test_page_shows_the_numbers_and_the_sections(written: Path) -> None:
    page = Page((written / "report.html").read_text(encoding="utf-8"))
    assert "80.0 %" in page.text
    assert "+12.0 from zero-shot" in page.text
    for title in ("Alpha curve", "Reliability", "Worst mistakes", "Learning curves", "Data card"):
        assert title in page.text
    assert page.text.count("How to read:") == page.tags.count("svg") > 10
    assert "name: pets_lora # <b>&" in page.text


def test_hostile_names_are_text(written: Path) -> None:
    html = (written / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert "script" not in page.tags
    assert HOSTILE[0] in page.text
    assert "<b>run</b>" in page.text
    markdown = (written / "report.md").read_text(encoding="utf-8")
    assert "<script" not in markdown
    tables = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert tables
    assert all(line.rstrip().endswith("|") for line in tables)


def test_page_is_self_contained(written: Path) -> None:
    page = Page((written / "report.html").read_text(encoding="utf-8"))
    assert all(link.startswith(("#", "data:image/")) for link in page.links)
    assert "link" not in page.tags
    assert "url(http" not in page.text


def test_every_id_is_unique_and_every_picture_has_words(written: Path) -> None:
    html = (written / "report.html").read_text(encoding="utf-8")
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    labels = Page(html).labels
    assert len(labels) > 8
    assert all(len(label) > 10 for label in labels)


def test_figures_are_files_and_markdown_points_to_them(written: Path) -> None:
    markdown = (written / "report.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\((figures/[a-z_0-9/]+\.png)\)", markdown)
    assert "figures/alpha_curve.png" in links
    assert all((written / link).is_file() for link in links)
    assert (written / "figures" / "alpha_curve.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_same_files_give_the_same_bytes(written: Path, tmp_path: Path) -> None:
    again = tmp_path / written.name
    shutil.copytree(written, again, ignore=shutil.ignore_patterns("*.svg", "report.*"))
    paths = write_report(again, ["html", "md"])
    assert len(paths) > 20
    for path in paths:
        assert path.read_bytes() == (written / path.relative_to(again)).read_bytes(), path.name


def test_missing_files_are_named_with_a_reason(tmp_path: Path) -> None:
    scores = small_scores(0.6, 0.7, None)
    (tmp_path / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    (tmp_path / "mistakes.json").write_text("[{", encoding="utf-8")
    write_report(tmp_path, ["html", "md"])
    text = " ".join(Page((tmp_path / "report.html").read_text(encoding="utf-8")).text.split())
    files = ("curve.json", "reliability.json", "per_class.csv", "confusion.csv", "metrics.csv")
    newer = ("robustness.json", "uncertainty.json")
    for file in (*files, *newer, "environment.json", "recipe.yaml"):
        assert f"{file} is absent: " in text
    assert "mistakes.json cannot be read: " in text
    assert "Robustness was not measured. To measure it, add" in text
    assert "n/a" not in text.split("What to do next")[0].split("{")[-1]
    assert "curve.json is absent" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_null_metrics_and_one_empty_eval_still_make_a_report(tmp_path: Path) -> None:
    scores = make_scores(shifts=2)
    for model in scores["models"]:
        scores["models"][model]["domain_0"] = metrics(None)
    (tmp_path / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    write_report(tmp_path, ["html"])
    rows = rows_of(accuracy_table(record(scores)))
    assert [cell.text for cell in rows["domain_0"][2:]] == ["n/a"] * 5


@pytest.mark.parametrize(
    ("classes", "shifts"), [(2, 0), pytest.param(1000, 20, marks=pytest.mark.slow)]
)
def test_extreme_sizes(tmp_path: Path, classes: int, shifts: int) -> None:
    folder = make_run(tmp_path / "run", classes, shifts)
    (report, *_) = write_report(folder, ["html"])
    page = Page(report.read_text(encoding="utf-8"))
    assert ("most confused pairs" in page.text) or ("Confusion matrix" in page.text)
    assert report.stat().st_size < 3_000_000


def test_thumbnails_come_only_from_the_run_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "scores.json").write_text(json.dumps(small_scores(0.6, 0.7, None)), encoding="utf-8")
    (tmp_path / "secret.png").write_bytes(b"secret")
    wrong = [{"path": "x.jpg", "eval": "test", "thumbnail": "../secret.png"}]
    (folder / "mistakes.json").write_text(json.dumps(wrong), encoding="utf-8")
    (report, *_) = write_report(folder, ["html"])
    text = report.read_text(encoding="utf-8")
    assert "c2VjcmV0" not in text
    assert "not an image of this run" in text


def test_wrong_use_is_refused_with_a_whole_sentence(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="unknown format - 'htm', did you mean 'html'"):
        write_report(tmp_path, ["htm"])
    with pytest.raises(RecipeError, match=r"there is no scores\.json in it - give the folder"):
        write_report(tmp_path, ["html"])
    (tmp_path / "scores.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match="cannot be read"):
        write_report(tmp_path, ["html"])


def test_no_torch_and_no_matplotlib_at_import() -> None:
    code = (
        "import sys, adapt.report; assert 'matplotlib' not in sys.modules;"
        "import adapt.report.write; assert 'matplotlib.pyplot' not in sys.modules;"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
