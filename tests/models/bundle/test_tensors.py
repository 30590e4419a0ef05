"""Tensors come back as they were written, readable for whom other files are."""

import os
import stat
from pathlib import Path

import pytest
import torch

from adapt.errors import BundleError
from adapt.models.bundle import tensors
from adapt.models.bundle.tensors import load_tensors, save_tensors


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_modes_are_those_of_the_umask(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        save_tensors({"a": torch.arange(6.0).view(2, 3).T}, tmp_path / "a.safetensors")
    finally:
        os.umask(before)
    mode = stat.S_IMODE((tmp_path / "a.safetensors").stat().st_mode)
    assert mode == 0o666 & ~mask
    read = load_tensors(tmp_path / "a.safetensors")
    assert torch.equal(read["a"], torch.arange(6.0).view(2, 3).T)


def test_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "MOST", 2)
    save_tensors({str(n): torch.zeros(1) for n in range(3)}, tmp_path / "a.safetensors")
    with pytest.raises(BundleError, match="too many tensors - 3, at most 2"):
        load_tensors(tmp_path / "a.safetensors")
