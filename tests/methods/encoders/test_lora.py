"""LoRA: its adapters are drawn by seed, and must have trained."""

import pytest
import torch

import adapt
from adapt.errors import RunError
from adapt.methods.encoders.lora import build_adapter, merge_trained
from adapt.models.adapters.lora import LoraSettings
from adapt.models.classifier import Classifier
from tests.helpers.tiny import bit_equal, weights

SETTINGS = LoraSettings(2, 4.0, False, 0.0, ["q", "v"], "image", [])


def test_the_seed_fixes_the_first_matrices_and_nothing_else(start: Classifier) -> None:
    state = torch.get_rng_state()
    first, again, other = (
        weights(build_adapter(start, SETTINGS, seed).classifier) for seed in (1, 1, 2)
    )
    assert bit_equal(first, again)
    assert not bit_equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_adapters_that_did_not_train_are_an_error(start: Classifier) -> None:
    """The tiny ViT has two blocks, with two adapters in each."""
    adapter = build_adapter(start, SETTINGS, 0)
    with pytest.raises(RunError, match=r"lora - adapters did not train - .*\(4 of 4\) - raise"):
        merge_trained(adapter, "image")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 0}, "rank - out of range - 0 - give 1 or more"),
        ({"dropout": 1.0}, "dropout - out of range - 1.0 - give a fraction of at least 0 and"),
        ({"targets": ["x"]}, r"targets\[0\] - not known - 'x' - choose from q, k, v, o, mlp"),
        ({"targets": []}, r"targets - empty - \[\] - choose from q, k, v, o, mlp"),
        ({"encoder": "images"}, "encoder - not known, did you mean 'image'"),
    ],
)
def test_out_of_range(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        adapt.method("lora", **settings)
