"""From a model and a pool to what is suggested; the loop closes."""

import json
from pathlib import Path

import numpy as np
import pytest

from adapt.data.sources.captions.pairs import UNLABELLED
from adapt.errors import DataError, RecipeError
from adapt.explore.suggest.run import suggest
from adapt.models.classifier import Classifier
from adapt.recipe.data import build_data
from adapt.recipe.load import load
from tests.helpers.tiny import tiny_classifier


def test_what_is_labelled_or_a_copy_is_not_suggested(
    model: Path, pool: Path, labelled: Path
) -> None:
    done = suggest(model, pool, 50, labelled=[labelled])
    names = {Path(path).name for path in done.paths}
    known = {f"{number:02d}.png" for number in range(4, 28, 2)}
    assert not names & (known | {"broken.png"})
    assert len(names & {"00.png", "copy.png"}) == 1
    images = done.content["images"]
    assert (images["read"], images["labelled"], images["labelled_already"]) == (31, 12, 12)
    assert images["candidates"] == len(names)
    assert done.content["how_many"]["labelled"] == 12
    notes = " ".join(done.content["notes"])
    assert "1 image of the pool cannot be read" in notes
    assert "1 row without a label" in notes
    assert f"only {len(names)} images were left" in notes


def test_a_loaded_model_says_what_its_folder_says(
    start: Classifier, model: Path, pool: Path
) -> None:
    there, here = (suggest(own, pool, 5, "entropy").content for own in (model, start))
    assert there["picks"] == here["picks"]
    assert there["how_many"] is None
    first = there["picks"][0]
    answer = start.predict(first["path"], top=3)[0]
    assert start.class_names[first["predicted"]] == answer.label
    assert first["confidence"] == pytest.approx(answer.confidence, abs=1e-6)
    readable = [str(path) for path in sorted(pool.iterdir()) if path.name != "broken.png"]
    everything = [-sum(p * np.log(p) for _, p in own.top) for own in start.predict(readable, top=3)]
    own = -sum(p * np.log(p) for _, p in answer.top)
    assert own == pytest.approx(max(everything), abs=1e-4)


def test_images_of_the_run_are_known(start: Classifier, pool: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    start.save(run / "model")
    from adapt.common.content import content_hash

    learned = [{"sha256": content_hash(pool / f"{n:02d}.png")} for n in range(10)]
    (run / "split.json").write_text(json.dumps({"splits": {"train": learned}}))
    done = suggest(run, pool, 50)
    assert done.content["images"]["labelled_already"] == 11  # the copy of 00 too


def test_a_filled_list_is_the_data_of_a_recipe(model: Path, pool: Path, tmp_path: Path) -> None:
    written = suggest(model, pool, 12).write(tmp_path / "out")
    lines = written.read_text().splitlines()
    kinds = ["blue_square", "green_cross", "red_circle"]
    filled = [f"{line}{kinds[n % 3]}" for n, line in enumerate(lines[1:])]
    written.write_text("\n".join([lines[0], *filled]) + "\n")
    table = f"data.train={{kind: table, path: {written}, root: {pool}}}"
    recipe = load("one_folder", [table, "evals={}"]).recipe
    fit = build_data(recipe).fit
    assert len(fit.train) + len(fit.val or []) == 12
    again = suggest(model, pool, 50, labelled=[written])
    assert again.content["images"]["labelled_already"] >= 12


def test_what_is_refused(model: Path, pool: Path, labelled: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="--strategy - not known - 'best'"):
        suggest(model, pool, 5, "best")
    with pytest.raises(RecipeError, match="--budget - out of range"):
        suggest(model, pool, 0)
    labelled.write_text("path,label\npool/00.png,elephant\n")
    with pytest.raises(DataError, match="labels that the model does not know - elephant"):
        suggest(model, pool, 5, labelled=[labelled])
    few = tmp_path / "few"
    few.mkdir()
    (few / "a.png").write_bytes((pool / "00.png").read_bytes())
    labelled.write_text("path,label\npool/00.png,red_circle\n")
    with pytest.raises(DataError, match="nothing left to label"):
        suggest(model, few, 5, labelled=[labelled])


def test_a_model_without_classes_is_refused(pool: Path) -> None:
    with pytest.raises(RecipeError, match="answers no classes - it learned from captions"):
        suggest(tiny_classifier(names=[UNLABELLED]), pool)
