"""The report: verdicts, numbers equal to the JSON, escaping, degradation, determinism."""

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from adapt.errors import RecipeError, RunError
from adapt.report import verdict, write_report
from adapt.report.record.numbers import shift_difference, shift_mean
from adapt.report.record.read import number
from adapt.report.tables.scores import accuracy_table, calibration_table, split_table
from tests.helpers.report_fixture import make_guard, make_run, make_scores, metrics

HOSTILE = [
    "<script>alert(1)</script>",
    'a "quoted" & $x_1$ name',
    "pipe | *star* `tick`",
    "n" * 300,
]


def small_scores(zero: float, shipped: float, away: tuple[float, float] | None) -> dict[str, Any]:
    """Scores of zero-shot and ensemble on val, test and, where given, one shift."""
    gain = shipped - zero
    models: dict[str, Any] = {
        "zero_shot": {"val": metrics(zero), "test": metrics(zero)},
        "ensemble": {"val": metrics(shipped, gain), "test": metrics(shipped, gain)},
    }
    if away:
        models["zero_shot"]["sketch"] = metrics(away[0])
        models["ensemble"]["sketch"] = metrics(away[1], away[1] - away[0])
    return {"format": 1, "classes": ["a", "b"], "alpha": 0.5, "models": models}


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
        found = dict(attrs)
        self.links += [v or "" for k, v in attrs if k in ("src", "href", "xlink:href", "data")]
        if tag in ("svg", "img"):
            self.labels.append(found.get("alt") or found.get("aria-label") or "")

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with hostile class names and its report."""
    names = [*HOSTILE, "plain"]
    folder = make_run(tmp_path_factory.mktemp("runs") / "hostile", names, name="<b>run</b>")
    write_report(folder, ["html", "md"])
    return folder


def test_verdict_states_a_gain() -> None:
    said = verdict(small_scores(0.6, 0.7, (0.5, 0.55)))
    assert said == [
        "On test the shipped model (alpha 0.5) scores 70.0 %, 10.0 points above zero-shot "
        "(60.0 %); the 95 % interval, +7.5 to +12.5, excludes zero.",
        "On the mean of 1 shift it scores 55.0 %, 5.0 points above zero-shot (50.0 %); "
        "the 95 % interval, +2.5 to +7.5, excludes zero.",
    ]


def test_verdict_warns_first_of_a_loss() -> None:
    said = verdict(small_scores(0.7, 0.65, (0.6, 0.5)))
    assert said[0].startswith("Warning: the shipped model is worse than zero-shot")
    assert "65.0 % against 70.0 % (-5.0 points)" in said[0]
    assert said[1].startswith("Warning: the shipped model loses 10.0 points on the mean of 1 shift")
    assert not any(each.startswith("Warning") for each in said[2:])


@pytest.mark.parametrize(("after", "warned"), [(0.58, False), (0.579, True)])
def test_verdict_tolerates_two_points_on_shifts(after: float, warned: bool) -> None:
    said = verdict(small_scores(0.6, 0.7, (0.6, after)))
    assert said[0].startswith("Warning") is warned


def test_verdict_says_when_a_change_may_be_chance() -> None:
    said = verdict(small_scores(0.6, 0.61, (0.5, 0.5)))
    assert "includes zero, so this may be chance" in said[0]
    assert "level with zero-shot" in said[1]


def test_verdict_without_shifts_claims_nothing_about_robustness() -> None:
    said = verdict(small_scores(0.6, 0.7, None))
    assert said[-1].startswith("Robustness is n/a: no shift was evaluated.")


def test_verdict_with_null_metrics_never_says_zero() -> None:
    scores = small_scores(0.6, 0.7, (0.5, 0.5))
    scores["models"]["ensemble"]["test"] = metrics(None)
    scores["models"]["zero_shot"]["sketch"] = metrics(None)
    del scores["models"]["ensemble"]["sketch"]["difference"]
    said = " ".join(verdict(scores))
    assert "Accuracy on test is n/a" in said
    assert "it scores 50.0 %; zero-shot was not scored there, so the change is n/a." in said
    assert " 0.0 %" not in said


def test_verdict_compares_with_the_plain_adapted_model_and_the_probe() -> None:
    scores = make_scores(shifts=2)
    scores["models"]["linear_probe"]["test"] = metrics(0.95)
    said = " ".join(verdict(scores))
    assert "the shipped one is 2.0 points below it on test and 8.0 points above it" in said
    assert "A linear probe on frozen features is ahead by 15.0 points on test" in said


@pytest.mark.parametrize("outcome", ["lowered", "fallback"])
def test_verdict_starts_with_what_the_guard_changed(outcome: str) -> None:
    """The guard has said that the model was worse on val, so nothing else repeats it."""
    scores = small_scores(0.7, 0.65, None) | {"guard": make_guard(outcome)}
    said = verdict(scores)
    assert said[0].startswith(f"Warning: {scores['guard']['reason']}")
    assert ("there: +12.0 points, 95 % interval +6.0 to +18.0, 120 images." in said[0]) == (
        outcome == "lowered"
    )
    assert not any(each.startswith("Warning") for each in said[1:])


def test_verdict_states_a_guard_that_kept_the_choice_without_a_warning() -> None:
    said = verdict(small_scores(0.6, 0.7, None) | {"guard": make_guard("kept")})
    assert not any(each.startswith("Warning") for each in said)
    assert said[-1].startswith("At alpha 0.4 the model is no worse than zero-shot on held-out")


@pytest.mark.parametrize(("high", "warned"), [(-0.01, True), (0.0, False), (0.02, False)])
def test_verdict_warns_only_of_a_probe_that_is_clearly_better(high: float, warned: bool) -> None:
    guard = make_guard()
    guard["against"]["linear_probe"] = {"difference": -0.04, "ci": [-0.07, high]}
    said = verdict(small_scores(0.6, 0.7, None) | {"guard": guard})
    assert said[0].startswith("Warning: A linear probe on frozen features is clearly") is warned
    assert ("4.0 points ahead, 95 % interval +1.0 to +7.0, 120 images" in said[0]) is warned


def test_verdict_names_the_classes_that_became_worse() -> None:
    worse = [
        {"class": f"class {at}", "n": 10 + at, "difference": -0.5 + at / 20, "ci": [-0.8, -0.1]}
        for at in range(7)
    ]
    said = verdict(small_scores(0.6, 0.7, None) | {"guard": make_guard(worse_classes=worse)})
    assert said[0] == (
        "Warning: In 7 classes the shipped model is clearly worse than zero-shot on held-out "
        "images: class 0 (-50.0 points, 10 images), class 1 (-45.0 points, 11 images), class 2 "
        "(-40.0 points, 12 images), class 3 (-35.0 points, 13 images), class 4 (-30.0 points, 14 "
        "images) and 2 more."
    )


def test_verdict_of_zero_shot_itself() -> None:
    scores = small_scores(0.6, 0.7, (0.5, 0.5))
    del scores["models"]["ensemble"]
    assert verdict(scores)[0] == (
        "The shipped model is zero-shot itself; it scores 60.0 % on test."
    )
    at_the_start = small_scores(0.6, 0.6, (0.0, 0.0)) | {"alpha": 0}
    assert verdict(at_the_start)[0] == verdict(scores)[0]


def test_mean_of_shifts_is_the_mean_of_stored_numbers() -> None:
    scores = make_scores(shifts=4)
    names = list(scores["data"]["evals"])[1:]
    stored = [scores["models"]["ensemble"][name] for name in names]
    assert shift_mean(scores, "ensemble") == pytest.approx(sum(s["accuracy"] for s in stored) / 4)
    value, bounds = shift_difference(scores, "ensemble")
    changes = [s["difference"]["accuracy"] for s in stored]
    assert value == pytest.approx(sum(c["difference"] for c in changes) / 4)
    assert bounds == pytest.approx([sum(c["ci"][side] for c in changes) / 4 for side in (0, 1)])


def test_accuracy_table_holds_the_stored_numbers() -> None:
    scores = make_scores(shifts=3)
    table = accuracy_table(scores)
    rows = {row[0].text: row for row in table.rows}
    assert table.header[-1] == "ensemble (shipped)"
    for name, stored in scores["models"]["ensemble"].items():
        cell, change = rows[name][-1], stored["difference"]["accuracy"]["difference"]
        assert cell.text == f"{100 * stored['accuracy']:.1f} %"
        low, high = stored["accuracy_ci"]
        assert cell.note == f"{100 * low:.1f} to {100 * high:.1f}"
        assert cell.change.split()[1] == f"{100 * change:+.1f}"
        assert rows[name][1].text == str(stored["n"])
    assert rows["val"][0].note == "used for selection, not a test"


def test_calibration_table_holds_the_stored_numbers() -> None:
    scores = make_scores(shifts=1)
    row = calibration_table(scores).rows[0]
    shown = [cell.text for cell in row[1:]]
    models = ("zero_shot", "adapted", "ensemble")
    assert shown == [
        f"{scores['models'][model]['test'][key]:.3f}"
        for key in ("ece", "nll", "brier")
        for model in models
    ]


def test_data_card_holds_the_stored_counts() -> None:
    scores = make_scores()
    rows = {row[0].text: [cell.text for cell in row[2:]] for row in split_table(scores).rows}
    assert rows["train"] == ["48", "3", "16", "18"]
    assert rows["gaussian_blur_1"] == ["400", "n/a", "n/a", "n/a"]


def test_page_shows_the_numbers_and_the_sections(written: Path) -> None:
    page = Page((written / "report.html").read_text(encoding="utf-8"))
    assert "80.0 %" in page.text
    assert "+12.0 to zero-shot" in page.text
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
    assert "mean of shiftsn/ano shift was scored" in text
    assert "curve.json is absent" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_null_metrics_and_one_empty_eval_still_make_a_report(tmp_path: Path) -> None:
    scores = make_scores(shifts=2)
    for model in scores["models"]:
        scores["models"][model]["domain_0"] = metrics(None)
    (tmp_path / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    write_report(tmp_path, ["html"])
    rows = {row[0].text: row for row in accuracy_table(scores).rows}
    assert [cell.text for cell in rows["domain_0"][2:]] == ["n/a"] * 5


@pytest.mark.parametrize(("classes", "shifts"), [(2, 0), (1000, 20)])
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
    with pytest.raises(RecipeError, match=r"no scores\.json in it - give the folder"):
        write_report(tmp_path, ["html"])
    (tmp_path / "scores.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match="cannot be read"):
        write_report(tmp_path, ["html"])


@pytest.mark.parametrize("text", ["", "nan", "inf", "word", None, True])
def test_what_is_no_number_is_none(text: object) -> None:
    assert number(text) is None


def test_no_torch_and_no_matplotlib_at_import() -> None:
    code = (
        "import sys, adapt.report; assert 'matplotlib' not in sys.modules;"
        "import adapt.report.write; assert 'matplotlib.pyplot' not in sys.modules;"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
