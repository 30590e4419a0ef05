"""Whole runs on drawings: what is chosen on what, and what the files say of it."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from adapt.data.image_data import ImageData
from adapt.data.sources.embedded import EMBEDDED
from adapt.errors import DataError, RecipeError
from adapt.methods.heads.linear_probe import LinearProbe
from adapt.models.classifier import Classifier
from adapt.predictions.run import predict_files
from adapt.runs import selection
from adapt.runs.folder.lock import LOCK
from adapt.runs.run import Run, run
from tests.helpers.tiny import CLASSES, VIT, draw_folder

SMALL = """
version: 1
name: small
model: {arch: adapt-icons-xs, pretrained: embedded}
method: {name: linear_probe, C: 1.0}
report: {formats: []}
runtime: {accelerator: cpu, precision: "32", workers: "0"}
"""
FULL = "method={name: full, optim: {lr: 1.0e-4, epochs: 1, batch_size: 8}}"
LORA = FULL.replace("full", "lora")
TINY = f"model={{arch: {VIT}, pretrained: random}}"
"""Where nothing depends on what the model knows, nor on a start that all seeds share."""


@pytest.fixture
def recipe(toy_root: Path, tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(
        SMALL
        + f"data: {{train: {{kind: folder, root: {toy_root / 'train'}}}}}\n"
        + f"evals: {{test: {{kind: folder, root: {toy_root / 'test'}}}}}\n"
        + "ensemble: {alphas: 3, corruptions: [contrast]}\n"
    )
    return path


def read(done: Run, name: str) -> Any:
    return json.loads((done.folder / name).read_text(encoding="utf-8"))


def test_cross_validation_judges_every_training_image_once(recipe: Path, tmp_path: Path) -> None:
    done = run(recipe, ["data.val={from: train, folds: 4}"], tmp_path / "run")
    scores, curve = read(done, "scores.json"), read(done, "curve.json")
    assert scores["data"]["train"]["n"] == scores["data"]["val"]["n"] == 24
    assert scores["data"]["val"]["per_class"] == dict.fromkeys(CLASSES, 8)
    assert scores["models"]["ensemble"]["val"]["n"] == 24
    assert scores["guard"]["n"] == 24
    assert curve["rules"]["val"]["accuracy"] == max(p["val"]["accuracy"] for p in curve["points"])
    assert "synthetic" not in curve["points"][0], "the default rule looks at no corruption"
    assert curve["chosen"] in curve["level"]


def test_corruptions_are_scored_for_a_rule_that_looks_at_them(recipe: Path, tmp_path: Path) -> None:
    done = run(recipe, ["ensemble.rule=both_one_se"], tmp_path / "run")
    curve = read(done, "curve.json")
    assert {"synthetic", "regret"} <= set(curve["points"][0])
    assert {"both_one_se", "likelihood_gain", "val"} <= set(curve["rules"])


def test_folds_train_once_each_and_leave_checkpoints_apart(recipe: Path, tmp_path: Path) -> None:
    done = run(recipe, [TINY, FULL, "data.val={from: train, folds: 2}"], tmp_path / "run")
    for place in ("", "folds/0/", "folds/1/"):
        assert (done.folder / f"{place}checkpoints" / "last.ckpt").is_file()
    assert "linear_probe" in read(done, "scores.json")["guard"]["against"]


def test_the_models_of_all_folds_take_the_memory_of_one(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal tensors are those of the start; the others lie in files until alpha is chosen."""
    real, own = selection._judge, set[str]()

    def looked_at(recipe: Any, folds: Any) -> Any:
        for lines, _ in folds:
            for line in (lines.mixed, lines.probe):
                start = {n: v.data_ptr() for n, v in line.start.state_dict().items()}
                now = {n: v.data_ptr() for n, v in line.tuned.state_dict().items()}
                changed = {name for name in now if now[name] != start.get(name)}
                assert changed
                own.update(changed)
        files = sorted(path.relative_to(out) for path in out.glob("models-*/*/*"))
        assert [(path.parts[1], path.name) for path in files] == [
            (fold, f"{name}.safetensors") for fold in "01" for name in ("probe", "tuned")
        ]
        return real(recipe, folds)

    out = tmp_path / "run"
    monkeypatch.setattr(selection, "_judge", looked_at)
    run(recipe, [TINY, LORA, "data.val={from: train, folds: 2}"], out)
    assert all(name.startswith("head.") or ".attn." in name for name in own), own
    assert not list(out.glob("models-*"))


