"""The two models: opened from any folder, or known by what their runs stored."""

from pathlib import Path

import numpy as np
import pytest

from adapt.common.content import content_hash
from adapt.common.files import write_json
from adapt.comparison.sides import leaks, of_run, opened, paired_eval, seen_by, shared_evals
from adapt.data.image_data import ImageData
from adapt.data.shifts.shift import Shift
from adapt.data.sources.image_list import ImageList
from adapt.data.splits.stored import split_manifest
from adapt.errors import BundleError, DataError, RecipeError, RunError
from adapt.models.classifier import Classifier
from adapt.models.prediction.uncertainty import Uncertainty
from adapt.runs.folder.answers import write_answers
from tests.helpers.tiny import CLASSES


def stored_run(folder: Path, evals: dict[str, ImageList], seed: int = 0) -> Path:
    """A folder with the answers of a run, at random."""
    random = np.random.default_rng(seed)
    folder.mkdir()
    logits = {name: random.normal(size=(len(own), 3)) for name, own in evals.items()}
    write_json(folder / "split.json", split_manifest(evals))
    write_json(folder / "scores.json", {"model": {"arch": "tiny", "pretrained": "random"}})
    write_answers(folder, (CLASSES, 1.0, Uncertainty()), logits, evals, {})
    return folder


def test_a_model_is_opened_from_any_folder(start: Classifier, tmp_path: Path) -> None:
    start.save(tmp_path / "run" / "model")
    (tmp_path / "run" / "answers.json").touch()
    for given in (tmp_path / "run", tmp_path / "run" / "model"):
        side, model = opened(given, "A")
        assert side.name == "run"
        assert side.class_names == model.class_names == CLASSES
        assert side.about == "test-tiny-vit (random)"
        sizes = [path.stat().st_size for path in (tmp_path / "run" / "model").iterdir()]
        assert side.bytes == sum(sizes)
    side, _ = opened(start, "A")
    assert (side.name, side.place, side.bytes) == ("A", "", None)
    with pytest.raises(BundleError, match="not a bundle"):
        opened(tmp_path, "A")


def test_what_runs_stored_is_joined_by_content(tmp_path: Path, toy_test: ImageList) -> None:
    order = np.random.default_rng(0).permutation(15)
    _, first = of_run(stored_run(tmp_path / "a", {"test": toy_test, "own": toy_test}))
    _, second = of_run(stored_run(tmp_path / "b", {"test": toy_test.subset(order)}, 1))
    assert shared_evals(first, second) == (["test"], ["only A has the test set own"])
    pair, logits = paired_eval("test", first, second), second.evals["test"].logits
    for row in range(15):
        powers = np.exp(logits[list(order).index(row)].astype(np.float64))
        np.testing.assert_allclose(pair.b.probabilities[row], powers / powers.sum())
    assert pair.images.paths == toy_test.paths


def test_other_images_are_refused_with_numbers(tmp_path: Path, toy_test: ImageList) -> None:
    _, first = of_run(stored_run(tmp_path / "a", {"test": toy_test}))
    labels = ["red_circle", *toy_test.labels[1:-2]]
    fewer = ImageList(toy_test.paths[:-2], labels, None, None, toy_test.root, {})
    _, second = of_run(stored_run(tmp_path / "b", {"test": fewer}))
    with pytest.raises(DataError) as raised:
        paired_eval("test", first, second)
    numbers = (
        "15 images in A, 13 in B, 12 with the same content and label, 13 with the same content"
    )
    assert f"test - not the same images - {numbers} - give DATA" in str(raised.value)
    _, third = of_run(stored_run(tmp_path / "c", {"other": toy_test}))
    with pytest.raises(DataError, match="no test set in common - A has test; B has other"):
        shared_evals(first, third)


def test_another_shift_is_refused(tmp_path: Path, toy_test: ImageList) -> None:
    given = [toy_test.with_shift(Shift("fog", level)) for level in (1, 2)]
    stored = [
        of_run(stored_run(tmp_path / f"{place}", {"fog": own}))[1]
        for place, own in enumerate(given)
    ]
    with pytest.raises(DataError, match="not the same shift"):
        paired_eval("fog", *stored)


def test_what_is_no_run_is_refused(tmp_path: Path, start: Classifier) -> None:
    with pytest.raises(RecipeError, match=r"not a run folder.*give DATA"):
        of_run(tmp_path)
    with pytest.raises(RecipeError, match="not a run folder"):
        of_run(start)
    (tmp_path / "recipe.yaml").touch()
    with pytest.raises(RunError, match="no stored answers"):
        of_run(tmp_path)


def test_images_that_a_model_learned_from_are_counted(
    start: Classifier, tmp_path: Path, toy_data: ImageData, toy_test: ImageList
) -> None:
    assert toy_data.val is not None
    splits = {"train": toy_data.train, "val": toy_data.val, "test": toy_test}
    run = tmp_path / "run"
    start.save(run / "model")
    write_json(run / "split.json", split_manifest(splits))
    expected = {content_hash(path) for name in ("train", "val") for path in splits[name].paths}
    assert seen_by(run) == seen_by(run / "model") == expected
    assert seen_by(start) == seen_by(tmp_path) == set()
    mixed = ImageList(
        [*toy_test.paths, *toy_data.val.paths[:4]],
        [*toy_test.labels, *toy_data.val.labels[:4]],
        None,
        None,
        "/",
        {},
    )
    sets = {"test": toy_test, "mixed": mixed}
    assert leaks((start, run), sets) == [
        "4 of 19 images of mixed were in train or val of B: its scores there are too high"
    ]
