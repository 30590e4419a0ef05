"""Faults of models and bundles: what a user sees of each."""

import contextlib
import hashlib
import io
import json
import pickle
import shutil
import struct
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save, save_file

from adapt.cli import app as cli
from adapt.errors import ModelError
from adapt.models.bundle.manifest import (
    CONFIG,
    ENCODERS,
    FILES,
    HEAD,
    MANIFEST,
    OWN_HASH,
    PROBE,
    manifest_hash,
)
from adapt.models.bundle.probe import compare, read_probe
from adapt.models.cache_head import reach
from adapt.models.classifier import Classifier, verify_bundle
from tests.helpers.bundles import edit, edit_json, edit_tensors, forge, learned, smallest
from tests.helpers.hub import FAMILIES, add_family, use_hub
from tests.helpers.tiny import VIT, tiny_classifier

GOLDEN = Path(__file__).parents[1] / "fixtures" / "bundle_format_1.zip"
WHOLE = (*FILES, ENCODERS)
"""Files of a bundle with encoders."""
State = dict[str, torch.Tensor]


def call(*words: object) -> tuple[int, str]:
    """Exit code of a command, and what it says on standard error."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(said):
        patch.setattr(sys, "argv", ["adapt", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert "Traceback" not in said.getvalue()
    return int(ended.value.code or 0), said.getvalue()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_architectures: None) -> Path:
    return learned(VIT).save(tmp_path_factory.mktemp("whole") / "model")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


class Payload:
    """What a pickle can do when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("suffix", [".pt", ".bin", ".ckpt", ".pkl"])
def test_f25_pickled_model(suffix: str, tmp_path: Path) -> None:
    """Refused, converted through one door with `weights_only=True`; a payload never runs."""
    state = tiny_classifier(seed=3).backbone.model.state_dict()
    torch.save(state, tmp_path / f"weights{suffix}")
    source, target = tmp_path / f"weights{suffix}", tmp_path / "weights.safetensors"
    with pytest.raises(ModelError) as caught:
        Classifier.from_clip(VIT, str(source), ["cat"])
    assert f"adapt convert {source} {target} --trust" in str(caught.value)
    assert call("convert", source, target)[0] == 2
    assert not target.exists()
    assert call("convert", source, target, "--trust")[0] == 0
    Classifier.from_clip(VIT, str(target), ["cat"])

    mark = tmp_path / "ran"
    for content in (Payload(mark), {"state_dict": {"a": Payload(mark)}}):
        source.write_bytes(pickle.dumps(content))
        code, said = call("convert", source, tmp_path / "evil.safetensors", "--trust")
        assert code == 2
        assert "weights_only" not in said
        with pytest.raises(ModelError):
            Classifier.from_clip(VIT, str(source), ["cat"])
    pickle.loads(source.read_bytes())
    assert mark.exists(), "the payload would have run"


def header(entries: dict[str, Any], data: bytes = b"") -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(start: int, end: int, shape: list[int]) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}


BROKEN = {
    "bad header": b"\x10\x00\x00\x00\x00\x00\x00\x00{not json at all",
    "header of 100 MB": struct.pack("<Q", 100_000_001) + b"{}",
    "header beyond the end": struct.pack("<Q", 2**62) + b"{}",
    "100,000 entries": header({f"t{n}": entry(0, 0, [0]) for n in range(100_001)}),
    "overlapping": header({"weight": entry(0, 8, [2]), "bias": entry(4, 12, [2])}, bytes(12)),
    "holes": header({"weight": entry(0, 8, [2]), "bias": entry(12, 20, [2])}, bytes(20)),
    "shape beyond its bytes": header({"weight": entry(0, 8, [1000, 1000])}, bytes(8)),
    "shape that overflows": header({"weight": entry(0, 8, [2**40, 2**40])}, bytes(8)),
    "unknown type": header({"weight": {"dtype": "X9", "shape": [1], "data_offsets": [0, 4]}}),
}


WRONG: dict[str, Callable[[State], Any]] = {
    "weight: float32 (2, 2)": lambda s: s.update(weight=torch.zeros(2, 2)),
    "weight: float64": lambda s: s.update(weight=s["weight"].double()),
    "bias has 1 values that are NaN": lambda s: s["bias"][:1].fill_(float("nan")),
    "more: float32 (1,)": lambda s: s.update(more=torch.zeros(1)),
}


