"""Models built without drawing the numbers that they begin with."""

import open_clip
import pytest
import torch

from adapt.models.building.undrawn import Undrawn

pytestmark = pytest.mark.numerical


@pytest.mark.parametrize("arch", ["ViT-B-32", "RN50", "convnext_base"])
@pytest.mark.parametrize("outline", [False, True])
def test_nothing_is_drawn_and_shapes_are_right(arch: str, outline: bool) -> None:
    """Of a plain build, but for its numbers; the random state is left alone."""
    config = open_clip.get_model_config(arch)
    config["text_cfg"]["layers"] = 1
    if "layers" in config["vision_cfg"] and isinstance(config["vision_cfg"]["layers"], int):
        config["vision_cfg"]["layers"] = 1
    whole = open_clip.CLIP(**config)
    state = torch.get_rng_state()
    with Undrawn(outline):
        built = open_clip.CLIP(**config)
    assert torch.equal(torch.get_rng_state(), state)
    shapes, expected = (
        {name: (tuple(value.shape), value.dtype) for name, value in model.state_dict().items()}
        for model in (built, whole)
    )
    assert shapes == expected
    if not outline:
        # What is no weight, and so is in no state dict, is right.
        assert torch.equal(built.attn_mask, whole.attn_mask)
        built.load_state_dict(whole.state_dict())
        text = torch.randint(0, 1000, (2, 77))
        assert torch.equal(built.encode_text(text), whole.encode_text(text))


def test_numbers_are_those_of_a_plain_program_afterwards() -> None:
    with Undrawn(outline=True):
        torch.randn(3)
    assert torch.equal(torch.full((2,), 3.0) * 2, torch.full((2,), 6.0))
