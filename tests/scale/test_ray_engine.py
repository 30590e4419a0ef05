"""Actors of a real Ray on this machine."""

import os
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapt.errors import BundleError, MissingExtraError, ModelError, RunError
from adapt.scale.embedder import BatchPredictor, Embedder
from adapt.scale.ray_engine import _chosen
from adapt.scale.settings import EmbedSettings
from tests.helpers.embedding import COUNT, bytes_of, check_engine, embedded, rows_of

NONE = Path("no model")


@pytest.mark.slow
def test_it_keeps_the_contract(ray: Any, model: Path, photos: Path, tmp_path: Path) -> None:
    check_engine("ray", model, photos, tmp_path / "out", actors=2)
    embedded(model, photos, tmp_path / "local")
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "local")
    # The same through fsspec, in other processes.
    embedded(model, photos.as_uri(), tmp_path / "far", engine="ray", actors=2)
    for row, other in zip(rows_of(tmp_path / "far"), rows_of(tmp_path / "out"), strict=True):
        assert row["path"] == f"file://{other['path']}"
        assert row["features"] == other["features"]


@pytest.mark.slow
def test_an_actor_that_is_killed_changes_nothing(
    ray: Any, model: Path, photos: Path, tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill() -> None:
        """The process that has begun to write the first part which is seen."""
        while not killed and not (tmp_path / "out" / "_stats.json").exists():
            for part in (tmp_path / "out").glob(".part-*.part"):
                killed.append(int(re.findall(r"\.(\d+)\.part$", part.name)[0]))
                os.kill(killed[0], signal.SIGKILL)
                return
            time.sleep(0.001)

    killer = threading.Thread(target=kill)
    killer.start()
    done = embedded(model, photos, tmp_path / "out", engine="ray", actors=2, part_rows=3)
    killer.join()
    assert killed
    assert killed[0] != os.getpid()
    assert done.images == COUNT
    embedded(model, photos, tmp_path / "local", part_rows=3)
    written = {name: content for name, content in bytes_of(tmp_path / "out").items()
               if not name.startswith(".")}  # fmt: skip
    assert written == bytes_of(tmp_path / "local")


@pytest.mark.slow
def test_batches_of_ray_data(ray: Any, model: Path, photos: Path) -> None:
    paths = [str(photos / f"{number:02d}.png") for number in range(4)]
    rows = ray.data.from_items([{"path": path} for path in paths], override_num_blocks=1)
    for kind in (Embedder, BatchPredictor):
        expected = kind(str(model), "cpu")({"path": np.array(paths, object)})
        compute = ray.data.ActorPoolStrategy(size=1)
        given = rows.map_batches(
            kind, fn_constructor_args=(str(model), "cpu"), batch_size=4, compute=compute
        ).take_batch(4)
        assert given.keys() == expected.keys()
        for name, column in expected.items():
            np.testing.assert_array_equal(given[name], column)


@pytest.mark.slow
def test_the_sentence_of_an_actor_is_that_of_the_command(
    ray: Any, model: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapt.scale.embedder.content_hash", lambda path: "0" * 64)
    with pytest.raises(BundleError, match="another model than the one that was asked for"):
        embedded(model, photos, tmp_path / "out", engine="ray", actors=1)


def test_what_is_chosen() -> None:
    chosen = _chosen(EmbedSettings(actors=3, threads=2), NONE, {"CPU": 8.0}, 2)
    assert (chosen.device, chosen.actors, chosen.threads) == ("cpu", 3, 2)
    chosen = _chosen(EmbedSettings(), NONE, {"CPU": 8.0}, 2)
    assert (chosen.device, chosen.actors, chosen.threads) == ("cpu", 2, 4)
    with pytest.raises(ModelError, match="no machine of this Ray has a GPU"):
        _chosen(EmbedSettings(device="gpu"), NONE, {"CPU": 8.0}, 1)
    with pytest.raises(RunError, match="3 with 4 threads each, where 8 processors and 0 GPUs"):
        _chosen(EmbedSettings(actors=3, threads=4), NONE, {"CPU": 8.0}, 1)


def test_without_ray(
    model: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'adapt-clip\[ray\]'"):
        embedded(model, photos, tmp_path / "out", engine="ray")
