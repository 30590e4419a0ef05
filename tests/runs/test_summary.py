"""What `scores.json` holds: equal runs say equal things, whenever they were made."""

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from adapt.data.sources.embedded import from_scenes
from adapt.errors import RecipeError
from adapt.models.classifier import Classifier
from adapt.recipe.load import load
from adapt.runs.run import Run, run
from tests.helpers.killed import recipe


def test_two_runs_are_byte_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = recipe(tmp_path, "linear_probe", 0)
    written: list[dict[str, Any]] = []
    for number in range(2):
        monkeypatch.setenv("ADAPT_CACHE", str(tmp_path / f"cache-{number}"))
        done = run(path, [], tmp_path / str(number) / "run")
        assert done.seconds["total"] >= done.seconds["fit"] > 0
        written.append(json.loads((done.folder / "scores.json").read_text(encoding="utf-8")))
        assert written[number]["name"] == "run"
        assert "seconds" not in written[number]
    assert written[0] == written[1]
    texts = [(tmp_path / str(number) / "run" / "scores.json").read_bytes() for number in range(2)]
    assert texts[0] == texts[1]


KEYS = [
    "format", "recipe", "title", "method", "model", "seed", "classes", "shipped", "ship", "alpha",
    "selected_on", "alpha_rule", "guard", "temperature", "data", "quarantined", "notes", "models",
    "references", "leak_free", "lost_most", "name", "trainable", "skipped_steps", "opened",
]  # fmt: skip


def test_files_and_keys(tmp_path: Path) -> None:
    done = run(recipe(tmp_path, "linear_probe", 0, whole=True), [], tmp_path / "run")
    scores = json.loads((done.folder / "scores.json").read_text(encoding="utf-8"))
    assert list(scores) == KEYS
    for name in ("answers.json", "robustness.json", "uncertainty.json", "few_shot.json"):
        assert (done.folder / name).is_file(), name
    assert done.classifier.uncertainty is not None
    assert not done.classifier.labelling.several


SMALL = [
    "data.train.images=90",
    "evals={test: {kind: scenes, images: 60}, blur: {of: test, shift: gaussian_blur, severity: 3}}",
    "ensemble.alphas=3",
]
TRAINED = "method={name: full, optim: {epochs: 1, batch_size: 30, loss: asymmetric}}"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run("several_labels", [*SMALL, TRAINED], tmp_path_factory.mktemp("several") / "run")


def test_scores_are_those_of_the_shipped_model(done: Run) -> None:
    model = Classifier.load(done.folder / "model")
    images = from_scenes("emoji", "test", 60)
    said = model.predict(images.paths, top=len(model.class_names))
    targets = images.targets(model.class_names)
    given = [dict(prediction.top) for prediction in said]
    p = np.array([[own[name] for name in model.class_names] for own in given])
    chosen = np.array([[name in own.labels for name in model.class_names] for own in said])
    scored = done.scores["models"][done.scores["shipped"]]["test"]
    there = targets.any(axis=0)
    wanted = average_precision_score(targets[:, there], p[:, there], average="macro")
    assert scored["mAP"] == pytest.approx(wanted, abs=1e-6)
    assert scored["f1_micro"] == pytest.approx(f1_score(targets, chosen, average="micro"))
    assert all(own.label == "|".join(sorted(own.labels)) for own in said)


def test_what_the_folder_holds(done: Run) -> None:
    scores = json.loads((done.folder / "scores.json").read_text(encoding="utf-8"))
    assert scores["measure"] == "mAP"
    assert {"chance", "zero_shot", "linear_probe", "adapted", "ensemble"} <= set(scores["models"])
    decision = scores["decision"]
    assert len(decision["thresholds"]) == len(decision["offsets"]) == len(scores["classes"])
    change = scores["models"]["adapted"]["test"]["difference"]["mAP"]
    pair = [scores["models"][name]["test"]["mAP"] for name in ("adapted", "zero_shot")]
    assert change["difference"] == pytest.approx(pair[0] - pair[1])
    with (done.folder / "per_class.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    own = [r for r in rows if r["model"] == "adapted" and r["eval"] == "test"]
    each = [float(r["average_precision"]) for r in own if r["average_precision"]]
    assert np.mean(each) == pytest.approx(pair[0])
    page = (done.folder / "report.md").read_text(encoding="utf-8")
    assert "**mAP.**" in page
    assert "F1 micro" in page
    log = (done.folder / "metrics.csv").read_text(encoding="utf-8")
    assert "val_accuracy" in log


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [
        "{name: linear_probe}",
        "{name: lora, encoder: both, optim: {epochs: 1}}",
        "{name: clip_lora, steps_per_shot: 0, optim: {epochs: 1}}",
        "{name: bitfit, optim: {epochs: 1}}",
        "{name: lp_ft, optim: {epochs: 1}}",
        "{name: visual_projection, steps: 5, views: 1}",
        "{name: two_stage, steps_per_shot: 0, optim: {epochs: 2}}",
    ],
)
def test_methods_and_folds(method: str, tmp_path: Path) -> None:
    folds = "data.val={from: train, folds: 2}"
    few = ["data.train.images=60", *SMALL[1:], folds, f"method={method}", "report.formats=[md]"]
    scores = run("several_labels", few, tmp_path / "run").scores
    assert 0 < scores["models"]["adapted"]["test"]["mAP"] < 1
    scenes = from_scenes("emoji", "train", 60)
    counts = Counter(name for own in scenes.labels for name in own.split("|"))
    # What alone has a label is in train of every fold.
    alone = sum(any(counts[name] == 1 for name in own.split("|")) for own in scenes.labels)
    assert scores["guard"]["n"] == 60 - alone


def test_what_knows_one_label_alone_is_refused() -> None:
    wrong = [
        "method={name: flyp}",
        "few_shot.shots=[1]",
        "ensemble.rule=synthetic_shift",
        "data.balance=uniform",
        "model.prompts.search=true",
    ]
    with pytest.raises(RecipeError) as refused:
        load("several_labels", wrong)
    for part in ("method.name", "few_shot.shots", "ensemble.rule", "data.balance", "search"):
        assert part in str(refused.value), part
    with pytest.raises(RecipeError, match=r"model\.negations - for several labels"):
        load("quickstart", ["model.negations=['no {}']"])
