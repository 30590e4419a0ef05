"""A manifest that cannot be trusted is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapt.errors import BundleError
from adapt.models.bundle.manifest import MANIFEST
from adapt.models.classifier import Classifier
from tests.helpers.bundles import edit


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda m: m.update(format=2), "format not known - 2, this version reads 1 - install"),
        (lambda m: m.pop("format"), "format not known - None"),
        (lambda m: m.pop("arch"), "incomplete - arch missing"),
        (lambda m: m.pop("files"), "incomplete - files missing"),
        (lambda m: m.update(class_names=["a"]), "class"),
        (lambda m: m.update(files=[]), "incomplete"),
    ],
)
def test_manifest(change: Callable[[dict[str, Any]], Any], expected: str, folder: Path) -> None:
    edit(folder, change)
    with pytest.raises(BundleError) as caught:
        Classifier.load(folder)
    assert expected in str(caught.value)
    assert str(caught.value).startswith(str(folder))


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b""])
def test_manifest_that_is_no_mapping(content: bytes, folder: Path) -> None:
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(BundleError, match=r"not JSON|not a mapping"):
        Classifier.load(folder)


def test_not_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"not a bundle - there is no classifier\.json"):
        Classifier.load(tmp_path)
