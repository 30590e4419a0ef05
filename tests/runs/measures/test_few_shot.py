"""The few-shot protocol and the ledger in whole runs."""

import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from adapt.common.content import content_hashes
from adapt.data.sources.folders import from_folder
from adapt.data.splits.stratified import sample_shots
from adapt.errors import RecipeError, RunError
from adapt.methods.auto.method import Auto
from adapt.recipe.load import load
from adapt.report.record.few_shot import band
from adapt.runs.folder.ledger import FILE
from adapt.runs.run import Run, run
from tests.helpers.tiny import CLASSES, VIT, draw_folder

WITHOUT_REPORT = "report.formats=[]"
RECIPE = """
version: 1
name: few
model: {{arch: {arch}, pretrained: random}}
method: {{name: gda, alpha: 0.5}}
data: {{train: {{kind: folder, root: {root}/train}}, val: {{from: train, fraction: 0.25}}}}
evals:
  test: {{kind: folder, root: {root}/test}}
  blur: {{of: test, shift: gaussian_blur, severity: 3}}
ensemble: {{alphas: 2, rule: val, corruptions: []}}
few_shot: {{shots: [1, 4], seeds: 2}}
report: {{formats: [html, md]}}
runtime: {{accelerator: cpu, precision: "32", workers: "0"}}
"""


@pytest.fixture
def recipe(toy_root: Path, tmp_path: Path) -> Path:
    path = tmp_path / "few.yaml"
    path.write_text(RECIPE.format(arch=VIT, root=toy_root), encoding="utf-8")
    return path


def read(done: Run, name: str) -> Any:
    return json.loads((done.folder / name).read_text(encoding="utf-8"))


@pytest.mark.usefixtures("svg_alone")
def test_draws_are_nested_and_score_as_separate_fits_would(
    recipe: Path, toy_root: Path, tmp_path: Path
) -> None:
    done = run(recipe, [], tmp_path / "run")
    found = read(done, "few_shot.json")
    cells = {(cell["shots"], cell["seed"]): cell for cell in found["cells"]}
    assert sorted(cells) == [(1, 0), (1, 1), (4, 0), (4, 1)]
    assert set(cells[1, 0]["images"]) < set(cells[4, 0]["images"])
    assert set(cells[4, 0]["images"]) != set(cells[4, 1]["images"])
    assert len(cells[4, 1]["images"]) == 12
    # one cell by the public road: the drawn images in a folder of their own
    train, root = tmp_path / "drawn", toy_root / "train"
    for name in cells[4, 1]["images"]:
        (train / name).parent.mkdir(parents=True, exist_ok=True)
        (train / name).write_bytes((root / name).read_bytes())
    own = [f"data.train.root={train}", "few_shot.shots=[]", "ensemble={kind: none}"]
    own.append(WITHOUT_REPORT)
    own.append(f"data.val={{kind: folder, root: {toy_root / 'val'}}}")
    alone = run(recipe, own, tmp_path / "alone")
    scores = read(alone, "scores.json")["models"]["adapted"]
    for name in ("test", "blur"):
        assert cells[4, 1]["accuracy"][name] == pytest.approx(scores[name]["accuracy"])
        zero = read(done, "scores.json")["models"]["zero_shot"][name]["accuracy"]
        assert found["zero_shot"][name] == pytest.approx(zero)
    below = [c for c in cells.values() if c["accuracy"]["val"] < found["zero_shot"]["val"]]
    assert found["below_zero_shot"] == [{"shots": c["shots"], "seed": c["seed"]} for c in below]
    page = (done.folder / "report.md").read_text(encoding="utf-8")
    mean = statistics.fmean(cells[4, seed]["accuracy"]["test"] for seed in (0, 1))
    assert "Accuracy by training images per class" in page
    assert f"{100 * mean:.1f} %" in page


