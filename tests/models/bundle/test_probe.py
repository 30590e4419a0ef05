"""The probe tells a model from another one, and from itself on another machine it does not."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from adapt.errors import BundleError
from adapt.models.bundle.manifest import CONFIG, ENCODERS, HEAD, PROBE
from adapt.models.bundle.probe import ROUNDING, ProbeAnswers, compare, probe_images, read_probe
from adapt.models.cache_head import CacheHead, reach
from adapt.models.classifier import Classifier, verify_bundle
from tests.helpers.bundles import edit_json, edit_tensors, learned
from tests.helpers.tiny import RESNET, TIMM, VIT, in_float64

State = dict[str, torch.Tensor]
NO_PUNCTUATION = {"clean": "canonicalize"}


def test_it_holds_images_as_files_and_what_predict_says_of_them(folder: Path) -> None:
    stored = load_file(folder / PROBE)
    images, answers = read_probe(stored, 3, 24)
    assert images == probe_images(32)
    classifier = Classifier.load(folder)
    decoded = [Image.open(io.BytesIO(image)) for image in images]
    assert [image.size for image in decoded] == [(56, 40), (40, 56), (32, 32), (19, 12)]
    for row, prediction in zip(answers.probabilities, classifier.predict(decoded), strict=True):
        by_name = dict(prediction.top)
        expected = [by_name[name] for name in classifier.class_names]
        np.testing.assert_allclose(row.numpy(), expected, atol=1e-6)
    assert answers.logits.std(0).min() > 1e-4, "the probe must tell models apart"


@pytest.mark.parametrize("arch", [VIT, RESNET, TIMM])
def test_rounding_stays_far_below_what_is_allowed(arch: str) -> None:
    """Float64 is how far any order of additions can lie from the one that was taken."""
    classifier = learned(arch)
    images = probe_images(classifier.backbone.preprocessing.size)
    given, exact = classifier.answers(images), in_float64(classifier).answers(images)
    assert not compare(exact, given, reach(classifier.head), classifier.temperature).wrong
    limit = ROUNDING * max(1.0, reach(classifier.head))
    assert float((given.logits - exact.logits).abs().max()) < limit / 4


@pytest.mark.parametrize("whitened", [False, True])
def test_how_far_logits_can_move(whitened: bool) -> None:
    torch.manual_seed(0)
    mean = torch.nn.functional.normalize(torch.randn(8), dim=0) * 0.9
    space = (torch.diag(torch.tensor([4.0, 2, 2, 1, 1, 1, 1, 0.5])), mean) if whitened else None
    values = torch.randn(5, 3) if whitened else torch.rand(5, 3)
    parts = torch.randn(3, 8), torch.zeros(3), torch.randn(5, 8), values
    head = CacheHead(*parts, 4.0, 0, space)
    with torch.no_grad():
        head.keys.copy_(torch.nn.functional.normalize(head.keys, dim=1))
        features = torch.nn.functional.normalize(mean * whitened + torch.randn(200, 8) / 2, dim=1)
        moved = torch.nn.functional.normalize(features + 0.01 * torch.randn(200, 8), dim=1)
        change = (head(features) - head(moved)).abs().max(1).values
        assert bool((change <= reach(head) * (features - moved).norm(dim=1) + 1e-5).all())
        assert reach(head) > float(head.weight.norm(dim=1).max())


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (CONFIG, lambda c: c["preprocess_cfg"].update(mean=[0.49, 0.46, 0.41])),
        (CONFIG, lambda c: c["preprocess_cfg"].update(std=[0.27, 0.26, 0.28])),
        (CONFIG, lambda c: c["preprocess_cfg"].update(interpolation="bilinear")),
        (CONFIG, lambda c: c["preprocess_cfg"].update(resize_mode="squash")),
        (CONFIG, lambda c: c["model_cfg"].update(quick_gelu=True)),
        (CONFIG, lambda c: c["model_cfg"]["text_cfg"].update(tokenizer_kwargs=NO_PUNCTUATION)),
        (HEAD, lambda s: s["bias"].add_(0.01)),
        (HEAD, lambda s: s["weight"].view(-1)[:1].fill_(3e38)),
        (HEAD, lambda s: s["weight"].copy_(s["weight"].flip(0))),
        (ENCODERS, lambda s: s["visual.proj"].mul_(1 + torch.linspace(0, 0.01, 24))),
        (ENCODERS, lambda s: s["text_projection"].mul_(1 + torch.linspace(0, 0.1, 24))),
        (ENCODERS, lambda s: s["logit_scale"].add_(0.01)),
        (PROBE, lambda s: s["logits"].add_(0.01)),
        (PROBE, lambda s: s["probabilities"].copy_(s["probabilities"].flip(1))),
        (PROBE, lambda s: s.update(image_0=s["image_1"].clone())),
    ],
)
def test_what_changes_an_answer_is_noticed(
    name: str, change: Callable[[Any], Any], folder: Path
) -> None:
    """Although every hash is right."""
    (edit_json if name == CONFIG else edit_tensors)(folder, name, change)
    with pytest.raises(BundleError, match="other answers than when it was saved"):
        verify_bundle(folder)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda s: s.pop("logits"), "probe.logits - missing"),
        (lambda s: s.update(more=torch.zeros(1)), "probe.more - not known"),
        (lambda s: s.update(logits=s["logits"].double()), "probe.logits - another type or shape"),
        (lambda s: s.update(logits=s["logits"][:, :2].clone()), "probe.logits - another type"),
        (lambda s: s["probabilities"].fill_(float("nan")), "probe.probabilities - not numbers"),
        (lambda s: s["image_2"].zero_(), "its probe cannot be answered"),
        (lambda s: s.update(image_2=torch.zeros(3)), "probe.image_2 - another type"),
        (lambda s: s.update(image_2=torch.zeros(0, dtype=torch.uint8)), "cannot be answered"),
        (lambda s: s.pop("facts"), "was written for other"),
    ],
)
def test_a_probe_that_is_none(change: Callable[[State], Any], expected: str, folder: Path) -> None:
    edit_tensors(folder, PROBE, change)
    with pytest.raises(BundleError) as caught:
        verify_bundle(folder)
    assert expected in str(caught.value)


def test_small_temperatures_allow_more() -> None:
    one = ProbeAnswers(torch.zeros(1, 2), torch.full((1, 2), 0.5).double(), torch.zeros(1, 2))
    cold, warm = (compare(one, one, 1.0, t).allowed for t in (0.001, 1.0))
    assert cold > warm >= ROUNDING
    assert compare(one, one, 1.0, 1.0).probabilities == 0
