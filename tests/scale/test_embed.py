"""The whole of `adapt embed`: parts, marks, and what is refused."""

import csv
import json
from pathlib import Path

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from adapt.errors import DataError, RecipeError, RunError
from adapt.models.classifier import Classifier
from adapt.scale import parts
from tests.helpers.embedding import COUNT, bytes_of, embedded, rows_of
from tests.helpers.packed import write_tar
from tests.helpers.tiny import drawing


def test_an_archive_is_a_part_of_its_own(model: Path, photos: Path, tmp_path: Path) -> None:
    files = [(path.name, path.read_bytes()) for path in sorted(photos.iterdir())]
    for number in range(3):
        write_tar(tmp_path / f"s-{number}.tar", files[8 * number : 8 * number + 8])
    (tmp_path / "s-3.tar").write_bytes(b"no archive at all")
    done = embedded(model, tmp_path / "s-*.tar", tmp_path / "out")
    assert (done.parts, done.images, done.skipped) == (4, COUNT + 1, {".txt": 1})
    rows = rows_of(tmp_path / "out")
    names = [f"{tmp_path}/s-{n // 8}.tar/{n:02d}.png" for n in range(COUNT)]
    assert [row["path"] for row in rows] == [*names, str(tmp_path / "s-3.tar")]
    embedded(model, photos, tmp_path / "folder", part_rows=8)
    for row, other in zip(rows[:-1], rows_of(tmp_path / "folder"), strict=True):
        assert row["features"] == other["features"]
    assert rows[-1]["error"].startswith(f"{tmp_path}/s-3.tar - not a zip or tar archive")


def test_a_store_is_as_good_as_a_folder(model: Path, photos: Path, tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    for path in photos.iterdir():
        memory.pipe_file(f"/embed/photos/{path.name}", path.read_bytes())
    far = embedded(model, "memory://embed/photos", tmp_path / "far")
    near = embedded(model, photos, tmp_path / "near")
    assert (far.images, far.errors, far.skipped) == (near.images, near.errors, near.skipped)
    rows = zip(rows_of(tmp_path / "far"), rows_of(tmp_path / "near"), strict=True)
    for row, other in rows:
        assert row["path"] == other["path"].replace(str(photos), "memory://embed/photos")
        assert (row["features"], row["reason"]) == (other["features"], other["reason"])
        if row["error"]:
            assert row["error"] == other["error"].replace(other["path"], row["path"])


def test_the_list_of_what_may_be_tried_again(model: Path, photos: Path, tmp_path: Path) -> None:
    work, out = tmp_path / "photos", tmp_path / "out"
    work.mkdir()
    for path in photos.iterdir():
        (work / path.name).write_bytes(path.read_bytes())
    embedded(model, work, out)
    with (out / "retry.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["path"], row["reason"]) for row in rows] == [
        (str(work / "03.png"), "not an image"), (str(work / "13.png"), "empty file"),
    ]  # fmt: skip
    drawing("red_circle", np.random.default_rng(0)).save(work / "03.png")
    assert embedded(model, work, out).before == 4, "a finished part is not looked at again"
    done = embedded(model, work, out, retry=True)
    assert (done.before, done.errors) == (2, {"empty file": 1})
    assert json.loads((out / "_stats.json").read_text())["embedded"] == COUNT - 1


def test_nothing_else_is_mixed_in(model: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    embedded(model, photos, out)
    before = bytes_of(out)
    with pytest.raises(RecipeError, match="batch_size was 4, is 5"):
        embedded(model, photos, out, batch_size=5)
    with pytest.raises(RecipeError, match="part_rows was 6, is 7"):
        embedded(model, photos, out, part_rows=7)
    other = Classifier.from_clip("adapt-icons-xs", "random", ["bird"]).save(tmp_path / "other")
    with pytest.raises(RecipeError, match="model was"):
        embedded(other, photos, out)
    assert bytes_of(out) == before
    assert embedded(other, photos, out, overwrite=True).images == COUNT


def test_a_part_of_another_set_is_refused(model: Path, photos: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    embedded(model, photos, out)
    embedded(model, photos, other, batch_size=5)
    for name in ("part-000001.parquet", "part-000001_stats.json"):
        (out / name).write_bytes((other / name).read_bytes())
    with pytest.raises(RecipeError, match=r"part-000001.parquet - cannot go on .*\n.*batch_size"):
        embedded(model, photos, out)
    (out / "part-000001.parquet").unlink()
    with pytest.raises(RunError, match=r"part-000001.parquet - missing - it was finished before"):
        embedded(model, photos, out)


def test_a_source_that_has_changed(model: Path, photos: Path, tmp_path: Path) -> None:
    work = tmp_path / "photos"
    work.mkdir()
    for name in ("00.png", "01.png"):
        (work / name).write_bytes((photos / name).read_bytes())
    embedded(model, work, tmp_path / "out")
    (work / "02.png").write_bytes((photos / "02.png").read_bytes())
    with pytest.raises(DataError, match="the source has changed"):
        embedded(model, work, tmp_path / "out")


def test_a_stop_at_any_write_leaves_what_goes_on(
    model: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded(model, photos, tmp_path / "whole", part_rows=11)
    replace = Path.replace
    stops, number = 0, 0
    while True:
        out, left = tmp_path / f"out{number}", number

        def stop(self: Path, target: Path) -> Path:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            return replace(self, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", stop)
            try:
                embedded(model, photos, out, part_rows=11)
            except KeyboardInterrupt:
                stops += 1
            else:
                break
        assert not (out / "_stats.json").exists()
        (out / ".part-000000.parquet.1.part").write_bytes(b"of a process that was killed")
        embedded(model, photos, out, part_rows=11)
        assert bytes_of(out) == bytes_of(tmp_path / "whole")
        number += 1
    # The plan, `embed.json`, two parts and their marks, `retry.csv` and `_stats.json`.
    assert stops == 8


def test_what_made_a_part_is_in_it(model: Path, photos: Path, tmp_path: Path) -> None:
    embedded(model, photos, tmp_path / "out")
    stats = json.loads((tmp_path / "out" / "_stats.json").read_text())
    metadata = pq.read_metadata(tmp_path / "out" / "part-000002.parquet").metadata
    made = json.loads(metadata[parts.KEY])
    assert made["part"] == 2
    assert made["model"] == stats["model"]
    assert made["preprocessing"] == stats["preprocessing"]
    assert stats["width"] == len(rows_of(tmp_path / "out")[0]["features"])


def test_other_folders_are_left_alone(model: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(RecipeError, match="not a set of embeddings"):
        embedded(model, photos, tmp_path / "out")
    with pytest.raises(RecipeError, match="the source itself"):
        embedded(model, photos, photos)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="no images - nothing to embed"):
        embedded(model, empty, tmp_path / "other")
    assert [path.name for path in (tmp_path / "other").iterdir()] == [".lock"]
