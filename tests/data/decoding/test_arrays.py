"""Arrays and tensors: what each type means, and what is refused with the way out."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from adapt.data.decoding.arrays import array_pixels
from adapt.data.decoding.open import ImageError, open_image

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (5, 7, 3), dtype=np.uint8)
UNIT = PIXELS / 255.0


def shown(source: object) -> np.ndarray:
    return np.asarray(open_image(source))  # type: ignore[arg-type]


def refusal(source: object) -> str:
    with pytest.raises(ImageError) as caught:
        open_image(source)  # type: ignore[arg-type]
    assert str(caught.value).startswith(("<array> - ", "<tensor> - "))
    return str(caught.value).partition(" - ")[2]


SAME = {
    "uint8": PIXELS,
    "uint16": PIXELS.astype(np.uint16) * 257,
    "big-endian uint16": (PIXELS.astype(np.uint16) * 257).astype(">u2"),
    "float64": UNIT,
    "float32": UNIT.astype(np.float32),
    "float16": UNIT.astype(np.float16),
    "not contiguous": np.asfortranarray(PIXELS),
    "read-only": np.broadcast_to(PIXELS, PIXELS.shape),
    "CHW": torch.from_numpy(PIXELS).permute(2, 0, 1),
    "HWC": torch.from_numpy(PIXELS),
    "uint16 tensor": torch.from_numpy(PIXELS.astype(np.uint16) * 257),
    "float tensor": torch.from_numpy(UNIT).permute(2, 0, 1).float(),
    "with gradient": torch.from_numpy(UNIT).permute(2, 0, 1).float().requires_grad_(),
}


@pytest.mark.parametrize("name", SAME)
def test_all_types_are_one_image(name: str) -> None:
    np.testing.assert_array_equal(shown(SAME[name]), PIXELS)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_coarse_floats(dtype: torch.dtype) -> None:
    tensor = torch.from_numpy(UNIT).permute(2, 0, 1).to(dtype)
    assert np.abs(shown(tensor).astype(int) - PIXELS).max() <= 1


@pytest.mark.gpu
def test_a_tensor_on_another_device() -> None:
    np.testing.assert_array_equal(shown(torch.from_numpy(PIXELS).cuda()), PIXELS)


def test_grey_bool_and_alpha() -> None:
    grey = PIXELS[:, :, 0]
    stacked = grey[:, :, None].repeat(3, axis=2)
    for source in (grey, grey[:, :, None], torch.from_numpy(grey), torch.from_numpy(grey)[None]):
        np.testing.assert_array_equal(shown(source), stacked)
    mask = grey > 99
    np.testing.assert_array_equal(shown(mask), np.where(mask, 255, 0)[:, :, None].repeat(3, 2))
    np.testing.assert_array_equal(shown(torch.from_numpy(mask)), shown(mask))
    alpha = np.full((5, 7, 1), 51, np.uint8)  # a fifth, over white
    over = PIXELS / 5 + 255 * 4 / 5
    for source in (np.dstack([PIXELS, alpha]), np.dstack([UNIT, alpha / 255])):
        assert np.abs(shown(source) - over).max() <= 1
        np.testing.assert_array_equal(
            shown(torch.from_numpy(source).permute(2, 0, 1)), shown(source)
        )


def test_a_small_overshoot_is_clipped() -> None:
    """One pixel of 1.0001 changes none of the others."""
    values = UNIT.copy()
    values[0, 0], values[0, 1] = 1.0001, -0.009
    expected = PIXELS.copy()
    expected[0, 0], expected[0, 1] = 255, 0
    np.testing.assert_array_equal(shown(values), expected)


@given(arrays(np.float64, (4, 6), elements=st.floats(-0.01, 1.01)))
def test_floats_do_not_depend_on_each_other(values: np.ndarray) -> None:
    """Each pixel is what it is alone, and monotone in its value."""
    alone = [[array_pixels(np.array([[value]]), 9)[0, 0] for value in row] for row in values]
    together = array_pixels(values, 99)
    assert together.tolist() == alone
    np.testing.assert_array_equal(together, np.round(255 * values.clip(0, 1) + 1e-9))


REFUSED = {
    "int64": (PIXELS.astype(np.int64), "array.astype(numpy.uint8) if 255 is white"),
    "int32": (PIXELS.astype(np.int32), "array.astype(numpy.uint8) if 255 is white"),
    "uint32 of 16 bits": (np.full((2, 2), 70 * 257, np.uint32), "astype(numpy.uint16) if 65535"),
    "negative": (np.full((2, 2), -1), "bring it to uint8 or uint16"),
    "floats to 255": (PIXELS.astype(float), "divide by 255 if that is white"),
    "floats to 1.5": (UNIT * 1.5, "give floats from 0 to 1"),
    "normalised": (UNIT - 0.5, "before they are normalised"),
    "int tensor": (torch.from_numpy(PIXELS).long(), "if 255 is white"),
    "float tensor to 255": (torch.from_numpy(PIXELS).float(), "divide by 255"),
    "complex": (UNIT * 1j, "not brightness values - type complex128"),
    "text": (np.array([["a"]]), "not brightness values - type <U1"),
    "object": (PIXELS.astype(object), "not brightness values - type object"),
    "NaN": (np.array([[0.5, np.nan]]), "holds NaN or infinite values"),
    "infinite": (np.array([[0.5, np.inf]]), "holds NaN or infinite values"),
    "NaN tensor": (torch.tensor([[0.5, torch.nan]]), "holds NaN or infinite values"),
    "no rows": (PIXELS[:0], "has no pixels - shape (0, 7, 3)"),
    "no channels": (PIXELS[:, :, :0], "has no pixels"),
    "nothing": (np.array([]), "has no pixels"),
    "a number": (np.array(3), "not the shape of an image - shape ()"),
    "one row": (PIXELS[0, :, 0], "not the shape of an image - shape (7,)"),
    "two channels": (PIXELS[:, :, :2], "not the shape of an image - shape (5, 7, 2)"),
    "channels first": (PIXELS.transpose(2, 0, 1), "array.transpose(1, 2, 0)"),
    "a batch": (PIXELS[None], "give a list of images"),
    "a batch of tensors": (torch.zeros(2, 3, 8, 8), "the tensors of the batch as a list"),
    "either way": (torch.zeros(3, 9, 3), "not clear which side is channels"),
    "grey either way": (torch.zeros(1, 9, 1), "not clear which side is channels"),
    "seven channels": (torch.zeros(7, 9, 9), "not the shape of an image"),
    "sparse": (torch.eye(3).to_sparse(), "not a plain tensor"),
    "meta": (torch.zeros(3, 9, 9, device="meta"), "not a plain tensor"),
    "masked": (np.ma.masked_array(PIXELS, PIXELS > 9), "a masked array"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    source, said = REFUSED[name]
    message = refusal(source)
    assert said in message
    assert message.count(" - ") == 2  # what is wrong, what was given, what to do


def test_an_array_says_which_side_is_channels() -> None:
    """What is unclear in a tensor is clear in an array, whose channels are last."""
    tensor = torch.linspace(0, 1, 27).reshape(3, 3, 3)
    last = (255 * tensor.numpy() + 0.5).astype(np.uint8)
    np.testing.assert_array_equal(shown(tensor.numpy()), last)
    np.testing.assert_array_equal(shown(tensor.permute(1, 2, 0).numpy()), last.transpose(1, 2, 0))
    assert shown(np.zeros((1, 5, 3), np.uint8)).shape == (1, 5, 3)
