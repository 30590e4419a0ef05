"""New bundles from run folders: soups, and other points on the line."""

import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from adapt.cli import app as cli
from adapt.cli import averages
from adapt.common.content import content_hashes
from adapt.common.files import write_json
from adapt.ensembling.line import mix
from adapt.ensembling.soups import soup
from adapt.errors import DataError, RecipeError, RunError, WeightsError
from adapt.evaluation.metrics.calibration import fit_temperature
from adapt.models.classifier import Classifier, verify_bundle
from adapt.recipe.data import build_data
from adapt.recipe.load import load
from adapt.runs.soup import RunFolder, mix_run, soup_runs, start_of, train_images, val_images
from adapt.training.features.encode import predict_logits
from adapt.training.features.pixels import prepare
from adapt.training.settings import Runtime
from tests.helpers.tiny import CLASSES, VIT, bit_equal, draw_folder, moved, weights

RECIPE = """
version: 1
name: own
seed: {seed}
model: {{arch: test-tiny-vit, pretrained: random, templates: [plain]}}
data:
  train: {{kind: folder, root: {root}/train}}
  val: {{kind: folder, root: {root}/{val}}}
method: {{name: zero_shot}}
evals:
  test: {{kind: folder, root: {root}/test}}
runtime: {{accelerator: cpu, precision: "32", workers: "0", batch_size: 16}}
"""
RUNTIME = Runtime(accelerator="cpu", precision="32", workers="0", batch_size=16)


def tuned_from(start: Classifier, seed: int, size: float = 0.05) -> Classifier:
    return moved(start, seed, size).with_temperature(1.7)


def make_run(folder: Path, root: Path, tuned: int, val: str = "val", seed: int = 0) -> Path:
    """The files of a run that a new model needs, its tuned weights made up."""
    folder.mkdir(parents=True)
    (folder / "own.yaml").write_text(RECIPE.format(root=root, val=val, seed=seed))
    loaded = load(folder / "own.yaml")
    (folder / "recipe.yaml").write_text(loaded.text())
    data = build_data(loaded.recipe)
    write_json(folder / "split.json", data.manifest)
    start = Classifier.from_clip(VIT, "random", CLASSES, ["plain"], seed)
    tuned_from(start, tuned).save(folder / "adapted", {"alpha": 1.0})
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, toy_root: Path) -> Path:
    """Runs `one`, `two`, `three` on the drawings."""
    folder = tmp_path_factory.mktemp("runs")
    shutil.copytree(toy_root, folder / "images")
    for number, name in enumerate(("one", "two", "three")):
        make_run(folder / name, folder / "images", number)
    return folder


@pytest.fixture(scope="module")
def runs(root: Path) -> list[Path]:
    return [root / name for name in ("one", "two", "three")]


def test_a_uniform_soup_of_runs(runs: list[Path], tmp_path: Path) -> None:
    made = soup_runs(runs, tmp_path / "out", "uniform")
    found = Classifier.load(made.folder)
    assert made.folder == tmp_path / "out" / "model"
    assert bit_equal(weights(found), weights(made.classifier))
    each = [weights(Classifier.load(run / "adapted")) for run in runs]
    for name, value in weights(found).items():
        exact = np.mean([one[name].double().numpy() for one in each], axis=0)
        np.testing.assert_allclose(value.double().numpy(), exact, rtol=1e-6, atol=1e-9)
    assert verify_bundle(made.folder).probabilities < 1e-4
    content = json.loads((tmp_path / "out" / "soup.json").read_text())
    assert content["runs"] == content["chosen"] == [str(run) for run in runs]
    assert (content["select"], content["images"], content["selected_on"]) == ("uniform", 12, None)
    assert content["temperature"] == found.temperature
    info = json.loads((made.folder / "classifier.json").read_text())["info"]
    assert info["made_by"] == "adapt soup"
    assert info["soup"]["accuracy"] == content["accuracy"]


def test_a_greedy_soup_of_runs(runs: list[Path], tmp_path: Path) -> None:
    made = soup_runs(runs, tmp_path / "out")
    content = json.loads((tmp_path / "out" / "soup.json").read_text())
    assert made.report is not None
    assert content["trials"][0]["reason"].startswith("first: the best alone")
    assert [trial["name"] for trial in content["trials"] if trial["kept"]] == content["chosen"]
    assert all(-1 <= trial["cosine"] <= 1 for trial in content["trials"][1:])
    each = [weights(Classifier.load(Path(name) / "adapted")) for name in content["chosen"]]
    mean = np.mean([one["head.weight"].double().numpy() for one in each], axis=0)
    np.testing.assert_allclose(weights(made.classifier)["head.weight"], mean, rtol=1e-6)


