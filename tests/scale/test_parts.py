"""One part: its marks, and how often it may be tried."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from adapt.errors import RunError
from adapt.scale.embedder import Embedder
from adapt.scale.parts import PartEmbedder, PartJob, made_by, part_path, processor, read_stats
from adapt.scale.plan import make_plan
from tests.helpers.embedding import embedded


@pytest.fixture
def worker(model: Path, photos: Path, tmp_path: Path) -> PartEmbedder:
    make_plan(str(photos), 6, path=tmp_path / "inputs.parquet")
    embedder = Embedder(str(model), "cpu")
    made = {"model": embedder.hash}
    return PartEmbedder(PartJob(str(tmp_path), str(tmp_path), embedder, made, 4, 1, 192))


def test_a_call_computes_the_parts_that_are_named(worker: PartEmbedder) -> None:
    threads = torch.get_num_threads()
    given = worker({"part": np.array([0, 3])})
    assert given["part"].tolist() == [0, 3]
    assert given["rows"].tolist() == [6, 3]
    assert torch.get_num_threads() == threads
    stats = read_stats(worker.folder, 0)
    assert stats is not None
    assert (stats.rows, stats.errors) == (6, {"not an image": 1})
    assert stats.size == part_path(worker.folder, 0).stat().st_size
    assert read_stats(worker.folder, 1) is None
    made = made_by(part_path(worker.folder, 3))
    assert made["part"] == 3
    assert made["processor"] == processor("cpu")
    assert pq.read_table(part_path(worker.folder, 3)).num_rows == 3


def test_a_part_that_kills_its_processes_is_given_up(worker: PartEmbedder) -> None:
    for pid in (10, 11, 12):
        (worker.folder / f".part-000001.parquet.{pid}.part").write_bytes(b"")
        if pid < 12:
            worker.embed(1)
    with pytest.raises(RunError, match="3 processes have died over it"):
        worker.embed(1)
    assert worker.embed(2).rows == 6


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 2}', '{"format": 1, "rows": "many"}'])
def test_marks_that_are_damaged(text: str, tmp_path: Path) -> None:
    (tmp_path / "part-000000_stats.json").write_text(text)
    with pytest.raises(RunError, match=r"part-000000_stats.json - cannot be read"):
        read_stats(tmp_path, 0)


def test_no_part_of_embeddings(model: Path, photos: Path, tmp_path: Path) -> None:
    embedded(model, photos, tmp_path / "out")
    part = tmp_path / "out" / "part-000000.parquet"
    pq.write_table(pq.read_table(part).replace_schema_metadata({}), tmp_path / "bare.parquet")
    (tmp_path / "short.parquet").write_bytes(part.read_bytes()[:100])
    for name in ("bare.parquet", "short.parquet", "none.parquet"):
        with pytest.raises(RunError, match="not a part of embeddings"):
            made_by(tmp_path / name)
    assert json.loads(pq.read_metadata(part).metadata[b"adapt.embeddings"]) == made_by(part)
