"""A manifest that cannot be trusted is refused."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapt.errors import BundleError
from adapt.models.bundle.manifest import MANIFEST, facts_of, manifest_hash, read_manifest
from adapt.models.classifier import Classifier
from tests.helpers.bundles import edit

Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda m: m.update(format=4), "format not known - 4 by adapt"),
        (lambda m: m.update(format=True), "format not known - True"),
        (lambda m: m.pop("format"), "format not known - None"),
        (lambda m: m.pop("arch"), "incomplete - arch missing"),
        (lambda m: m.pop("files"), "incomplete - files missing"),
        (lambda m: m.update(extra=1), "a field not known - 'extra'"),
        (lambda m: m.update(class_names="abc"), "class_names - not a list - 'abc'"),
        (lambda m: m.update(class_names=["a", 1, "b"]), "class_names.1 - not text - '1'"),
        (lambda m: m.update(class_names=["a", "b", "a"]), "class_names - empty or twice"),
        (lambda m: m.update(class_names=["a"]), "prompts - not one list per class"),
        (lambda m: m.update(prompts=[["x"], [], ["y"]]), "prompts - an empty list"),
        (lambda m: m.update(prompts=[["x"], [2], ["y"]]), "prompts.1.0 - not text"),
        (lambda m: m.update(head_from_text=1), "head_from_text - not true or false"),
        (lambda m: m.update(temperature=0), "temperature - not above 0"),
        (lambda m: m.update(temperature=-1.0), "temperature - not above 0"),
        (lambda m: m.update(temperature=True), "temperature - not a number"),
        (lambda m: m.update(temperature="1"), "temperature - not a number"),
        (lambda m: m.update(base_hash="x"), "base_hash - not a hash"),
        (lambda m: m.update(info=[]), "info - not a mapping"),
        (lambda m: m.update(files=[]), "files - not a mapping"),
        (lambda m: m["files"].update({"../x": "0" * 64}), "files - not those of a bundle"),
        (lambda m: m.update(weights="0" * 64), "weights - not a hash"),
        (lambda m: m.update(weights=1), "weights - not text"),
        (lambda m: m["files"].update({"head.safetensors": "x"}), "files - not hashes"),
        (lambda m: m.update(uncertainty={}), "parts do not match"),
    ],
)
def test_fields(change: Change, expected: str, folder: Path) -> None:
    edit(folder, change)
    with pytest.raises(BundleError) as caught:
        Classifier.load(folder)
    assert expected in str(caught.value) or "was written for other" in str(caught.value)
    assert str(caught.value).startswith(str(folder))


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m["class_names"].reverse(),
        lambda m: m.update(temperature=1.7000001),
        lambda m: m["info"].update(alpha=0.4),
        lambda m: m.update(sha256="0" * 64),
    ],
)
def test_its_own_hash(change: Change, folder: Path) -> None:
    edit(folder, change, rehash=False)
    with pytest.raises(BundleError, match=r"classifier\.json - altered"):
        Classifier.load(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m["class_names"].reverse(),
        lambda m: m.update(temperature=1.8),
        lambda m: m.update(head_from_text=True),
        lambda m: m["prompts"][0].append("x"),
    ],
)
def test_what_decides_is_tied_to_the_probe(change: Change, folder: Path) -> None:
    """Whoever knows how to hash the manifest anew has not changed the probe."""
    edit(folder, change)
    with pytest.raises(BundleError, match="was written for other class names"):
        Classifier.load(folder)


def test_the_hash_is_of_what_it_says(folder: Path) -> None:
    manifest = read_manifest(folder)
    edit(folder, lambda m: m.update(dict(reversed(list(m.items())))), rehash=False)
    assert read_manifest(folder) == manifest
    assert manifest_hash(manifest) == manifest["sha256"]
    assert facts_of(manifest)["temperature"] == 1.7


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b"\xff\xfe", b"", b'{"format": NaN}', b"[" * 100_000]
)
def test_manifest_that_is_no_mapping(content: bytes, folder: Path) -> None:
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(BundleError, match=r"not JSON|not a mapping"):
        Classifier.load(folder)


def test_not_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"not a bundle - there is no classifier\.json"):
        Classifier.load(tmp_path)
    missing = tmp_path / "missing"
    with pytest.raises(BundleError) as caught:
        Classifier.load(missing)
    assert str(caught.value) == f"{missing} - not found - given as a model - check the path"


def test_a_run_folder(folder: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(folder, tmp_path / "run" / "model"))
    with pytest.raises(BundleError) as caught:
        Classifier.load(model.parent)
    given = f"{model.parent} - a run folder - the model is in {model}"
    assert str(caught.value) == f"{given} - give {model}"
