"""What is labelled so far: filled lists, folders, and what is refused."""

from pathlib import Path

import pytest

from adapt.data.images import Images
from adapt.errors import DataError
from adapt.explore.suggest.labelled import (
    LabelledImages,
    numbers_of,
    read_labelled,
    with_those_of_run,
)
from tests.helpers.tiny import CLASSES


def test_rows_without_a_label_are_passed_over(labelled: Path, pool: Path) -> None:
    read = read_labelled([labelled])
    assert (len(read.paths), read.unlabelled) == (12, 1)
    assert read.paths[0] == str(pool / "04.png")
    assert read.labels[:4] == ["blue_square"] * 3 + ["green_cross"]


def test_paths_may_start_from_the_pool(pool: Path, tmp_path: Path) -> None:
    table = tmp_path / "elsewhere" / "list.csv"
    table.parent.mkdir()
    table.write_text("path;rank;label\n03.png;1;red_circle\n")
    assert read_labelled([table], str(pool)).paths == [str(pool / "03.png")]
    with pytest.raises(DataError, match=r"line 2 - no such image - looked for .*elsewhere/03.png"):
        read_labelled([table])


def test_folders_and_tables_together(labelled: Path, tmp_path: Path) -> None:
    read = read_labelled([labelled, tmp_path / "drawn"])
    assert len(read.paths) == 42
    assert set(read.labels) == set(CLASSES)


@pytest.mark.parametrize(
    ("text", "what"),
    [("path,lable\na.png,x\n", "no column 'label'.*did you mean 'lable'"),
     ("path,label\na.png,x,y\n", "wrong number of cells - 3 for 2 columns")],
)  # fmt: skip
def test_tables_that_are_wrong(text: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=what):
        read_labelled([tmp_path / "a.csv"])


def test_labels_that_the_model_does_not_know() -> None:
    with pytest.raises(DataError, match=r"cart \(2 images\), did you mean 'cat'"):
        numbers_of(["cart", "cat", "cart"], ["cat", "dog"])


def test_what_a_run_was_trained_on_counts_each_file_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = Images.from_embedded("pictograms", "emoji", "train").subset([0, 40, 90])
    monkeypatch.setattr("adapt.explore.suggest.labelled.training_images", lambda model: images)
    copy = tmp_path / "again.png"
    copy.write_bytes(Path(images.paths[1]).read_bytes())
    given = LabelledImages([str(copy)], ["other"])
    whole = with_those_of_run(given, "run")
    assert whole.paths == [str(copy), images.paths[0], images.paths[2]]
    assert whole.labels == ["other", images.labels[0], images.labels[2]]
    assert given.paths == [str(copy)]


def test_a_run_whose_images_are_gone_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(model: object) -> None:
        raise DataError("photos - not found")

    monkeypatch.setattr("adapt.explore.suggest.labelled.training_images", gone)
    whole = with_those_of_run(LabelledImages(), "run")
    assert whole.note == "the labels of the run itself do not count: photos - not found"
    assert not whole.paths