def test_runs_are_measured_on_their_own_training_images(
    runs: list[Path], root: Path, tmp_path: Path
) -> None:
    select = "regmean"
    own = make_run(tmp_path / "own", draw_own(tmp_path / "images", root), 4)
    models = {str(run): Classifier.load(run / "adapted") for run in (runs[0], own)}
    train = {name: build_data(load(Path(name) / "recipe.yaml").recipe).fit.train for name in models}
    expected, _ = soup(
        models, val_images(RunFolder.read(runs[0])), select, runtime=RUNTIME, train=train
    )
    made = soup_runs([runs[0], own], tmp_path / "out", select)
    assert bit_equal(weights(made.classifier), weights(expected))
    assert any(note.startswith(f"{select} weighs ") for note in made.notes)

    (tmp_path / "images" / "train" / "red_circle" / "0.png").unlink()
    expected_error = f"{own} - train images have changed - 1 of the 9 in split.json are missing"
    with pytest.raises(DataError, match=expected_error):
        soup_runs([runs[0], own], tmp_path / "again", select)
    assert soup_runs([runs[0], own], tmp_path / "again", "uniform").folder.is_dir()


def draw_own(images: Path, root: Path) -> Path:
    """Other training images beside the val and test images of the runs."""
    for split in ("val", "test"):
        shutil.copytree(root / "images" / split, images / split)
    draw_folder(images / "train", dict.fromkeys(CLASSES, 3), 77)
    return images


def test_the_training_images_are_those_of_the_run(root: Path, tmp_path: Path) -> None:
    """What was set aside from them as a test set is not among them."""
    run = make_run(tmp_path / "run", root / "images", 0)
    text = (run / "recipe.yaml").read_text()
    changed = text.replace("evals:", "evals:\n  aside:\n    from: train\n    fraction: 0.25", 1)
    (run / "recipe.yaml").write_text(changed)
    write_json(run / "split.json", build_data(load(run / "recipe.yaml").recipe).manifest)
    train = train_images(RunFolder.read(run))
    assert len(train) < 24
    listed = RunFolder.read(run).content("train")
    hashes = content_hashes(train.paths)
    assert listed == Counter(zip(hashes, train.labels, strict=True))


def test_no_temperature_where_the_recipe_wants_none(runs: list[Path], tmp_path: Path) -> None:
    first = shutil.copytree(runs[0], tmp_path / "first")
    text = (first / "recipe.yaml").read_text()
    (first / "recipe.yaml").write_text(text.replace("kind: temperature", "kind: none"))
    assert load(first / "recipe.yaml").recipe.calibration.kind == "none"
    made = soup_runs([first, runs[1]], tmp_path / "out", "uniform")
    assert Classifier.load(made.folder).temperature == 1.0


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_a_mix_without_data(runs: list[Path], tmp_path: Path, alpha: float) -> None:
    made = mix_run(runs[0], alpha, tmp_path / "out")
    found = Classifier.load(made.folder)
    start = Classifier.from_clip(VIT, "random", CLASSES, ["plain"], 0)
    expected = mix(start, Classifier.load(runs[0] / "adapted"), alpha)
    assert bit_equal(weights(found), weights(expected))
    assert found.prompts == start.prompts
    assert (found.temperature, found.uncertainty) == (1.0, None)
    assert made.notes[0].startswith("temperature is 1, not calibrated")
    info = json.loads((made.folder / "classifier.json").read_text())["info"]
    assert (info["made_by"], info["alpha"], info["run"]) == ("adapt mix", alpha, str(runs[0]))


def test_a_mix_calibrated_again(runs: list[Path], root: Path, tmp_path: Path) -> None:
    made = mix_run(runs[0], 0.4, tmp_path / "out", recalibrate=True)
    val = build_data(load(runs[0] / "recipe.yaml").recipe).fit.val
    assert val is not None
    logits = predict_logits(
        made.classifier, prepare(val, made.classifier.backbone.preprocessing), RUNTIME
    )
    expected = fit_temperature(logits, val.targets(CLASSES))
    assert Classifier.load(made.folder).temperature == expected != 1.0
    assert "on 12 val images" in made.notes[0]


def test_the_start_is_the_one_of_the_run(runs: list[Path]) -> None:
    expected = Classifier.from_clip(VIT, "random", CLASSES, ["plain"], 0)
    assert bit_equal(weights(start_of(RunFolder.read(runs[0]))), weights(expected))


def test_val_images_that_changed(runs: list[Path], tmp_path: Path, toy_root: Path) -> None:
    shutil.copytree(toy_root, tmp_path / "images")
    run = make_run(tmp_path / "run", tmp_path / "images", 0)
    assert len(val_images(RunFolder.read(run))) == 12
    renamed = tmp_path / "images" / "val" / "red_circle" / "0.png"
    renamed.rename(renamed.with_name("renamed.png"))  # the content counts, not the name
    assert len(val_images(RunFolder.read(run))) == 12
    shutil.copy(tmp_path / "images/test/red_circle/0.png", renamed)
    renamed.with_name("1.png").unlink()
    expected = "val images have changed - 1 of the 12 in split.json are missing and 1 are new"
    for attempt in (
        lambda: soup_runs([run, runs[0]], tmp_path / "out"),
        lambda: mix_run(run, 0.5, tmp_path / "out", recalibrate=True),
    ):
        with pytest.raises(DataError, match=expected):
            attempt()
    assert not (tmp_path / "out").exists()
    assert mix_run(run, 0.5, tmp_path / "out").folder.is_dir()  # needs no images


