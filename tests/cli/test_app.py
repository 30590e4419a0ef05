"""The command line: what it prints, and its exit codes."""

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from adapt.cli import app as cli
from adapt.data.sources.embedded import EMBEDDED

RECIPE = """
version: 1
name: own
model: {{arch: adapt-icons-xs, pretrained: embedded}}
data:
  train: {{kind: folder, root: {root}}}
  val: {{from: train, fraction: 0.25}}
method: {{name: zero_shot}}
evals:
  test: {{kind: folder, root: {test}}}
"""


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["adapt", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def photos(root: Path, classes: tuple[str, ...] = ("cat", "dog"), count: int = 4) -> Path:
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (32, 32), (90 * number, 10 * i, 40)).save(root / name / f"{i}.png")
    return root


def recipe(folder: Path, root: Path, test: Path) -> Path:
    path = folder / "own.yaml"
    path.write_text(RECIPE.format(root=root, test=test))
    return path


def test_help_is_quick_and_loads_no_torch() -> None:
    code = "import adapt.cli.app, sys; assert not {'torch', 'open_clip'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    times = []
    for _ in range(3):  # the fastest of three: the machine may be busy
        began = time.monotonic()
        shown = subprocess.run(
            [sys.executable, "-m", "adapt", "--help"],
            capture_output=True,
            text=True,
            check=True,
        )
        times.append(time.monotonic() - began)
    assert "predict" in shown.stdout
    assert min(times) < 10, "a sanity bound only; the promise of one second is measured in bench/"


def test_validate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = photos(tmp_path / "photos")
    path = recipe(tmp_path, root, root)
    assert call(monkeypatch, "validate", path) == 0
    assert call(monkeypatch, "validate", path, "sead=1", "ensemble.alphas=1") == 2
    problems = capsys.readouterr().err
    assert "did you mean 'seed'?" in problems
    assert "ensemble.alphas - out of range - given 1 (command line)" in problems


def test_a_mistyped_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("run", "validate", "plan"):
        assert call(monkeypatch, command, "nowhere") == 2
        said = capsys.readouterr().err
        assert "no such recipe - given 'nowhere' - give a YAML file or one of: " in said
        assert said.endswith("; or, for photos, a folder, table or archive that is there\n")


def test_plan_trains_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = photos(tmp_path / "photos")
    path = recipe(tmp_path, root, root)
    monkeypatch.chdir(tmp_path)
    assert (
        call(monkeypatch, "plan", path, "method.name=lora", "method.rank=2", "method.targets=[q]")
        == 0
    )
    shown = capsys.readouterr().out
    # six blocks of width 192: A (2, 192) and B (192, 2) each
    assert f"trainable   {6 * 2 * 2 * 192:,} of" in shown
    assert "train 6, val 2, test 8" in shown
    assert "disk        about 0." in shown
    assert not (tmp_path / "runs").exists()


def test_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "copy", "quickstart", tmp_path / "new") == 0
    assert (tmp_path / "new" / "quickstart.yaml").is_file()
    assert call(monkeypatch, "copy", "quickstart", tmp_path / "new") == 2
    capsys.readouterr()
    assert call(monkeypatch, "copy", "lora_16shot", tmp_path) == 0
    assert f"adapt run {tmp_path / 'lora_16shot.yaml'} PHOTOS" in capsys.readouterr().out


def test_the_schema_of_recipes_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "schema", "-o", tmp_path / "recipe.json") == 0
    assert f"$schema={tmp_path / 'recipe.json'}" in capsys.readouterr().out
    assert "method" in json.loads((tmp_path / "recipe.json").read_text())["properties"]


def test_run_predict_verify_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root, test = photos(tmp_path / "photos"), photos(tmp_path / "test", count=3)
    out = tmp_path / "run"
    assert call(monkeypatch, "run", recipe(tmp_path, root, test), "--out", out) == 0
    table = capsys.readouterr().out
    assert "zero-shot" in table
    assert table.count("(shipped)") == 1
    scores = json.loads((out / "scores.json").read_text())
    assert (scores["title"], scores["name"], scores["recipe"]) == ("own", "run", "own")
    report = (out / "report.md").read_text().splitlines()
    assert report[0] == "# own", "the name that the user gave"
    assert "run run" in report[2], "and where it is"
    assert call(monkeypatch, "run", recipe(tmp_path, root, test), "--out", out) == 2
    assert "add --resume" in capsys.readouterr().err
    (test / "cat" / "broken.jpg").write_bytes(b"no image")
    assert call(monkeypatch, "predict", out / "model", test, "-o", tmp_path / "out.csv") == 0
    lines = (tmp_path / "out.csv").read_text().splitlines()
    # what abstains is chosen on val; two val images are too few for sets
    assert lines[0] == "path,label,confidence,top5,error,reason,abstained"
    assert len(lines) == 8
    assert sum("not an image" in line for line in lines) == 1
    assert call(monkeypatch, "verify", out / "model") == 0
    (out / "report.html").unlink()
    assert call(monkeypatch, "report", out) == 0
    assert (out / "report.html").is_file()
    weights = out / "model" / "head.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert call(monkeypatch, "verify", out / "model") == 4
    assert "head.safetensors - altered" in capsys.readouterr().err


def empty(root: Path) -> str:
    for folder in root.iterdir():
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    return "no class folders"


def one_class(root: Path) -> str:
    for file in (root / "dog").iterdir():
        file.unlink()
    (root / "dog").rmdir()
    return "fewer than two classes"


def truncated(root: Path) -> str:
    path = root / "cat" / "x.jpg"
    Image.effect_noise((64, 64), 90).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[:600])
    return "truncated"


def text_file(root: Path) -> str:
    (root / "cat" / "x.jpg").write_text("hello")
    return "not an image"


@pytest.mark.parametrize("spoil", [empty, one_class, truncated, text_file])
def test_bad_data_is_exit_three(
    spoil: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root, test = photos(tmp_path / "photos"), photos(tmp_path / "test")
    expected = spoil(root)  # type: ignore[operator]
    assert call(monkeypatch, "run", recipe(tmp_path, root, test), "--out", tmp_path / "run") == 3
    assert expected in capsys.readouterr().err


@pytest.mark.usefixtures("svg_alone")
@pytest.mark.slow
def test_few_bad_images_are_named_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, test = photos(tmp_path / "photos"), photos(tmp_path / "test")
    text_file(root)
    words = [
        "run",
        recipe(tmp_path, root, test),
        "data.quarantine_limit=0.2",
        "--out",
        tmp_path / "run",
    ]
    assert call(monkeypatch, *words) == 0
    assert "x.jpg" in (tmp_path / "run" / "report.md").read_text()


def test_embedded_data_is_there() -> None:
    domains = {path.name for path in (EMBEDDED / "pictograms").iterdir() if path.is_dir()}
    assert domains == {"outline", "solid", "colour", "emoji", "silhouette"}


def test_sentences_are_shown_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Brackets in them, as in `ship: [probe]`, are no markup."""
    scores = {"models": {"zero_shot": {"test": {"accuracy": 0.5}}}}
    done = SimpleNamespace(scores=scores, reports=[], folder=tmp_path)
    monkeypatch.setattr("adapt.runs.run.run", lambda *given: done)
    monkeypatch.setattr("adapt.report.verdict", lambda scores: ["The probe ships (ship: [probe])."])
    monkeypatch.setattr("adapt.cli.app.score_table", lambda scores: "")
    assert call(monkeypatch, "run", "quickstart") == 0
    assert "The probe ships (ship: [probe])." in capsys.readouterr().out
