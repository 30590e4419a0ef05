"""Accuracy on other classes against heads made by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from adapt.data.images import Images
from adapt.data.labels.classes import ClassName
from adapt.data.sources.image_list import ImageList
from adapt.ensembling.line import mix
from adapt.ensembling.retention import retention, retention_prompts
from adapt.ensembling.weights.interpolate import interpolate
from adapt.errors import DataError, RecipeError
from adapt.evaluation.metrics.bootstrap import paired_difference
from adapt.models.classifier import Classifier
from adapt.training.settings import Runtime
from tests.helpers.tiny import tiny_classifier

RUNTIME = Runtime(accelerator="cpu", workers="0", batch_size=8)
PROMPT = "an icon of a {}"


@pytest.fixture(scope="module")
def start() -> Classifier:
    return Classifier.from_clip("adapt-icons-xs", "embedded", ["left arrow", "cloud"], [PROMPT])


@pytest.fixture(scope="module")
def tuned(start: Classifier) -> Classifier:
    """Every weight of the encoders moved at random; the head is a learned one."""
    other, generator = start.clone(), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in other.backbone.model.named_parameters():
            if name != "logit_scale":
                noise = torch.randn(value.shape, generator=generator)
                value.add_(noise * (0.6 * value.std().nan_to_num()))
        other.head.weight.mul_(-1)
    other.head_from_text = False
    return other


@pytest.fixture(scope="module")
def images() -> ImageList:
    """Two pictures of each of five classes, and the first two prompts: text is the slow part."""
    every = Images.from_embedded("pictograms", "emoji", "test")
    labels = np.array(every.labels)
    rows = [np.flatnonzero(labels == key)[:2] for key in every.class_names[2:22:4]]
    few = every.subset(np.concatenate(rows))
    few.classes = {k: replace(name, prompts=name.prompts[:2]) for k, name in few.classes.items()}
    return few


def by_hand(model: Classifier, images: ImageList) -> np.ndarray:
    """Whether each image is nearest to the mean of its own class's prompts, one by one."""
    keys = sorted(set(images.labels))
    means = []
    with torch.no_grad():
        for key in keys:
            name = images.classes[key]
            prompts = [text.replace("{}", name.words) for text in name.prompts or (PROMPT,)]
            means.append(F.normalize(model.backbone.encode_text(prompts).mean(0), dim=0))
        right = []
        for index, label in enumerate(images.labels):
            pixels = np.array(model.backbone.preprocessing.resize(images.open(index)))
            batch = model.backbone.preprocessing.normalise_batch(torch.from_numpy(pixels)[None])
            cosines = torch.stack(means) @ model.backbone.encode_image(batch)[0]
            right.append(keys[int(cosines.argmax())] == label)
    return np.array(right)


@pytest.mark.numerical
def test_retention_against_heads_made_by_hand(
    start: Classifier, tuned: Classifier, images: ImageList
) -> None:
    found = retention(
        start, tuned, mix(start, tuned, 0.5), images, [PROMPT], [0.0, 0.5, 1.0], RUNTIME
    )
    middle = start.clone()
    middle.backbone.model.load_state_dict(
        interpolate(start.backbone.model.state_dict(), tuned.backbone.model.state_dict(), 0.5)
    )
    before, after, end = (by_hand(model, images) for model in (start, middle, tuned))
    assert (found["n"], found["classes"]) == (10, 5)
    assert (found["before"], found["after"]) == (before.mean(), after.mean())
    assert {"difference": found["difference"], "ci": found["ci"]} == paired_difference(
        after, before
    )
    assert found["curve"] == [
        {"alpha": 0.0, "accuracy": before.mean()},
        {"alpha": 0.5, "accuracy": after.mean()},
        {"alpha": 1.0, "accuracy": end.mean()},
    ]
    # The noise has to matter, or nothing above is tested.
    assert (before != end).any()


def test_the_curve_uses_the_given_alphas_and_the_shipped_model_need_not_be_on_it(
    start: Classifier, tuned: Classifier, images: ImageList
) -> None:
    found = retention(start, tuned, tuned, images, [PROMPT], runtime=RUNTIME)
    assert found["curve"] == []
    assert found["after"] == by_hand(tuned, images).mean()


def test_a_new_head_forgets_nothing(start: Classifier, images: ImageList) -> None:
    probe = start.clone()
    with torch.no_grad():
        probe.head.weight.normal_()
    found = retention(start, probe, mix(start, probe, 0.3), images, [PROMPT], [0.0, 0.3], RUNTIME)
    assert (found["difference"], found["ci"]) == (0.0, [0.0, 0.0])
    assert {point["accuracy"] for point in found["curve"]} == {found["before"]}


def test_models_are_left_as_they_were(
    start: Classifier, tuned: Classifier, images: ImageList
) -> None:
    head, names = start.head.weight.clone(), list(start.class_names)
    retention(start, tuned, start, images.subset([0, 3]), [PROMPT], [0.5], RUNTIME)
    assert torch.equal(start.head.weight, head)
    assert start.class_names == names


def test_prompts_are_the_classes_own_or_from_the_templates(toy_root: Path) -> None:
    classes = {"red_circle": ClassName("red_circle", "ball", ("my {}", "a dot"))}
    images = Images.from_folder(toy_root / "test", classes)
    found = retention_prompts(images, ["a {}", "the {}"])
    assert found == [["a blue square", "the blue square"], ["a green cross", "the green cross"],
                     ["my ball", "a dot"]]  # fmt: skip
    with pytest.raises(RecipeError, match="neither a set nor a template"):
        retention_prompts(images, ["opnai"])


def numbered(images: ImageList, classes: dict[str, ClassName]) -> ImageList:
    keys = {key: str(index) for index, key in enumerate(images.class_names)}
    return ImageList(
        images.paths, [keys[one] for one in images.labels], None, None, "/nowhere", classes
    )


def test_classes_without_names_are_refused(toy_test: ImageList) -> None:
    start = tiny_classifier()
    with pytest.raises(DataError) as caught:
        retention(start, start, start, numbered(toy_test, {}), ["plain"])
    assert "/nowhere - classes without names - '0', '1', '2'" in str(caught.value)
    named = {"0": ClassName("0", "0", ("a square",)), "1": ClassName("1", "cross")}
    with pytest.raises(DataError, match="without names - '2' -"):
        retention_prompts(numbered(toy_test, named), ["plain"])
    named["2"] = ClassName("2", "circle")
    assert retention_prompts(numbered(toy_test, named), ["a {}"])[0] == ["a square"]


def test_one_class_is_no_test(toy_test: ImageList) -> None:
    with pytest.raises(DataError, match="too few classes - 1"):
        retention_prompts(toy_test.subset([0, 1]), ["plain"])