def test_other_splits(runs: list[Path], root: Path, tmp_path: Path) -> None:
    apart = make_run(tmp_path / "apart", root / "images", 3, val="test")
    made = soup_runs([runs[0], apart], tmp_path / "a", "uniform")
    assert made.notes[0].startswith(
        f"{apart} has another val split than {runs[0]} and was trained on none"
    )

    images = tmp_path / "images"
    shutil.copytree(root / "images" / "train", images / "train")
    shutil.copytree(root / "images" / "test", images / "val")
    shutil.copytree(root / "images" / "test", images / "test")
    for name in CLASSES:  # one val image of each class of the first run, under another name
        shutil.copy(root / "images/val" / name / "0.png", images / "train" / name / "more.png")
    seen = make_run(tmp_path / "seen", images, 3)
    expected = "trained on images that the soup is chosen on - 3 of the 12 val images of"
    with pytest.raises(DataError, match=expected):
        soup_runs([runs[0], seen], tmp_path / "b", "uniform")
    assert not (tmp_path / "b").exists()
    made = soup_runs([runs[0], seen], tmp_path / "b", "uniform", allow_other_splits=True)
    note = f"{seen} was trained on 3 of the 12 val images: its val scores are too good"
    assert made.notes[0] == note
    assert json.loads((tmp_path / "b" / "soup.json").read_text())["notes"][0] == note


def test_another_start(runs: list[Path], root: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "other", root / "images", 0, seed=1)
    with pytest.raises(WeightsError, match="start - not the same"):
        soup_runs([runs[0], other], tmp_path / "out", "uniform")
    changed = shutil.copytree(runs[0], tmp_path / "changed")
    text = (changed / "recipe.yaml").read_text()
    (changed / "recipe.yaml").write_text(text.replace("seed: 0", "seed: 1"))
    for attempt in (
        lambda: mix_run(changed, 0.5, tmp_path / "out"),
        lambda: soup_runs([changed, runs[1]], tmp_path / "out"),
    ):
        with pytest.raises(WeightsError, match="changed - other pretrained weights - test-tiny"):
            attempt()


def test_a_run_without_val(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_val(recipe: object) -> object:
        data = build_data(recipe)  # type: ignore[arg-type]
        data.fit.val = None
        return data

    monkeypatch.setattr("adapt.runs.soup.build_data", without_val)
    with pytest.raises(DataError, match="no val images"):
        soup_runs(runs, tmp_path / "out")


def test_folders_that_are_no_runs(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="soup - too few runs - 1"):
        soup_runs(runs[:1], tmp_path / "out")
    with pytest.raises(RecipeError, match="given twice"):
        soup_runs([runs[0], runs[0] / ".." / "one"], tmp_path / "out")
    with pytest.raises(RecipeError, match="not a run folder"):
        soup_runs([runs[0], tmp_path], tmp_path / "out")
    with pytest.raises(RecipeError, match=r"alpha - out of range - 1\.5"):
        mix_run(runs[0], 1.5, tmp_path / "out")
    used = tmp_path / "used"
    used.mkdir()
    (used / "file").touch()
    for attempt in (
        lambda: mix_run(runs[0], 0.5, used),
        lambda: soup_runs(runs, used),
        lambda: mix_run(runs[0], 0.5, runs[0]),
        lambda: mix_run(runs[0], 0.5, used / "file"),
    ):
        with pytest.raises(RecipeError, match="not empty - it would be overwritten"):
            attempt()
    unfinished = shutil.copytree(runs[0], tmp_path / "unfinished")
    (unfinished / "split.json").write_text("{")
    with pytest.raises(RunError, match=r"split.json - cannot be read"):
        soup_runs([unfinished, runs[0]], tmp_path / "out")
    shutil.rmtree(unfinished / "adapted")
    with pytest.raises(RunError, match="no tuned model"):
        mix_run(unfinished, 0.5, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["adapt", *map(str, words)])
    monkeypatch.setattr(averages.console, "width", 200)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_the_commands(
    runs: list[Path],
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(root)
    names = [run.name for run in runs]
    out = tmp_path / "out"
    assert call(monkeypatch, "soup", *names, "--select", "greedy", "--out", out) == 0
    shown = capsys.readouterr().out
    trials = json.loads((out / "soup.json").read_text())["trials"]
    assert all(trial["reason"] in shown for trial in trials)
    assert all(f"{100 * trial['alone']:.1f}" in shown for trial in trials)
    assert "chosen on these images" in shown
    assert f"model   {out / 'model'}" in shown
    assert call(monkeypatch, "mix", "one", "--alpha", 0.4, "--out", tmp_path / "mixed") == 0
    assert "temperature is 1, not calibrated" in capsys.readouterr().out
    assert (tmp_path / "mixed" / "model" / "classifier.json").is_file()
    assert call(monkeypatch, "soup", "one", "--out", tmp_path / "x") == 2
    assert "soup - too few runs - 1 - give two or more" in capsys.readouterr().err
