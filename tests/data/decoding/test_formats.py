"""Content decides what a file is, and refusals say why."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from tests.data.decoding.test_open import PIXELS, encoded, pixels, reason


def test_content_decides_not_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(encoded(Image.new("RGB", (1, 1), (9, 9, 9)), "GIF"))
    assert pixels(path).tolist() == [[[9, 9, 9]]]
    assert pixels(str(path)).tolist() == [[[9, 9, 9]]]


def test_refusals(tmp_path: Path) -> None:
    whole = encoded(Image.effect_noise((64, 64), 80).convert("RGB"), "JPEG")
    assert reason(b"") == "empty file"
    assert reason(whole[: len(whole) // 2]) == "damaged or truncated image"
    assert reason(whole[:10]) == "damaged or truncated image"
    assert reason(encoded(Image.fromarray(PIXELS))[:40]) == "damaged or truncated image"
    assert reason(b"just some words") == "not an image"
    assert reason(b"<!DOCTYPE html><html>404") == "not an image"
    assert reason(b"%PDF-1.7 ...") == "not an image that is read"
    assert reason(b"%!PS-Adobe-3.0 EPSF-3.0\n") == "not an image that is read"
    assert reason(b"8BPS\0\1" + bytes(40)) == "not an image that is read"
    assert reason(b'<?xml version="1.0"?><svg/>') == "not an image that is read"
    assert reason(b"\0\0\0\x18ftypisom" + bytes(40)) == "not an image"
    assert reason(np.zeros((2, 2, 2), dtype=np.uint8)) == "not the shape of an image"
    assert reason(np.array([[np.nan]])) == "holds NaN or infinite values"
    assert reason(np.zeros((0, 3, 3), dtype=np.uint8)) == "has no pixels"
    lazy = Image.open(io.BytesIO(whole[: len(whole) // 2]))
    assert reason(lazy) == "damaged or truncated image"
    assert reason(tmp_path) == "not a file"
    assert reason(tmp_path / "gone.png") == "no such file"
    nan = encoded(Image.fromarray(np.array([[np.nan]], dtype=np.float32)), "TIFF")
    assert reason(nan) == "holds NaN or infinite values"
