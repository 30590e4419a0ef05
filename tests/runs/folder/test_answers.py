"""What a run stores of its shipped model, and what is refused when it is read."""

import json
from pathlib import Path

import numpy as np
import pytest

from adapt.common.content import content_hash
from adapt.common.files import write_json
from adapt.data.shifts.shift import Shift
from adapt.data.sources.image_list import ImageList
from adapt.data.splits.stored import split_manifest
from adapt.errors import RunError
from adapt.models.prediction.uncertainty import Uncertainty
from adapt.runs.folder.answers import LOGITS, MEANING, has_answers, read_answers, write_answers
from tests.helpers.tiny import CLASSES

STORED = Uncertainty(abstain_below=0.4, abstain_coverage=0.9)


@pytest.fixture
def folder(tmp_path: Path, toy_test: ImageList) -> Path:
    """A run folder with a test set, and a corruption of a corruption of it."""
    logits = np.arange(45, dtype=np.float32).reshape(15, 3)
    evals = {
        "test": toy_test,
        "fog": toy_test.with_shift(Shift("fog", 2)),
        "more": toy_test.with_shift(Shift("fog", 3)),
    }
    write_json(tmp_path / "split.json", split_manifest({"test": toy_test}))
    by_eval = {"test": logits, "fog": -logits, "more": logits / 2}
    of = {"fog": "test", "more": "fog"}
    write_answers(tmp_path, (CLASSES, 1.5, STORED), by_eval, evals, of)
    return tmp_path


def test_what_is_written_comes_back(folder: Path, toy_test: ImageList) -> None:
    stored = read_answers(folder)
    assert has_answers(folder)
    assert (stored.class_names, stored.temperature, stored.uncertainty) == (CLASSES, 1.5, STORED)
    assert list(stored.evals) == ["test", "fog", "more"]
    for name, sign in (("test", 1.0), ("fog", -1.0), ("more", 0.5)):
        own = stored.evals[name]
        assert own.images.paths == toy_test.paths
        assert own.images.labels == toy_test.labels
        assert own.hashes == [content_hash(path) for path in toy_test.paths]
        np.testing.assert_array_equal(own.logits, sign * np.arange(45).reshape(15, 3))
    assert stored.evals["fog"].images.shift == Shift("fog", 2)


def test_a_folder_without_answers_is_refused(tmp_path: Path) -> None:
    assert not has_answers(tmp_path)
    with pytest.raises(RunError, match=r"no stored answers.*run the recipe again"):
        read_answers(tmp_path)


def test_a_run_on_captions_has_none_and_says_what_can_be_done(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text('{"task": "pairs"}', encoding="utf-8")
    with pytest.raises(RunError, match=r"learned from captions.* - compare such runs with adapt r"):
        read_answers(tmp_path)


def test_what_does_not_fit_is_refused(folder: Path) -> None:
    content = json.loads((folder / MEANING).read_text())
    (folder / MEANING).write_text(json.dumps(content | {"format": 9}))
    with pytest.raises(RunError, match="format 9"):
        read_answers(folder)
    (folder / MEANING).write_text(json.dumps(content | {"class_names": ["a", "b"]}))
    with pytest.raises(RunError, match=r"logits of shape \(15, 3\) for 15 images and 2 classes"):
        read_answers(folder)
    (folder / MEANING).write_text(json.dumps(content))
    (folder / LOGITS).write_bytes(b"no tensors")
    with pytest.raises(RunError, match="cannot be read"):
        read_answers(folder)
