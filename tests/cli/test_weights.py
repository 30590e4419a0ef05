"""Weights and bundles on the command line."""

from pathlib import Path

import pytest
import torch

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
