"""Weights and bundles on the command line."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from adapt.common.content import content_hash
from adapt.export.base import FORMATS
from adapt.models.classifier import Classifier
from tests.cli.test_app import call
from tests.helpers.bundles import smallest
from tests.helpers.commands import ROOT
from tests.helpers.hub_server import ask_only, serving

NAME = "me/animals"


def test_verify_and_convert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = smallest(tmp_path).save(tmp_path / "model")
    assert call(monkeypatch, "verify", folder) == 0
    assert "all hashes match; probabilities of the stored images" in capsys.readouterr().out
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pt")
    given = ("convert", tmp_path / "a.pt", tmp_path / "a.safetensors")
    assert call(monkeypatch, *given) == 2
    assert call(monkeypatch, *given, "--trust") == 0


def test_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = smallest(tmp_path).save(tmp_path / "model")
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (20, 30), (200, 30, 30)).save(photos / "a.png")
    assert call(monkeypatch, "export", folder, "--to", "lean", "-o", tmp_path / "lean") == 0
    first, *files = capsys.readouterr().out.splitlines()
    cases = json.loads((tmp_path / "lean" / "parity.json").read_text())["cases"]
    largest = max(case["largest_difference"]["probabilities"] for case in cases)
    assert first == (
        "answers were compared with those of the model: probabilities of the stored images differ "
        f"by at most {largest:.1e} (rounding explains 1.0e-04)"
    )
    size = (tmp_path / "lean" / "parity.json").stat().st_size
    assert f"{tmp_path / 'lean' / 'parity.json'}  {size / 1000:.1f} KB" in files
    assert call(monkeypatch, "verify", tmp_path / "lean") == 0
    tables = []
    for model in ("model", "lean"):
        table = tmp_path / f"{model}.csv"
        assert call(monkeypatch, "predict", tmp_path / model, photos, "-o", table) == 0
        tables.append(table.read_text())
    assert tables[0] == tables[1]
    given = ("predict", tmp_path / "lean", photos, "-o", tmp_path / "b.csv", "--device", "mps")
    assert call(monkeypatch, *given) == 2
    assert call(monkeypatch, "export", folder, "--to", "onx", "-o", tmp_path / "new") == 2
    assert "did you mean 'onnx'" in capsys.readouterr().err


def test_eight_bits_are_measured_on_images_that_were_not_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = smallest(tmp_path).save(tmp_path / "run" / "model")
    for number in range(6):
        path = tmp_path / "photos" / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 30), (40 * number, 30, 30)).save(path)
    photos = sorted((tmp_path / "photos").rglob("*.png"))
    plain = FORMATS.table()["lean"]
    eight = replace(plain, int8=lambda folder, images: None)
    monkeypatch.setattr(FORMATS, "table", lambda: {"lean": eight})

    def trained_on(count: int) -> None:
        entries = [{"sha256": content_hash(path)} for path in photos[:count]]
        held_out = [{"sha256": content_hash(path)} for path in photos[count:]]
        splits = {"splits": {"train": entries, "val": held_out}}
        (tmp_path / "run" / "split.json").write_text(json.dumps(splits))

    words = ("export", folder, "--to", "lean", "--int8", "--val", tmp_path / "photos", "-o")
    trained_on(4)
    assert call(monkeypatch, *words, tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "4 of 6 images were trained on: left out" in said
    assert "of 2 images are right" in said
    trained_on(6)
    assert call(monkeypatch, *words, tmp_path / "new") == 2
    assert "no held-out images - the model was trained on all 6" in capsys.readouterr().err
    assert call(monkeypatch, *words[:5], "-o", tmp_path / "new") == 2
    assert "give both --int8 and --val" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_push_and_pull(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = smallest(tmp_path).save(tmp_path / "model")
    with serving() as hub:
        ask_only(hub, tmp_path / "home", monkeypatch)
        assert call(monkeypatch, "push", model, NAME, "--public") == 0
        own = hub.repositories[NAME]
        commit, held = own.commits[-1]
        said = capsys.readouterr()
        assert said.out == (
            f"6 files: {hub.url}/{NAME}\nto pull  adapt pull {NAME}@{commit} -o model\n"
        )
        assert "%" not in said.err  # no bars where nobody looks
        commit = own.commit(held | {"a\x1b[2J.py": b""})
        assert call(monkeypatch, "pull", f"{NAME}@{commit}", "-o", tmp_path / "new") == 0
        assert capsys.readouterr().out == (
            f"5 files, verified: {tmp_path / 'new'}\n"
            "not part of the model, not downloaded: a\\x1b[2J.py\n"
        )
        assert call(monkeypatch, "pull", NAME, "-o", tmp_path / "other") == 2
        assert f"not pinned - the newest commit is {commit}" in capsys.readouterr().err
        words = ("pull", f"{NAME}@{commit}", "-o", tmp_path / "other", "--max-gb", "0.0001")
        assert call(monkeypatch, *words) == 2
        assert "larger than allowed" in capsys.readouterr().err


def test_a_delta_needs_its_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.unpack_archive(ROOT / "tests" / "fixtures" / "bundle_format_2.zip", tmp_path)
    delta, base = tmp_path / "delta", tmp_path / "base"
    with serving() as hub:
        ask_only(hub, tmp_path / "home", monkeypatch)
        assert call(monkeypatch, "push", delta, NAME) == 4
        assert "pretrained weights are not at hand" in capsys.readouterr().err
        assert call(monkeypatch, "push", delta, NAME, "--base", base) == 0
        commit = hub.repositories[NAME].commits[-1][0]
        words = ("pull", f"{NAME}@{commit}", "-o", tmp_path / "new")
        assert call(monkeypatch, *words) == 4
        assert not (tmp_path / "new").exists()
        assert call(monkeypatch, *words, "--base", base) == 0
    assert call(monkeypatch, "verify", tmp_path / "new") == 4
    assert call(monkeypatch, "verify", tmp_path / "new", "--base", base) == 0
    for path in delta.iterdir():
        assert (tmp_path / "new" / path.name).read_bytes() == path.read_bytes()
    assert Classifier.load(tmp_path / "new", base).class_names
