"""Statistics of held-out images come back from a bundle as they were, and nothing else does."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapt.errors import BundleError
from adapt.models.bundle.manifest import REFERENCE, REFERENCE_FACTS
from adapt.models.bundle.reference import Reference, read_reference
from adapt.models.classifier import Classifier
from tests.helpers.bundles import edit, edit_tensors
from tests.helpers.references import some_reference
from tests.helpers.tiny import tiny_classifier

GOLDEN = Path(__file__).parents[2] / "fixtures" / "bundle_format_3.zip"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return tiny_classifier().save(tmp_path / "model", reference=some_reference())


def same(first: Reference, second: Reference) -> None:
    for name, value in vars(first).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(second, name))
            assert value.dtype == getattr(second, name).dtype
        else:
            assert value == getattr(second, name)


def test_round_trip(saved: Path, tmp_path: Path) -> None:
    stored = read_reference(saved)
    assert stored is not None
    same(some_reference(), stored)
    assert stored.accuracy == 0.75
    Classifier.load(saved).save(tmp_path / "other")
    assert read_reference(tmp_path / "other") is None, "it belongs to the run that made it"


def test_the_golden_bundle(tmp_path: Path) -> None:
    """A bundle as format 3 was fixed with; those of formats 1 and 2 are read elsewhere."""
    shutil.unpack_archive(GOLDEN, tmp_path)
    stored = read_reference(tmp_path / "model")
    assert stored is not None
    same(some_reference(), stored)
    assert Classifier.load(tmp_path / "model").class_names == ["cat", "dog", "été/1"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda s: s.pop("prior"), "reference.prior - missing or not known"),
        (lambda s: s.update(more=s["prior"].clone()), "reference.more - missing or not known"),
        (lambda s: s.update(prior=s["prior"].float()), "reference.prior - another type"),
        (lambda s: s["prior"].fill_(float("nan")), "reference.prior - another type, or no num"),
        (lambda s: s.update(prior=s["prior"][:2].clone()), "reference.prior - another shape"),
        (lambda s: s["targets"].fill_(3), "reference.targets - no such class"),
        (lambda s: s["line_answers"].fill_(-1), "reference.line_answers - no such class"),
        (lambda s: s.update(features=s["features"][0].clone()), "reference.features - no images"),
    ],
)
def test_tensors(change: Callable[[Any], Any], expected: str, saved: Path) -> None:
    edit_tensors(saved, REFERENCE, change)
    with pytest.raises(BundleError, match=expected):
        read_reference(saved)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda f: f.pop("source"), "reference.reference - other keys"),
        (lambda f: f.update(images="4"), "reference.images - "),
        (lambda f: f.update(temperature=0.0), "reference.temperatures - not above 0"),
        (lambda f: f.update(temperatures=[1.0]), "reference.temperatures - not above 0, or not"),
    ],
)
def test_facts(change: Callable[[Any], Any], expected: str, saved: Path) -> None:
    edit(saved, lambda manifest: change(manifest[REFERENCE_FACTS]))
    with pytest.raises(BundleError, match=expected):
        read_reference(saved)


def test_altered_or_half_there(saved: Path) -> None:
    content = (saved / REFERENCE).read_bytes()
    (saved / REFERENCE).write_bytes(content[:-1] + b"\x01")
    with pytest.raises(BundleError, match="altered - its hash is not the one"):
        read_reference(saved)
    (saved / REFERENCE).write_bytes(content)
    edit(saved, lambda manifest: manifest.pop(REFERENCE_FACTS))
    with pytest.raises(BundleError, match="reference - not with its file"):
        Classifier.load(saved)


def test_an_earlier_format_has_none(saved: Path) -> None:
    edit(saved, lambda manifest: manifest.update(format=2))
    with pytest.raises(BundleError, match="files - not those of a bundle"):
        Classifier.load(saved)


def test_of_other_classes(tmp_path: Path) -> None:
    wrong = replace(some_reference(), prior=np.array([0.5, 0.5]))
    with pytest.raises(BundleError, match=r"reference\.prior - another shape"):
        tiny_classifier().save(tmp_path / "model", reference=wrong)