def test_no_fold_is_val_to_its_own_training(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a probe would choose its C on the images that then judge it."""
    seen, real = [], LinearProbe.fit

    def watched(probe: LinearProbe, start: Classifier, data: ImageData, *rest: Any) -> Classifier:
        seen.append((len(data.train), data.val))
        return real(probe, start, data, *rest)

    monkeypatch.setattr(LinearProbe, "fit", watched)
    run(recipe, [TINY, FULL, "data.val={from: train, folds: 4}"], tmp_path / "full")
    assert seen == [(24, None), *[(18, None)] * 4]
    seen.clear()
    run(recipe, [TINY, "data.val={from: train, folds: 4}"], tmp_path / "probe")
    assert seen == [(24, None), *[(18, None)] * 4]


def test_a_destructive_training_does_not_ship(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training that turns the head around is worse than zero-shot whatever the rule says."""

    def spoil(_: object, start: Classifier, *__: object) -> Classifier:
        tuned = start.clone()
        tuned.head.weight.data.neg_()
        tuned.head_from_text = False
        return tuned

    monkeypatch.setattr("adapt.runs.steps.fit", spoil)
    emoji = "{kind: embedded, name: pictograms, domain: emoji"
    changes = [f"data.train={emoji}, shots: 2}}", f"evals.test={emoji}}}", "ensemble={kind: none}"]
    done = run(recipe, changes, tmp_path / "run")
    scores = read(done, "scores.json")
    val = {name: row["val"]["accuracy"] for name, row in scores["models"].items()}
    assert val["adapted"] < val["zero_shot"]
    assert val["ensemble"] >= val["zero_shot"]
    assert scores["guard"]["outcome"] == "fallback"
    assert (scores["guard"]["alpha_before"], scores["alpha"]) == (1.0, 0.0)
    assert not (done.folder / "curve.json").exists()


@pytest.mark.slow
def test_members_are_averaged_to_the_adapted_model(recipe: Path, tmp_path: Path) -> None:
    changes = [FULL, "ensemble.members=2", "ensemble.soup=uniform"]
    done = run(recipe, changes, tmp_path / "run")
    report = read(done, "soup.json")
    assert report["chosen"] == ["seed 0", "seed 1"]
    single = [
        run(recipe, [FULL, f"seed={seed}", "data.val.seed=0"], tmp_path / f"single{seed}")
        for seed in (0, 1)
    ]
    first, second = (Classifier.load(one.folder / "adapted").state_dict() for one in single)
    soup = Classifier.load(done.folder / "adapted").state_dict()
    name = "backbone.model.visual.conv1.weight"
    assert not (first[name] == second[name]).all()
    assert (
        soup[name].double() - (first[name].double() + second[name].double()) / 2
    ).abs().max() < 1e-7


def test_checkpoints_are_averaged_and_outputs_are_for_reference(
    recipe: Path, tmp_path: Path
) -> None:
    changes = [TINY, FULL.replace("epochs: 1", "epochs: 4"), "ensemble.members={checkpoints: 3}"]
    done = run(recipe, [*changes, "report.formats=[md]"], tmp_path / "run")
    names = [f"seed 0, {number} of 3" for number in (1, 2, 3)]
    assert list(read(done, "soup.json")["alone"]) == names
    assert not list(done.folder.rglob("on_the_way"))
    scores = read(done, "scores.json")
    assert set(scores["references"]) == {"mean_probabilities", "mean_logits", "dawin"}
    for splits in scores["references"].values():
        assert {name: row["n"] for name, row in splits.items()} == {
            name: row["n"] for name, row in scores["models"]["adapted"].items()
        }
    page = (done.folder / "report.md").read_text(encoding="utf-8")
    assert "Averaged weights and averaged outputs" in page
    assert (done.folder / "metrics.csv").is_file(), "one training has its log in the run folder"


def test_a_shallow_layer_keeps_a_share_of_its_change(recipe: Path, tmp_path: Path) -> None:
    plain = run(recipe, [TINY, FULL], tmp_path / "plain")
    scaled = run(recipe, [TINY, FULL, "ensemble.shallow=0.5"], tmp_path / "scaled")
    name = "backbone.model.visual.conv1.weight"
    first, whole, half = (
        Classifier.load(folder).state_dict()[name].double()
        for folder in (
            run(recipe, [TINY, "method={name: zero_shot}"], tmp_path / "start").folder / "adapted",
            plain.folder / "adapted",
            scaled.folder / "adapted",
        )
    )
    assert not (whole == first).all()
    assert (half - (first + whole) / 2).abs().max() < 1e-7


def test_fixed_alpha_is_on_the_curve_and_shipped(recipe: Path, tmp_path: Path) -> None:
    changes = ["ensemble.rule=fixed", "ensemble.alpha=0.3", "ensemble.corruptions=[]"]
    done = run(recipe, changes, tmp_path / "run")
    curve = read(done, "curve.json")
    assert [point["alpha"] for point in curve["points"]] == [0.0, 0.3, 0.5, 1.0]
    assert read(done, "scores.json")["guard"]["alpha_before"] == 0.3
    assert "synthetic" not in curve["points"][0]
    likely = {"likelihood_gain", "likelihood", "likelihood_mean"}
    assert set(curve["rules"]) == {*likely, "val", "val_one_se"}


def test_retention_unknowns_groups_and_fewer_classes(
    recipe: Path, toy_root: Path, tmp_path: Path
) -> None:
    two = draw_folder(tmp_path / "two", dict.fromkeys(CLASSES[:2], 4), 5)
    table = tmp_path / "night.csv"
    files = sorted((toy_root / "test").rglob("*.png"))
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "light"])
        for number, path in enumerate(files):
            place = path.relative_to(toy_root / "test").as_posix()
            writer.writerow([place, path.parent.name, "day" if number % 3 else "night"])
    (tmp_path / "strangers" / "deep").mkdir(parents=True)
    for number, path in enumerate(sorted((EMBEDDED / "pictograms/solid/test").rglob("*.png"))[:6]):
        (tmp_path / "strangers" / "deep" / f"{number}.png").write_bytes(path.read_bytes())
    changes = [
        f"evals.two={{kind: folder, root: {two}}}",
        f"evals.night={{kind: table, path: {table}, root: {toy_root / 'test'}}}",
        "evals.others={kind: embedded, name: pictograms, domain: outline, retention: true}",
        "robustness.groups=[light]",
        f"uncertainty.unknown={{kind: folder, root: {tmp_path / 'strangers'}}}",
    ]
    done = run(recipe, changes, tmp_path / "run")
    scores, robust, doubt = (
        read(done, f"{name}.json") for name in ("scores", "robustness", "uncertainty")
    )
    assert scores["data"]["evals"]["two"]["classes"] == {"present": 2, "of": 3}
    assert "classes" not in scores["data"]["evals"]["test"]
    assert "others" not in scores["models"]["ensemble"]
    kept = robust["retention"]["others"]
    assert kept["classes"] == 32
    assert kept["before"] == kept["after"], "a probe leaves the encoders alone"
    rows = robust["groups"]["night"]["light"]["rows"]
    assert {row["value"]: row["n"] for row in rows} == {"day": 10, "night": 5}
    assert not any(row["ranked"] for row in rows)
    assert doubt["unknown"]["n"] == 6
    assert set(doubt["unknown"]["detectors"]) == {"msp", "energy", "knn"}
    out = tmp_path / "out.csv"
    predict_files(done.folder / "model", toy_root / "test", out)
    assert out.read_text().splitlines()[0].endswith("error,reason,abstained,unknown")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("ensemble.select=test", "write val, the only split alpha may be chosen on"),
        ("ensemble.rule=fixed", "the rule fixed needs it, 0 to 1"),
        ("ensemble.corruptions=[fogg]", "did you mean 'fog'"),
        ("data.val={from: train, folds: 1}", "folds - out of range - given 1"),
        ("data.val={from: train, folds: 3, fraction: 0.1}", "does not go with fraction"),
        ("data.train.retention=true", "for evals only"),
        ("ensemble.shallow=2", "give a fraction of at least 0 and at most 1"),
        ("ensemble.members=0", "give 1 to 100 trainings"),
        ("uncertainty.level=1.0", "give a fraction above 0 and below 1"),
        ("robustness.groups=[a, a]", "give each once"),
    ],
)
def test_refused_when_the_recipe_is_read(
    change: str, sentence: str, recipe: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match="1 problem") as caught:
        run(recipe, [change], tmp_path / "run")
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("change", "sentence", "computed"),
    [
        ("robustness.groups=[light]", "light", True),
        ("evals.test.root={bare}", "unknown class", False),
        (
            "evals.numbers={{kind: folder, root: {bare}, retention: true}}",
            "classes without names",
            True,
        ),
    ],
)
def test_refused_before_training(
    change: str, sentence: str, computed: bool, recipe: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    for label in ("1", "2"):
        (bare / label).mkdir(parents=True)
        source = next((EMBEDDED / "pictograms/solid/test").rglob("*.png"))
        (bare / label / "a.png").write_bytes(source.read_bytes())
    with pytest.raises(DataError, match=sentence):
        run(recipe, [change.format(bare=bare)], tmp_path / "run")
    kept = {path.name for path in (tmp_path / "run").iterdir()} - {LOCK}
    assert ("log.txt" in kept) == computed, "the split is there: nothing of it is lost"
    assert computed or not kept
    assert "adapted" not in kept


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


@pytest.mark.slow
def test_every_json_of_a_run_is_strict_and_every_file_whole(recipe: Path, tmp_path: Path) -> None:
    few_shot = "few_shot={shots: [1], seeds: 2}"
    changes = ["method={name: auto}", few_shot, "data.val={from: train, fraction: 0.25}"]
    folder = run(recipe, changes, tmp_path / "run").folder
    files = {path.name: path for path in folder.rglob("*.json")}
    assert files.keys() >= {"scores.json", "ranking.json", "few_shot.json", "classifier.json"}
    for path in folder.rglob("*.json"):
        json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert not [path for path in folder.rglob("*") if path.name.endswith(".part")]
