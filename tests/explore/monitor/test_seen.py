"""What is kept of a stream of images."""

from pathlib import Path

import numpy as np
import pytest

from adapt.data.sources.folders import from_folder
from adapt.errors import DataError
from adapt.explore.monitor.seen import _Reservoir, see
from adapt.models.classifier import Classifier
from adapt.models.prediction.inputs import NamedImage


def test_in_order_without_what_cannot_be_read(
    start: Classifier, toy_root: Path, tmp_path: Path
) -> None:
    paths = from_folder(toy_root / "test").paths
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"")
    given = [paths[0], str(broken), *paths[1:]]
    seen = see(start.predictor, [NamedImage(path, path) for path in given], 4, sample=6)
    rows = start.predict(paths, batch_size=4)
    assert seen.names == paths
    assert seen.places.tolist() == [0, *range(2, 16)]
    assert seen.errors == {"empty file": 1}
    assert [start.class_names[place] for place in seen.predicted] == [row.label for row in rows]
    np.testing.assert_allclose(seen.confidences, [row.confidence for row in rows], atol=1e-6)
    assert len(seen.rows) == 6
    assert (np.diff(seen.rows) > 0).all()
    features = [row.features for row in start.predictor.stream(paths, features=True)]
    np.testing.assert_allclose(seen.features, np.stack(features)[seen.rows], atol=1e-5)


def test_the_sample_is_fair() -> None:
    """Each of 20 images is in a sample of 5 a quarter of the time."""
    counts = np.zeros(20)
    for seed in range(2000):
        sample = _Reservoir(5, seed)
        for row in range(20):
            sample.add(row, np.zeros(1))
        counts[sample.ordered()[0]] += 1
    assert abs(counts / 2000 - 0.25).max() < 0.04


def test_nothing(start: Classifier) -> None:
    with pytest.raises(DataError, match="not one can be read - there are none"):
        see(start.predictor, [])