@pytest.mark.parametrize("name", [*BROKEN, *WRONG])
def test_f26_broken_safetensors(name: str, folder: Path) -> None:
    """Refused with the file; wrong shapes, types and NaN with the tensor."""
    if name in BROKEN:
        forge(folder, HEAD, BROKEN[name])
        expected = str(folder / HEAD)
    else:
        edit_tensors(folder, HEAD, WRONG[name])
        expected = name
    code, said = call("verify", folder)
    assert code == 4
    assert expected in said
    assert len(said) < 1000


@pytest.mark.parametrize("name", [*WHOLE, MANIFEST])
def test_f27_altered_missing_or_extra_file(name: str, folder: Path) -> None:
    """Exit 4, and the file by name."""
    old = (folder / name).read_bytes()
    middle = len(old) // 2
    for content in (old[:middle] + bytes([old[middle] ^ 1]) + old[middle + 1 :], old[:-9]):
        (folder / name).write_bytes(content)
        code, said = call("verify", folder)
        assert (code, name in said) == (4, True)
    (folder / name).unlink()
    code, said = call("verify", folder)
    assert (code, name in said) == (4, True)
    (folder / name).write_bytes(old)
    (folder / "more.bin").write_bytes(b"")
    code, said = call("verify", folder)
    assert (code, "more.bin" in said) == (4, True)
    (folder / "more.bin").unlink()
    assert call("verify", folder)[0] == 0


def test_f28_other_format(tmp_path: Path) -> None:
    """The bundle that the present format was fixed with still answers as it did; others are named.

    That of format 1 is this one; those of format 2 are read in `tests/export/test_delta.py`.
    """
    with zipfile.ZipFile(GOLDEN) as packed:
        packed.extractall(tmp_path / "model")
    folder = tmp_path / "model"
    assert call("verify", folder)[0] == 0
    assert Classifier.load(folder).class_names == ["cat", "dog", "été/1"]
    for other in (0, 4):
        edit(folder, lambda manifest, other=other: manifest.update(format=other, adapt="9.1"))
        code, said = call("verify", folder)
        assert code == 4
        assert f"format not known - {other} by adapt 9.1" in said


@pytest.mark.parametrize(
    ("section", "changes"),
    [
        (None, {"quick_gelu": True}),
        ("vision_cfg", {"image_size": 48}),
        ("vision_cfg", {"patch_size": 16}),
        ("vision_cfg", {"layers": 1}),
        ("preprocess_cfg", {"size": 16}),
        ("preprocess_cfg", {"mean": [0.5, 0.5, 0.5]}),
        ("preprocess_cfg", {"std": [0.5, 0.5, 0.5]}),
        ("preprocess_cfg", {"interpolation": "bilinear"}),
    ],
)
def test_f29_other_backbone(section: str | None, changes: dict[str, Any], folder: Path) -> None:
    """An error, never a warning, although every hash is right."""

    def change(config: dict[str, Any]) -> None:
        model = config["model_cfg"]
        (model if section is None else config.get(section) or model[section]).update(changes)

    edit_json(folder, CONFIG, change)
    assert call("verify", folder)[0] == 4


def test_f30_files_outside_of_the_bundle(folder: Path, whole: Path, tmp_path: Path) -> None:
    """ONNX files and what they point to: nothing reads ONNX yet, so every such file is refused.

    Links are refused too, and names of files in the manifest that leave the folder.
    """
    (folder / "model.onnx").write_bytes(b"external data: ../../etc/passwd")
    code, said = call("verify", folder)
    assert (code, "model.onnx" in said) == (4, True)
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").symlink_to("/etc/passwd")
    assert call("verify", folder)[0] == 4
    (folder / "model.onnx").unlink()
    edit(folder, lambda manifest: manifest["files"].update({"../../etc/passwd": "0" * 64}))
    assert call("verify", folder)[0] == 4
    shutil.rmtree(folder)
    shutil.copytree(whole, folder)
    (folder / HEAD).rename(tmp_path / HEAD)
    (folder / HEAD).symlink_to(tmp_path / HEAD)
    code, said = call("verify", folder)
    assert (code, "not a plain file" in said) == (4, True)


