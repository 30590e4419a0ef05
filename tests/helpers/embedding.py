"""What every engine must do, and sets of embeddings read without the code that wrote them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from adapt.export.load import load
from adapt.models.prediction.stream import Prediction
from adapt.scale.embed import Embedded, embed_files
from adapt.scale.settings import EmbedSettings
from tests.helpers.tiny import drawing

BATCH, PER_PART, COUNT = 4, 6, 21
BAD = (3, 13)


def photos(root: Path) -> Path:
    """21 images in one folder, two of them bad: parts of 6, 6, 6 and 3 rows."""
    noise = np.random.default_rng(3)
    root.mkdir(parents=True)
    for number in range(COUNT):
        drawing("red_circle", noise).save(root / f"{number:02d}.png")
    (root / "03.png").write_text("no image")
    (root / "13.png").write_bytes(b"")
    (root / "notes.txt").write_text("x")
    return root


def embedded(model: Path, source: object, output: Path, **words: Any) -> Embedded:
    """Embed on the CPU in small parts, with one thread."""
    own = {name: words.pop(name) for name in ("overwrite", "retry") if name in words}
    fixed = {"device": "cpu", "batch_size": BATCH, "part_rows": PER_PART, "threads": 1}
    return embed_files(str(source), model, output, EmbedSettings(**{**fixed, **words}), **own)


def rows_of(output: Path) -> list[dict[str, Any]]:
    """All rows of a set, part after part."""
    return [row for part in sorted(output.glob("*part-*.parquet"))
            for row in pq.read_table(part).to_pylist()]  # fmt: skip


def bytes_of(output: Path) -> dict[str, bytes]:
    """Every file of a set but its lock."""
    return {path.name: path.read_bytes() for path in output.iterdir() if path.name != ".lock"}


def check_engine(engine: str, model: Path, source: Path, output: Path, **words: Any) -> None:
    """One row for each image, the features of the one prediction path, and the same bytes again."""
    done = embedded(model, source, output, engine=engine, **words)
    assert (done.images, done.parts, done.before) == (COUNT, 4, 0)
    assert done.errors == {"empty file": 1, "not an image": 1}
    assert done.skipped == {".txt": 1}
    predictor = load(model).predictor
    paths = [str(source / f"{number:02d}.png") for number in range(COUNT)]
    expected: list[Prediction] = []
    for at in range(0, COUNT, PER_PART):
        expected += predictor.stream(paths[at : at + PER_PART], BATCH, features=True)
    rows = rows_of(output)
    assert [row["path"] for row in rows] == paths
    for number, (row, answer) in enumerate(zip(rows, expected, strict=True)):
        assert (row["error"], row["reason"]) == (answer.error, answer.reason)
        if number in BAD:
            assert row["features"] is None
            continue
        assert answer.features is not None
        assert np.array_equal(np.float32(row["features"]), answer.features.numpy())
    stats = json.loads((output / "_stats.json").read_text())
    assert (stats["images"], stats["embedded"]) == (COUNT, COUNT - len(BAD))
    before = bytes_of(output)
    (output / "part-000001_stats.json").unlink()
    (output / "part-000001.parquet").write_bytes(b"half of it")
    (output / "_stats.json").unlink()
    again = embedded(model, source, output, engine=engine, **words)
    assert (again.images, again.before) == (COUNT, 3)
    assert bytes_of(output) == before
