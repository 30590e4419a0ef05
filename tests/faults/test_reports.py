"""Faults of reports: numbers that say nothing, and test sets that must not be chosen on."""

import inspect
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapt.ensembling.choose import choose_alpha
from adapt.ensembling.guard import guard
from adapt.ensembling.rules.base import Evidence
from adapt.errors import DataError, RecipeError
from adapt.evaluation.metrics.per_class import per_class_table
from adapt.evaluation.metrics.scores import score
from adapt.evaluation.uncertainty.unknown import detection
from adapt.methods.base import Method
from adapt.recipe.load import load
from adapt.report.tables.scores import accuracy_table, balanced_table, opened_words
from adapt.runs.run import run
from adapt.runs.selection import choose
from tests.helpers.packed import class_files, write_folder
from tests.helpers.report_fixture import make_scores, record
from tests.helpers.tiny import VIT

RECIPE = """
version: 1
name: faults
model: {{arch: {arch}, pretrained: random}}
data: {{train: {{kind: folder, root: {train}}}, val: {{from: train, fraction: 0.3}}}}
method: {{name: linear_probe}}
ensemble: {{alphas: 3, corruptions: [gaussian_noise]}}
evals: {{test: {{kind: folder, root: {test}}}}}
few_shot: {{shots: [1], seeds: 2}}
runtime: {{accelerator: cpu, precision: "32", workers: "0"}}
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small run, as a file."""
    root = tmp_path_factory.mktemp("faults")
    train = write_folder(root / "train", class_files())
    test = write_folder(root / "test", class_files(3, seed=900))
    path = root / "recipe.yaml"
    path.write_text(RECIPE.format(arch=VIT, train=train, test=test))
    before = os.environ.get("ADAPT_CACHE")
    os.environ["ADAPT_CACHE"] = str(root / "cache")
    yield path
    os.environ.pop("ADAPT_CACHE")
    if before is not None:
        os.environ["ADAPT_CACHE"] = before


@pytest.mark.parametrize(
    ("logits", "targets", "undefined"),
    [
        (np.zeros((0, 3)), [], {"accuracy", "balanced_accuracy", "nll", "ece", "brier"}),
        (np.ones((4, 1)), [0] * 4, {"accuracy", "balanced_accuracy", "nll", "ece", "brier"}),
        (np.eye(3)[[0, 0, 1, 2]], [0, 0, 0, 0], {"balanced_accuracy"}),
        (np.tile([3.0, 0.0, 0.0], (4, 1)), [0, 1, 2, 1], set()),
    ],
    ids=["no images", "one class", "images of one class", "constant predictions"],
)
def test_f51_numbers_that_say_nothing(
    logits: np.ndarray, targets: list[int], undefined: set[str]
) -> None:
    """They are n/a with a reason, in the API and in the tables; never 0 or 100 %."""
    scores = score(logits, targets)
    assert set(scores["undefined"]) == undefined
    for name in undefined:
        assert scores[name] is None
        assert scores[f"{name}_ci"] is None
    stored = make_scores(shifts=1)
    stored["models"]["ensemble"]["test"] = scores
    run_record = record(stored)
    cells = {
        "accuracy": accuracy_table(run_record).rows[0][-1],
        "balanced_accuracy": balanced_table(run_record).rows[0][-1],
    }
    for name, cell in cells.items():
        assert (cell.text == "n/a") == (name in undefined)
        if name in undefined:
            assert cell.note == scores["undefined"][name]
    classes = per_class_table(np.eye(3)[logits.argmax(1)] if len(logits) else logits, targets)
    for row in classes:
        assert (row["f1"] is None) == (row["recall"] is None or row["precision"] is None)
    constant = detection([1.0, 1.0], [1.0])
    assert (constant["auroc"], constant["fpr95"]) == (None, None)
    assert constant["reason"] == "every image has the same score"


def test_f52_a_test_set_is_not_chosen_on(recipe: Path, tmp_path: Path) -> None:
    """Recipe and API refuse or have no place for it, and a second look is counted and told."""
    for override in ("ensemble.select=test", "data.val.from=test"):
        with pytest.raises(RecipeError) as refused:
            load(recipe, [override])
        assert refused.value.exit_code == 2
    for chooses in (choose, choose_alpha, guard, Method.fit):
        names = " ".join(inspect.signature(chooses).parameters)
        assert "test" not in names
        assert "eval" not in names
    with pytest.raises(TypeError):
        Evidence({0.0: 0.5}, 10, test={0.0: 0.5})  # type: ignore[call-arg]
    first = run(recipe, ["report.formats=[]"], tmp_path / "run")
    assert first.scores["opened"] == {"test": 1}
    once = opened_words(record(first.scores))
    assert once is not None
    assert once.words == "Every test set was opened once in this run folder."
    again = run(recipe, ["seed=1", "report.formats=[md]"], tmp_path / "run", overwrite=True)
    page = (tmp_path / "run" / "report.md").read_text(encoding="utf-8")
    assert again.scores["opened"] == {"test": 2}
    assert "test was opened 2 times in this run folder" in page
    _check_strict_json(tmp_path / "run")


def _check_strict_json(folder: Path) -> None:
    """Every JSON file of a run is read by a parser that knows no NaN and no Infinity."""

    def refuse(word: str) -> Any:
        raise DataError(f"{word} is no JSON")

    files = list(folder.rglob("*.json"))
    assert {"scores.json", "uncertainty.json", "robustness.json", "few_shot.json"} <= {
        path.name for path in files
    }
    for path in files:
        json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
