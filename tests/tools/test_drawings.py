"""Drawings: placing, colours and light."""

import torch

from tools.pretraining.drawings import colourise, place, vary_light


def test_placing_with_strength_zero_changes_nothing() -> None:
    images = torch.rand(2, 5, 9, 9)
    placed = place(images, 0.0, torch.Generator().manual_seed(0))
    assert torch.allclose(placed, images, atol=1e-5)


def test_plain_drawings_are_ink_on_white_and_colour_is_kept() -> None:
    drawing = torch.zeros(2, 5, 2, 2)
    drawing[:, 3, 0, 0] = 1.0  # one opaque pixel
    drawing[1, 0, 0, 0] = 1.0  # and red in the second
    out = colourise(drawing, torch.tensor([False, True]), 1.0, torch.Generator().manual_seed(0))
    assert out[0, :, 0, 0].tolist() == [0, 0, 0]
    assert out[1, :, 0, 0].tolist() == [1, 0, 0]
    assert (out[0, :, 1, 1] == 1).all()


def test_light_stays_in_range_and_depends_on_the_seed() -> None:
    images = torch.rand(4, 3, 5, 5)
    first, again, other = (vary_light(images, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert 0 <= first.min() <= first.max() <= 1
