"""Weights and bundles on the command line."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.cli.test_app import call
from tests.helpers.bundles import smallest


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
    assert "image_encoder.safetensors" in capsys.readouterr().out
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
