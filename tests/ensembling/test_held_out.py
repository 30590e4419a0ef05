"""Held-out outputs equal those of each model alone."""

import statistics
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from adapt.data.shifts.shift import Shift
from adapt.data.sources.image_list import ImageList
from adapt.ensembling import held_out as module
from adapt.ensembling.choose import possible_rules
from adapt.ensembling.held_out import (
    HeldOut,
    HeldOutSets,
    JudgedLine,
    check_held_out,
    held_out,
    pool,
    search_lines,
)
from adapt.ensembling.line import Line, mix
from adapt.errors import DataError, RecipeError
from adapt.models.classifier import Classifier
from adapt.training.features.encode import predict_logits
from adapt.training.features.pixels import prepare
from adapt.training.settings import Runtime
from tests.helpers.tiny import (
    CLASSES,
    moved,
)

RUNTIME = Runtime(accelerator="cpu", workers="0", batch_size=8)


def test_the_error_of_the_synthetic_mean_varies_over_images() -> None:
    random = np.random.default_rng(0)
    targets, logits = random.integers(3, size=40), random.normal(size=(40, 3))
    corrupted = {kind: {0.5: random.random(40) < 0.5} for kind in ("blur", "fog")}
    evidence = HeldOut(targets, {0.5: logits}, corrupted).evidence()
    right = [(logits.argmax(1) == targets), corrupted["blur"][0.5], corrupted["fog"][0.5]]
    per_image = [sum(int(kind[image]) for kind in right) / 3 for image in range(40)]
    assert evidence.synthetic(0.5) == pytest.approx(statistics.fmean(per_image))
    assert evidence.synthetic_error[0.5] == pytest.approx(statistics.pstdev(per_image) / 40**0.5)
    assert "synthetic_one_se" in possible_rules(evidence)


@pytest.mark.numerical
def test_held_out_equals_each_model_on_its_own(
    start: Classifier, splits: dict[str, ImageList]
) -> None:
    tuned, blur = moved(start, size=0.3), Shift("gaussian_blur", 4)
    found = held_out(start, tuned, splits["val"], [0.0, 0.5, 1.0], RUNTIME, [blur])
    for alpha in (0.0, 0.5, 1.0):
        model = mix(start, tuned, alpha)
        for images, right in (
            (splits["val"], found.logits[alpha].argmax(1) == found.targets),
            (splits["val"].with_shift(blur), found.corrupted["gaussian_blur_4"][alpha]),
        ):
            logits = predict_logits(model, prepare(images, model.backbone.preprocessing), RUNTIME)
            np.testing.assert_array_equal(right, logits.argmax(1) == images.targets(CLASSES))
    evidence = found.evidence()
    accuracy = accuracy_score(found.targets, found.logits[0.5].argmax(1))
    assert evidence.accuracy[0.5] == pytest.approx(accuracy)
    assert evidence.images == len(splits["val"])
    both = pool([found, found])
    assert both.evidence().accuracy == evidence.accuracy
    assert both.evidence().corrupted == evidence.corrupted
    assert both.evidence().images == 2 * evidence.images
    with pytest.raises(RecipeError, match="nothing to pool"):
        pool([])


def test_a_test_set_in_the_place_of_val(splits: dict[str, ImageList], toy_test: ImageList) -> None:
    val, test = splits["val"], splits["test"]
    check_held_out(val, {"test": test})
    with pytest.raises(DataError, match=r"both in val and in the test set 'shift' - 12 images are"):
        check_held_out(replace(test, root="/photos/val"), {"shift": test})
    for images in (toy_test, replace(val, splits=["Test "] * len(val))):
        with pytest.raises(DataError, match=r"val - a test set - .* says [Tt]est"):
            check_held_out(images, {})
    mixed = ["test"] + ["val"] * (len(val) - 1)
    check_held_out(replace(val, splits=mixed), {})


def test_corruptions_of_a_large_set_are_sampled(
    start: Classifier, splits: dict[str, ImageList], monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned, blur, val = moved(start, size=0.3), Shift("gaussian_blur", 4), splits["val"]
    whole = held_out(start, tuned, val, [0.0, 0.5], RUNTIME, [blur])
    monkeypatch.setattr(module, "CORRUPTED_IMAGES", 5)
    part = held_out(start, tuned, val, [0.0, 0.5], RUNTIME, [blur])
    assert part.sample is not None
    assert len(part.sample) == 5
    for alpha in (0.0, 0.5):
        np.testing.assert_array_equal(part.logits[alpha], whole.logits[alpha])
        expected = whole.corrupted["gaussian_blur_4"][alpha][part.sample]
        np.testing.assert_array_equal(part.corrupted["gaussian_blur_4"][alpha], expected)
    clean = (part.logits[0.5].argmax(1) == part.targets)[part.sample]
    per_image = (clean.astype(int) + part.corrupted["gaussian_blur_4"][0.5]) / 2
    error = part.evidence().synthetic_error[0.5]
    assert error == pytest.approx(statistics.pstdev(per_image.tolist()) / 5**0.5)
    both = pool([part, whole])
    count = len(part.targets)
    assert both.sample is not None
    assert both.sample.tolist() == [*part.sample, *range(count, 2 * count)]
    assert both.evidence().corrupted["gaussian_blur_4"][0.5] == pytest.approx(
        np.concatenate([h.corrupted["gaussian_blur_4"][0.5] for h in (part, whole)]).mean()
    )


def test_folds_are_searched_together(start: Classifier, splits: dict[str, ImageList]) -> None:
    """The points that are visited are those that all folds need, the same for each."""
    tuned = [moved(start, seed, size=0.3) for seed in (0, 1)]
    sets = HeldOutSets.read(start, splits["val"], RUNTIME)
    judged = [JudgedLine(Line(start, model, RUNTIME), sets) for model in tuned]
    grid = [i / 10 for i in range(11)]
    known = search_lines(judged, grid, "val")
    assert {0.0, 0.2, 0.5, 0.8, 1.0} < set(known.logits)
    for alpha, logits in known.logits.items():
        single = [held_out(start, m, splits["val"], [alpha], RUNTIME) for m in tuned]
        expected = np.concatenate([held.logits[alpha] for held in single])
        np.testing.assert_allclose(logits, expected, atol=2e-5)


def test_alphas_that_images_cannot_tell_apart() -> None:
    """Against a count of the images that one answer has right and the other has not."""
    random = np.random.default_rng(3)
    right = {alpha: random.random(90) < 0.5 + alpha / 3 for alpha in (0.0, 0.3, 0.6, 1.0)}
    held = HeldOut(np.ones(90, int), {a: np.eye(2)[hits.astype(int)] for a, hits in right.items()})
    expected = []
    for alpha, hits in right.items():
        won, lost = int((hits & ~right[0.6]).sum()), int((right[0.6] & ~hits).sum())
        variance = (won + lost) / 90 - ((won - lost) / 90) ** 2
        if abs(won - lost) / 90 <= 2 * (variance / 90) ** 0.5:
            expected.append(alpha)
    assert held.level_with(0.6) == expected
    assert 0.6 in expected
    assert 0.0 not in expected