def test_f31_offline_or_half_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not here is named with its folder; what is here and broken with its file."""
    use_hub(tmp_path, monkeypatch)
    with pytest.raises(ModelError, match=r"models--org--custom: check the name and the network"):
        Classifier.from_clip("hf-hub:org/custom", "-", ["cat"])
    with pytest.raises(ModelError, match=r"models--laion--CLIP-ViT-B-32.*: check the name and"):
        Classifier.from_clip("ViT-B-32", "laion2b_s34b_b79k", ["cat"])
    weights = add_family(tmp_path, "custom", FAMILIES["custom"]) / "open_clip_model.safetensors"
    Classifier.from_clip("hf-hub:org/custom", "-", ["cat"])
    content = weights.read_bytes()
    weights.resolve().write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError) as caught:
        Classifier.from_clip("hf-hub:org/custom", "-", ["cat"])
    assert str(caught.value).startswith(f"{weights} - cannot be used - damaged")
    assert f"delete it in {weights.parent}" in str(caught.value)
    weights.resolve().write_bytes(save({"a": torch.zeros(1)}))
    with pytest.raises(ModelError, match=r"cannot be used - it does not fit hf-hub:org/custom"):
        Classifier.from_clip("hf-hub:org/custom", "-", ["cat"])


VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 3, 10**22, 0.5, 1e-300, 1e308, -0.0, "", "x", "hf-hub:a/b",
    "../../etc/passwd", "local-dir:/tmp", "\ud800", "a" * 2000, [], {}, [1], [[]], {"a": 1},
]  # fmt: skip


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all values below a JSON mapping or list."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in pairs:
        yield (*path, key)
        if isinstance(value, (dict, list)):
            yield from places(value, (*path, key))


def change_bytes(draw: Any, path: Path) -> None:
    content = bytearray(path.read_bytes())
    place = draw(st.integers(0, len(content) - 1))
    kind = draw(st.sampled_from(["flip", "cut", "insert", "delete", "zeros", "start"]))
    if kind == "flip":
        content[place] ^= 1 << draw(st.integers(0, 7))
    elif kind == "cut":
        content = content[:place]
    elif kind == "insert":
        content[place:place] = draw(st.binary(min_size=1, max_size=9))
    elif kind == "delete":
        del content[place : place + draw(st.integers(1, 9))]
    elif kind == "zeros":
        content[place : place + 8] = bytes(8)
    else:
        content[:8] = draw(st.binary(min_size=8, max_size=8))
    path.write_bytes(content)


def change_json(draw: Any, path: Path) -> None:
    content = json.loads(path.read_text())
    place = draw(st.sampled_from(sorted(places(content), key=str)))
    parent = content
    for key in place[:-1]:
        parent = parent[key]
    kind = draw(st.sampled_from(["replace", "remove", "add", "swap", "nudge"]))
    old = parent[place[-1]]
    if kind == "remove":
        del parent[place[-1]]
    elif kind == "add" and isinstance(parent, dict):
        parent[draw(st.sampled_from(["extra", "auto_map", "hf_model_name", "timm_model_name"]))] = (
            draw(st.sampled_from(VALUES))
        )
    elif kind == "swap" and isinstance(parent, list):
        parent.reverse()
    elif kind == "nudge" and isinstance(old, (int, float)):
        parent[place[-1]] = old * draw(st.sampled_from([1.0000001, 1.5, 2, -1])) + 1
    else:
        parent[place[-1]] = draw(st.sampled_from(VALUES))
    path.write_text(json.dumps(content))


def change_tensor(draw: Any, path: Path) -> None:
    state = {name: value.clone() for name, value in load_file(path).items()}
    name = draw(st.sampled_from(sorted(state)))
    old = state[name]
    kind = draw(st.sampled_from(["nan", "inf", "type", "longer", "rename", "drop", "extra", "scale",
                                 "zero", "flip", "large"]))  # fmt: skip
    if kind in ("nan", "inf", "large") and old.is_floating_point() and old.numel():
        value = {"nan": float("nan"), "inf": float("inf"), "large": 3e38}[kind]
        old.view(-1)[draw(st.integers(0, old.numel() - 1))] = value
    elif kind == "type":
        types = [torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool]
        state[name] = old.to(draw(st.sampled_from(types)))
    elif kind == "longer":
        state[name] = torch.cat([old.reshape(-1), old.reshape(-1)[:1]])
    elif kind == "rename":
        state[f"_orig_mod.{name}"] = state.pop(name)
    elif kind == "drop":
        del state[name]
    elif kind == "extra":
        state["extra"] = torch.zeros(draw(st.integers(0, 3)))
    elif kind == "scale":
        state[name] = (old * 1.5).to(old.dtype)
    elif kind == "zero":
        old.zero_()
    else:
        state[name] = old.flip(0).contiguous() if old.ndim else -old
    save_file(state, path)


def change_files(draw: Any, folder: Path) -> None:
    name = draw(st.sampled_from([*WHOLE, MANIFEST]))
    kind = draw(st.sampled_from(["remove", "extra", "link", "folder", "swap"]))
    if kind == "remove":
        (folder / name).unlink()
    elif kind == "extra":
        names = ["x", "code.py", "tokenizer.json", "text_model.json", ".hidden", "MODEL.PT"]
        (folder / draw(st.sampled_from(names))).write_text("{}")
    elif kind == "swap":
        other = draw(st.sampled_from(WHOLE))
        first, second = (folder / name).read_bytes(), (folder / other).read_bytes()
        (folder / name).write_bytes(second)
        (folder / other).write_bytes(first)
    else:
        (folder / name).unlink()
        if kind == "folder":
            (folder / name).mkdir()
        else:
            (folder / name).symlink_to("/etc/passwd")


def rehash(folder: Path) -> None:
    """Write all hashes anew, as far as the manifest can still be read."""
    with contextlib.suppress(ValueError, AttributeError, KeyError, TypeError, OSError):
        manifest = json.loads((folder / MANIFEST).read_text())
        for name in manifest["files"]:
            if (folder / name).is_file() and not (folder / name).is_symlink():
                content = (folder / name).read_bytes()
                manifest["files"][name] = hashlib.sha256(content).hexdigest()
        manifest[OWN_HASH] = manifest_hash(manifest)
        (folder / MANIFEST).write_text(json.dumps(manifest))


def mutate(draw: Any, folder: Path) -> None:
    kind = draw(st.sampled_from(["bytes", "json", "json", "tensor", "tensor", "files"]))
    if kind == "files":
        change_files(draw, folder)
    elif kind == "bytes":
        change_bytes(draw, folder / draw(st.sampled_from([*WHOLE, MANIFEST])))
    elif kind == "json":
        change_json(draw, folder / draw(st.sampled_from([CONFIG, MANIFEST])))
    else:
        change_tensor(draw, folder / draw(st.sampled_from([ENCODERS, HEAD, PROBE])))
    if draw(st.sampled_from([True, True, False])):
        rehash(folder)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, tiny_architectures: None) -> Path:
    root = tmp_path_factory.mktemp("base")
    return smallest(root).save(root / "model", {"alpha": 0.3})


def listing(folder: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_mtime_ns for path in folder.rglob("*")}


def check_mutation(data: st.DataObject, base: Path) -> None:
    """Equal in effect, or exit 4; nothing is written, and no traceback is shown."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "model")
        shutil.copytree(base, folder)
        mutate(data.draw, folder)
        before, began = listing(Path(scratch)), time.process_time()
        code, _ = call("verify", folder)
        assert time.process_time() - began < 10
        assert listing(Path(scratch)) == before
        assert code in (0, 4)
        if code == 0:
            expected, found = Classifier.load(base), Classifier.load(folder)
            images, stored = read_probe(load_file(base / PROBE), 3, 8)
            assert not compare(stored, found.answers(images), reach(expected.head), 1.3).wrong
            for name in ("class_names", "prompts", "temperature", "head_from_text"):
                assert getattr(found, name) == getattr(expected, name)


# The time is taken of the processor: a busy machine lets any test wait.
HOW: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=60, **HOW)
@given(data=st.data())
def test_mutations_of_a_bundle(data: st.DataObject, base: Path) -> None:
    check_mutation(data, base)


@pytest.mark.slow
@settings(max_examples=1000, **HOW)
@given(data=st.data())
def test_a_thousand_mutations_of_a_bundle(data: st.DataObject, base: Path) -> None:
    check_mutation(data, base)


def test_a_bundle_that_is_as_it_was(base: Path) -> None:
    assert call("verify", base)[0] == 0
    assert verify_bundle(base).probabilities == 0
    probabilities = load_file(base / PROBE)["probabilities"].numpy()
    assert np.ptp(probabilities, axis=0).max() > 0.01, "the mutations must be able to show"
