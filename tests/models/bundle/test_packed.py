"""Packed weights are the same bits in less space."""

import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from adapt.errors import BundleError
from adapt.models.bundle.packed import load_packed, save_packed
from adapt.models.bundle.tensors import load_tensors, save_tensors


def bits(value: torch.Tensor) -> bytes:
    return value.numpy().tobytes()


@given(
    arrays.arrays(
        np.uint32,
        arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5),
        elements=st.integers(0, 2**32 - 1),
    )
)
def test_any_bits_come_back(numbers: np.ndarray) -> None:
    """Also those of NaN with a payload, of infinity, of numbers below the normal ones and of -0."""

    value = torch.from_numpy(numbers.view(np.float32).copy())
    with tempfile.TemporaryDirectory() as folder:
        save_packed({"a.b": value}, Path(folder, "x.safetensors"))
        ((name, again),) = load_packed(Path(folder, "x.safetensors")).items()
    assert name == "a.b"
    assert again.shape == value.shape
    assert bits(again) == bits(value)


def test_other_types_and_single_numbers(tmp_path: Path) -> None:
    state = {
        "scale": torch.tensor(2.5),
        "count": torch.arange(3),
        "half": torch.randn(2, 2).half(),
        "turned": torch.randn(4, 3).T,
    }
    save_packed(state, tmp_path / "x.safetensors")
    again = load_packed(tmp_path / "x.safetensors")
    assert set(again) == set(state)
    assert all(torch.equal(again[name], value) for name, value in state.items())
    assert all(again[name].dtype == value.dtype for name, value in state.items())


def test_weights_of_one_size_take_less_space(tmp_path: Path) -> None:
    """The entropy of sign and exponent of a normal distribution is below 3.5 of 8 bits."""
    value = torch.randn(500, 400) * 0.02
    save_packed({"w": value}, tmp_path / "packed.safetensors")
    save_tensors({"w": value}, tmp_path / "plain.safetensors")
    small, large = (
        (tmp_path / f"{name}.safetensors").stat().st_size for name in ("packed", "plain")
    )
    assert small < (3 + 3.6 / 8) / 4 * large


def test_a_bomb_is_stopped(tmp_path: Path) -> None:
    """One megabyte would become a gigabyte; no more is unpacked than the tensor holds."""
    path = tmp_path / "x.safetensors"
    save_packed({"w": torch.randn(10, 10)}, path)
    stored = dict(load_tensors(path))
    bomb = zlib.compress(bytes(2**20), 9)
    stored["high/w"] = torch.frombuffer(bytearray(bomb), dtype=torch.uint8)
    save_tensors(stored, path)
    with pytest.raises(BundleError, match="damaged weights - 101 bytes for 100"):
        load_packed(path)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("high/w", torch.zeros(3, dtype=torch.uint8), "damaged weights"),
        ("high/w", torch.zeros(3), "not packed weights - 'w'"),
        ("low/w", torch.zeros(10, 10, 2, dtype=torch.uint8), "not packed weights - 'w'"),
        ("low/v", torch.zeros(1, 3, dtype=torch.uint8), "not packed weights - 'v'"),
        ("high/v", torch.zeros(1, dtype=torch.uint8), "not packed weights - 'high/v'"),
        ("v", torch.zeros(1), "not packed weights - 'v'"),
    ],
)
def test_files_that_are_none(name: str, value: torch.Tensor, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_packed({"w": torch.randn(10, 10)}, path)
    save_tensors({**load_tensors(path), name: value}, path)
    with pytest.raises(BundleError, match=expected):
        load_packed(path)


def test_a_shortened_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_packed({"w": torch.randn(10, 10)}, path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleError, match="damaged weights"):
        load_packed(path)
