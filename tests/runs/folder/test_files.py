"""The run folder: who may write there, its tables, and the pictures of mistakes."""

from pathlib import Path

from PIL import Image

from adapt.data.sources.image_list import ImageList
from adapt.runs.folder.files import (
    THUMBNAIL,
    skipped_steps,
    thumbnails,
    training_log,
    write_csv,
)


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
    table = "epoch,train_loss,skipped_steps\n0,1,\n1,2,1.0\n2,1,3.0\n"
    for folder, more in ((".", 3), ("members/0", 6), ("members/1", 9)):
        (tmp_path / folder / "log").mkdir(parents=True)
        (tmp_path / folder / "log" / "metrics.csv").write_text(table)
        assert skipped_steps(tmp_path) == more, "of all trainings"


def test_pictures_of_mistakes_are_small(tmp_path: Path) -> None:
    Image.new("RGB", (400, 100), "red").save(tmp_path / "1.png")
    images = ImageList([str(tmp_path / "1.png")], ["cat"], None, None, str(tmp_path), {})
    mistakes: list[dict[str, object]] = [{"eval": "test", "index": 0}]
    thumbnails(tmp_path, mistakes, {"test": images})
    assert mistakes == [{"eval": "test", "thumbnail": "figures/mistakes/0.png"}]
    with Image.open(tmp_path / "figures" / "mistakes" / "0.png") as picture:
        assert picture.size == (THUMBNAIL, THUMBNAIL // 4)
