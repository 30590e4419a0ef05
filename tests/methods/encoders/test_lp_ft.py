"""LP-FT is a probe, then full fine-tuning from it."""

import pytest
import torch

import adapt
from adapt.data.image_data import ImageData
from adapt.methods.heads.linear_probe import LinearProbe
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from tests.helpers.tiny import bit_equal, weights
from tests.helpers.training import MODEL, QUICK, STILL, changed


@pytest.mark.numerical
def test_lp_ft_starts_from_the_probe(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    probe = LinearProbe(C=10.0)
    probed = probe.fit(start, toy_data, context)
    still = adapt.method("lp_ft", probe=probe, optim=STILL).fit(start, toy_data, context)
    torch.testing.assert_close(still.head.weight, probed.head.weight, atol=1e-8, rtol=0)
    torch.testing.assert_close(still.head.bias, probed.head.bias, atol=1e-8, rtol=0)
    assert not torch.allclose(probed.head.weight, start.head.weight, atol=1e-2)
    moving = adapt.method("lp_ft", probe=probe, optim=QUICK)
    tuned = moving.fit(start, toy_data, context)
    assert changed(probed, tuned) == {
        name for name in start.state_dict() if name.startswith((f"{MODEL}visual.", "head."))
    }
    assert not tuned.head_from_text
    by_full = adapt.method("full", optim=QUICK).fit(probed, toy_data, context)
    assert bit_equal(weights(tuned), weights(by_full))
