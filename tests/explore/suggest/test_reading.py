"""What a model sees of a source, against its predictions and the files themselves."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from adapt.common.content import content_hash
from adapt.data.decoding.open import open_image
from adapt.errors import DataError
from adapt.explore.suggest.reading import see_source
from adapt.models.classifier import Classifier
from adapt.predictions.opening import OpenModel
from adapt.training.runtime import EXACT


def test_answers_are_those_of_predict(start: Classifier, pool: Path) -> None:
    seen = see_source(str(pool), OpenModel(start, "cpu", EXACT))
    assert len(seen) == 31
    assert [text.partition(": ")[0] for text in seen.unreadable] == [str(pool / "broken.png")]
    said = start.predict(seen.names, top=3)
    for row, answer in enumerate(said):
        wanted = dict(answer.top)
        given = dict(zip(start.class_names, seen.probabilities[row], strict=True))
        assert given == pytest.approx(wanted, abs=1e-6)
    assert seen.hashes == [content_hash(name) for name in seen.names]
    with torch.inference_mode():
        pixels = torch.stack(
            [start.backbone.preprocessing(open_image(name)) for name in seen.names]
        )
        wanted_features = start.features(pixels).numpy()
    np.testing.assert_allclose(seen.features, wanted_features, atol=1e-5)


def test_an_archive_is_the_same_as_its_folder(start: Classifier, pool: Path) -> None:
    archive = pool.parent / "pool.tar"
    with tarfile.open(archive, "w") as file:
        for path in sorted(pool.iterdir()):
            file.add(path, path.name)
    opened = OpenModel(start, "cpu", EXACT)
    packed, plain = see_source(str(archive), opened), see_source(str(pool), opened)
    assert packed.hashes == plain.hashes
    np.testing.assert_array_equal(packed.features, plain.features)
    np.testing.assert_array_equal(packed.thumbnails.values, plain.thumbnails.values)


def test_nothing_to_read(start: Classifier, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"no image that can be read - .*b\.png"):
        see_source(str(tmp_path / "a"), OpenModel(start, "cpu", EXACT))
