"""What each gradient method trains, from where, and with which limits."""

from dataclasses import replace

import pytest

import adapt
from adapt.data.image_data import ImageData
from adapt.methods.base import Method
from adapt.models.classifier import Classifier
from adapt.runs.memory import prepared
from adapt.training.context import Context
from adapt.training.settings import Optim
from tests.helpers.tiny import weights
from tests.helpers.training import MODEL, QUICK

# LP-FT and PAINT


def trained(method: Method, start: Classifier) -> int:
    """The number of parameters that a method would train."""
    return sum(p.numel() for p in prepared(method, start).parameters() if p.requires_grad)


# BitFit and norm tuning


# The plan


def test_planned_parameters(start: Classifier) -> None:
    """Counted from the sizes of the tiny ViT: width 32, 2 blocks, 17 positions, 24 outputs."""
    block = 4 * 32 * 32 + 2 * 4 * 32 * 32  # attention, then the two layers of the MLP
    bias = 4 * 32 + 4 * 32 + 32
    norms = 2 * 2 * 32
    encoder = 3 * 8 * 8 * 32 + 32 + 17 * 32 + 32 * 24 + 2 * norms // 2 + 2 * (block + bias + norms)
    head = 3 * 24 + 3
    everything = sum(p.numel() for p in start.parameters())
    expected = {
        "zero_shot": 0,
        "linear_probe": head,
        "full": encoder + head,
        "lp_ft": encoder + head,
        "paint": encoder,
        "flyp": everything - head,
        "bitfit": 2 * 32 + 2 * (bias + 2 * 32),
        "norm_tuning": 2 * 2 * 32 + 2 * norms,
        "lora": 2 * 4 * 8 * (32 + 32),
    }
    found = {name: trained(adapt.method(name), start) for name in expected}
    assert found == expected
    frozen = adapt.method("paint", optim=Optim(freeze_first=1))
    first = 3 * 8 * 8 * 32 + 32 + 17 * 32 + 2 * 32 + block + bias + norms
    assert trained(frozen, start) == encoder - first


# Rates and limits


@pytest.mark.numerical
def test_layer_decay_acts_in_training(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    """Adam's first step is as long as the rate, whatever the gradient."""
    optim = replace(QUICK, batch_size=24, layer_decay=0.1, weight_decay=0.0)
    tuned = adapt.method("paint", optim=optim).fit(start, toy_data, context)
    before, after = weights(start), weights(tuned)
    expected = {
        "conv1.weight": 1e-5,
        "transformer.resblocks.0.mlp.c_fc.weight": 1e-4,
        "transformer.resblocks.1.mlp.c_fc.weight": 1e-3,
        "proj": 1e-2,
    }
    for name, rate in expected.items():
        full = f"{MODEL}visual.{name}"
        step = float((after[full] - before[full]).abs().median())
        assert step == pytest.approx(rate, rel=0.05), name
