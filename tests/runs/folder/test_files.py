"""The run folder: who may write there, its tables, and the pictures of mistakes."""

import os
from pathlib import Path

import pytest
from PIL import Image

from adapt.data.sources.image_list import ImageList
from adapt.errors import RecipeError, RunError
from adapt.runs.folder.files import (
    LOCK,
    THUMBNAIL,
    close_folder,
    open_folder,
    skipped_steps,
    thumbnails,
    training_log,
    write_csv,
)


def test_a_folder_is_locked_while_it_is_written(tmp_path: Path) -> None:
    folder = open_folder(tmp_path / "a" / "run", resume=False, overwrite=False)
    assert (folder / LOCK).read_text() == str(os.getpid())
    (folder / "recipe.yaml").write_text("name: x")
    for resume, overwrite in ((True, False), (False, True)):
        with pytest.raises(RunError, match="in use"):
            open_folder(folder, resume, overwrite)
    close_folder(folder)
    with pytest.raises(RecipeError, match="it holds an earlier run"):
        open_folder(folder, resume=False, overwrite=False)
    open_folder(folder, resume=True, overwrite=False)
    assert (folder / "recipe.yaml").is_file()
    close_folder(folder)
    open_folder(folder, resume=False, overwrite=True)
    assert [path.name for path in folder.iterdir()] == [LOCK]


def test_a_folder_of_other_files_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RecipeError, match="it holds other files"):
        open_folder(tmp_path, resume=False, overwrite=True)
    assert (tmp_path / "thesis.txt").is_file()


def test_a_lock_of_a_process_that_ended_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("name: x")
    for text in ("99999999", "no number"):
        (tmp_path / LOCK).write_text(text)
        open_folder(tmp_path, resume=True, overwrite=False)


def test_no_cell_of_a_table_is_a_formula(tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv", ["name", "n"], [["=1+1", 2], ["a,b", -3]])
    assert (tmp_path / "x.csv").read_text().splitlines() == ["name,n", "'=1+1,2", '"a,b",-3']


def test_the_training_log_has_one_column_of_rates(tmp_path: Path) -> None:
    training_log(tmp_path)
    assert not (tmp_path / "metrics.csv").exists(), "nothing was trained"
    (tmp_path / "log").mkdir()
    rows = "epoch,lr-AdamW,lr-AdamW/pg1,train_loss\n0,,,1.5\n0,0.1,0.2,\n1,,,0.5\n"
    (tmp_path / "log" / "metrics.csv").write_text(rows)
    training_log(tmp_path)
    expected = ["epoch,train_loss,lr", "0,1.5,", "0,,0.1", "1,0.5,"]
    assert (tmp_path / "metrics.csv").read_text().splitlines() == expected


def test_skipped_steps_are_read_from_the_log(tmp_path: Path) -> None:
    assert skipped_steps(tmp_path) == 0
    (tmp_path / "metrics.csv").write_text(
        "epoch,train_loss,skipped_steps\n0,1,\n1,2,1.0\n2,1,3.0\n"
    )
    assert skipped_steps(tmp_path) == 3


def test_pictures_of_mistakes_are_small(tmp_path: Path) -> None:
    Image.new("RGB", (400, 100), "red").save(tmp_path / "1.png")
    images = ImageList([str(tmp_path / "1.png")], ["cat"], None, None, str(tmp_path), {})
    mistakes: list[dict[str, object]] = [{"eval": "test", "index": 0}]
    thumbnails(tmp_path, mistakes, {"test": images})
    assert mistakes == [{"eval": "test", "thumbnail": "figures/mistakes/0.png"}]
    with Image.open(tmp_path / "figures" / "mistakes" / "0.png") as picture:
        assert picture.size == (THUMBNAIL, THUMBNAIL // 4)
