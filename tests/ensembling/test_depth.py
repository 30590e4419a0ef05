"""Scaling by depth, against plain computations."""

import numpy as np
import pytest

from adapt.ensembling.depth import scale_by_depth
from adapt.errors import RecipeError
from adapt.models.classifier import Classifier
from tests.helpers.tiny import bit_equal, moved, weights


def test_scaling_by_depth_against_numpy(start: Classifier) -> None:
    """Two blocks: the first and all outside them keep 0.4 of their change, the second all."""
    tuned = moved(start)
    scaled = weights(scale_by_depth(start, tuned, 0.4))
    before, after = weights(start), weights(tuned)
    for name, share in {
        "backbone.model.visual.conv1.weight": 0.4,
        "backbone.model.visual.positional_embedding": 0.4,
        "backbone.model.visual.transformer.resblocks.0.mlp.c_fc.weight": 0.4,
        "backbone.model.visual.transformer.resblocks.1.attn.in_proj_weight": 1.0,
        "backbone.model.visual.proj": 0.4,
        "backbone.model.token_embedding.weight": 0.4,
        "backbone.model.transformer.resblocks.0.ln_1.weight": 0.4,
        "backbone.model.transformer.resblocks.1.ln_1.weight": 1.0,
        "backbone.model.text_projection": 0.4,
        "backbone.model.logit_scale": 0.4,
        "head.weight": 1.0,
    }.items():
        a, b = before[name].double().numpy(), after[name].double().numpy()
        found = scaled[name].double().numpy()
        np.testing.assert_allclose(found, a + share * (b - a), rtol=1e-6, atol=1e-8)
    assert bit_equal(weights(scale_by_depth(start, tuned, 1.0)), after)


@pytest.mark.parametrize("shallow", [-0.1, 1.0001, float("nan"), float("inf"), "0.5", None])
def test_shares_that_are_none(shallow: object, start: Classifier) -> None:
    with pytest.raises(RecipeError, match="shallow - out of range"):
        scale_by_depth(start, start, shallow)  # type: ignore[arg-type]