def test_with_folds_the_first_eval_says_what_is_below_zero_shot(
    recipe: Path, tmp_path: Path
) -> None:
    folds = ["data.val={from: train, folds: 3}", "method={name: auto, candidates: [knn]}"]
    done = run(recipe, [*folds, WITHOUT_REPORT], tmp_path / "run")
    found = read(done, "few_shot.json")
    assert found["judged_on"] == "test"
    below = [c for c in found["cells"] if c["accuracy"]["test"] < found["zero_shot"]["test"]]
    assert found["below_zero_shot"] == [{"shots": c["shots"], "seed": c["seed"]} for c in below]
    rankings = sorted(path.parent.name for path in done.folder.glob("**/ranking.json"))
    assert rankings == ["0", "1", "2", "run"], "one of each fold, one of the model that ships"


def test_a_draw_is_fitted_as_a_run_of_its_own_would_be(recipe: Path, tmp_path: Path) -> None:
    """All images drawn: what the method chooses on val, it chooses in the protocol as well."""
    method = ["method={name: lp_plus_plus, select_on_val: true}", "few_shot={shots: [8], seeds: 2}"]
    done = run(recipe, [*method, "ensemble={kind: none}", WITHOUT_REPORT], tmp_path / "run")
    cell = read(done, "few_shot.json")["cells"][0]
    scores = read(done, "scores.json")["models"]["adapted"]
    for name in ("val", "test", "blur"):
        assert cell["accuracy"][name] == pytest.approx(scores[name]["accuracy"])


def test_training_methods_take_part_too(recipe: Path, tmp_path: Path) -> None:
    settings = ["method={name: full, optim: {lr: 1.0e-4, epochs: 1, batch_size: 8}}"]
    settings += ["few_shot={shots: [2], seeds: 2}", WITHOUT_REPORT]
    done = run(recipe, settings, tmp_path / "run")
    found = read(done, "few_shot.json")
    assert [len(cell["images"]) for cell in found["cells"]] == [6, 6]
    assert not list(done.folder.glob("members/*"))


def test_the_ledger_counts_every_opening(recipe: Path, tmp_path: Path) -> None:
    small = ["few_shot.shots=[]", WITHOUT_REPORT]
    for times in (1, 2):
        done = run(recipe, small, tmp_path / "run", overwrite=times > 1)
        assert read(done, "scores.json")["opened"] == {"test": times}
        openings = read(done, FILE)["openings"]
        assert [one["eval"] for one in openings] == ["test"] * times
    (done.folder / FILE).write_text("{}")
    with pytest.raises(RunError, match="not a ledger"):
        run(recipe, small, tmp_path / "run", overwrite=True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{shots: [4, 1]}", "not rising"),
        ("{shots: [0]}", "out of range"),
        ("{seeds: 1}", "2 to 100"),
    ],
)
def test_wrong_protocols_are_refused(recipe: Path, given: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        load(recipe, [f"few_shot={given}"])


def test_bands_equal_scipy() -> None:
    values = [0.51, 0.6, 0.58, 0.49]
    mean, low, high = band(values)
    expected = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (low, high) == pytest.approx(expected)
    assert mean == pytest.approx(np.mean(values))


def test_auto_takes_the_best_and_writes_its_ranking(recipe: Path, tmp_path: Path) -> None:
    few = ["few_shot.shots=[]", "method={name: auto, candidates: [gda, zs_lp]}"]
    done = run(recipe, few, tmp_path / "run")
    ranking = read(done, "ranking.json")
    names = [one["name"] for one in ranking["methods"]]
    assert sorted(names) == ["gda", "zero_shot", "zs_lp"]
    assert ranking["best"] == names[0]
    assert "Ranking of the methods" in (done.folder / "report.md").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="did you mean 'gda'"):
        Auto(candidates=["gdaa"])
    with pytest.raises(RecipeError, match=r"candidates.*did you mean 'gda'"):
        load(recipe, ["method={name: auto, candidates: [gdaa]}"])


def test_the_draws_are_those_of_sample_shots(toy_root: Path) -> None:
    images = from_folder(draw_folder(toy_root.parent / "moved", dict.fromkeys(CLASSES, 3), seed=7))
    keys = content_hashes(images.paths)
    backwards = list(range(len(images)))[::-1]
    turned = images.subset(backwards)
    first = sample_shots(images.labels, 2, 1, keys)
    second = sample_shots(turned.labels, 2, 1, [keys[i] for i in backwards])
    assert {images.paths[i] for i in first} == {turned.paths[i] for i in second}
