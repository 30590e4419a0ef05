"""A run's training images, read again: those of its split, and no others."""

import json
from pathlib import Path

import pytest
from PIL import Image

from adapt.common.content import content_hashes
from adapt.errors import DataError
from adapt.explore.training_images import training_images

RECIPE = """version: 1
name: photos
seed: 0
model: {arch: adapt-icons-xs, pretrained: embedded}
data: {train: {kind: folder, root: ROOT}}
method: {name: gda}
evals: {test: {from: train, fraction: 0.2}}
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder whose split tests on the last image of each class."""
    paths = []
    for number, (name, shade) in enumerate((n, s) for n in ("cat", "dog") for s in range(5)):
        path = tmp_path / "photos" / name / f"{shade}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (25 * number, 0, 0)).save(path)
        paths.append(str(path))
    folder = tmp_path / "run"
    (folder / "model").mkdir(parents=True)
    (folder / "recipe.yaml").write_text(RECIPE.replace("ROOT", str(tmp_path / "photos")))
    hashes = content_hashes(paths)
    parts = {"train": [0, 1, 2, 3, 5, 6, 7, 8], "test": [4, 9]}
    splits = {name: [{"sha256": hashes[row]} for row in rows] for name, rows in parts.items()}
    (folder / "split.json").write_text(json.dumps({"format": 1, "splits": splits}))
    return folder


@pytest.mark.parametrize("inside", [".", "model"])
def test_images_that_the_run_was_tested_on_are_left_out(run: Path, inside: str) -> None:
    images = training_images(run / inside)
    assert images is not None
    assert [Path(path).stem for path in images.paths] == ["0", "1", "2", "3"] * 2


def test_without_a_split_all_images_of_the_recipe_are_taken(run: Path) -> None:
    (run / "split.json").unlink()
    images = training_images(run)
    assert images is not None
    assert len(images) == 10


def test_other_images_in_the_place_of_those_of_the_run_are_refused(run: Path) -> None:
    for path in (run.parent / "photos").rglob("*.png"):
        Image.new("RGB", (9, 9), (int(path.stem), 99, 0)).save(path)
    with pytest.raises(DataError, match="none of its images is one that the run was trained on"):
        training_images(run)


def test_of_a_model_without_a_run_nothing_is_known(run: Path) -> None:
    (run / "recipe.yaml").unlink()
    assert training_images(run) is None
