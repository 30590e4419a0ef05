"""Features before the projection, against encoders whose projection was taken away by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import Tensor

import adapt
from adapt.data.image_data import ImageData
from adapt.ensembling.line import mix
from adapt.errors import ModelError, WeightsError
from adapt.models.classifier import Classifier
from adapt.models.penultimate import check_projection
from adapt.training.context import Context
from tests.helpers.tiny import CLASSES, RESNET, TIMM, VIT, bit_equal, tiny_classifier, weights


def by_hand(classifier: Classifier, pixels: Tensor) -> Tensor:
    """Each kind written out; the projections are applied last, so that both ends are checked."""
    encoder = classifier.backbone.image_encoder
    if hasattr(encoder, "trunk"):
        features = encoder.trunk(pixels)
        projected = encoder.head.proj(features)
    elif hasattr(encoder, "attnpool"):
        pool = encoder.attnpool
        grid = encoder.layer4(encoder.layer3(encoder.layer2(encoder.layer1(encoder.stem(pixels)))))
        tokens = grid.flatten(2).permute(0, 2, 1)
        tokens = torch.cat([tokens.mean(1, keepdim=True), tokens], 1) + pool.positional_embedding
        query, key, value = (
            layer(tokens).unflatten(-1, (pool.num_heads, -1)).transpose(1, 2)
            for layer in (pool.q_proj, pool.k_proj, pool.v_proj)
        )
        weight = (query[:, :, :1] @ key.mT / query.shape[-1] ** 0.5).softmax(-1)
        features = (weight @ value).transpose(1, 2).flatten(1)
        projected = pool.c_proj(features)
    else:
        seen: list[Tensor] = []
        hook = encoder.ln_post.register_forward_hook(lambda *given: seen.append(given[2]))
        projected = encoder(pixels)
        hook.remove()
        features = seen[0] if seen[0].ndim == 2 else seen[0][:, 0]
        torch.testing.assert_close(features @ encoder.proj, projected)
    torch.testing.assert_close(encoder(pixels), projected)
    return features


@pytest.mark.parametrize("arch", [VIT, RESNET, TIMM])
@torch.no_grad()
def test_features_before_the_projection(arch: str) -> None:
    classifier = tiny_classifier(arch)
    before = weights(classifier)
    side = classifier.backbone.preprocessing.size
    pixels = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(0))
    backbone = classifier.backbone.with_features("penultimate")
    expected = F.normalize(by_hand(classifier, pixels), dim=-1)
    torch.testing.assert_close(backbone.encode_image(pixels), expected, rtol=1e-4, atol=1e-5)
    assert backbone.width == expected.shape[1]
    assert bit_equal(before, weights(classifier))
    assert classifier.backbone.features == "projected"


def probe(start: Classifier, data: ImageData, context: Context) -> Classifier:
    method = adapt.method("linear_probe", features="penultimate", initialisation="zero", C=1.0)
    return method.fit(start, ImageData(data.train, None), context)


def test_a_probe_there_is_scikit_learns(
    start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    tuned = probe(start, toy_data, context)
    transform = start.backbone.preprocessing
    pixels = torch.stack([transform(toy_data.train.open(i)) for i in range(len(toy_data.train))])
    with torch.no_grad():
        features = F.normalize(by_hand(start, pixels), dim=-1).numpy()
    targets = toy_data.train.targets(CLASSES)
    expected = LogisticRegression(C=1.0, max_iter=5000, tol=1e-8).fit(features, targets)
    with torch.no_grad():
        logits = tuned(pixels).numpy()
    differences = logits - logits.mean(1, keepdims=True)
    scores = expected.decision_function(features)
    np.testing.assert_allclose(differences, scores - scores.mean(1, keepdims=True), atol=2e-3)

    loaded = Classifier.load(tuned.save(tmp_path / "model"))
    assert loaded.backbone.features == "penultimate"
    with torch.no_grad():
        torch.testing.assert_close(loaded(pixels), tuned(pixels), rtol=0, atol=0)
    assert [p.label for p in loaded.predict([toy_data.train.paths[0]])] == [
        CLASSES[int(logits[0].argmax())]
    ]


def test_there_is_no_line_to_zero_shot(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    tuned = probe(start, toy_data, context)
    assert bit_equal(weights(mix(start, tuned, 1)), weights(tuned))
    assert bit_equal(weights(mix(start, tuned, 0)), weights(start))
    with pytest.raises(WeightsError, match="features - differ - projected and penultimate"):
        mix(start, tuned, 0.5)
    with pytest.raises(ValueError, match="there is no zero-shot head on penultimate features"):
        adapt.method("linear_probe", features="penultimate")


def test_what_has_no_such_features_is_refused(start: Classifier) -> None:
    with pytest.raises(ModelError, match="features - not known - 'penultimat', did you mean"):
        start.backbone.with_features("penultimat")
    with pytest.raises(ModelError, match="no projection is known in this image encoder - other"):
        check_projection(torch.nn.Linear(2, 2), "other")
