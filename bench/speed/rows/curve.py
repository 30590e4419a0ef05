"""Choosing alpha and drawing the curve, against evaluating each model on its own."""

import copy

import numpy as np
import torch

from adapt.data.shifts.shift import Shift
from adapt.data.sources.image_list import ImageList
from adapt.ensembling.choose import alpha_grid, choose_alpha
from adapt.ensembling.held_out import DEFAULT_CORRUPTIONS, HeldOutSets, JudgedLine, search_lines
from adapt.ensembling.line import Line, mix
from adapt.ensembling.rules.base import needs_corruptions
from adapt.ensembling.settings import Ensemble
from adapt.evaluation.evaluate import Split, metrics
from adapt.models.classifier import Classifier
from adapt.training.features.encode import predict_logits
from adapt.training.settings import Runtime
from bench.speed.harness import Figure, alternate, row
from bench.speed.rows.embedding import photos

RULE = Ensemble().rule
RUNTIME = Runtime(accelerator="cpu", batch_size=64)
CLASSES = [f"thing {number}" for number in range(10)]


def labelled(count: int) -> tuple[Classifier, ImageList]:
    """A zero-shot model, and photos with labels drawn at random."""
    start, images = Classifier.from_clip("adapt-icons-xs", "embedded", CLASSES), photos(count)
    random = np.random.default_rng(0)
    labels = [CLASSES[number] for number in random.integers(len(CLASSES), size=len(images))]
    return start, ImageList(images.paths, labels, None, None, images.root, {})


@row("head_sweep", "head sweep of 11 alphas, 9,991 photos", "one evaluation", 1.05, "fraction")
def head_sweep() -> Figure:
    """Both begin with files."""
    start, images = labelled(9991)
    tuned = copy.deepcopy(start)
    tuned.head_from_text = False
    with torch.no_grad():
        tuned.head.weight.add_(torch.randn(tuned.head.weight.shape))

    def sweep() -> np.ndarray:
        judged = JudgedLine(Line(start, tuned, RUNTIME), HeldOutSets.read(start, images, RUNTIME))
        held = judged.visit_all(alpha_grid(11))
        for logits in held.logits.values():
            metrics(logits, held.targets)
        return held.logits[1.0]

    def once() -> np.ndarray:
        split = Split.read("val", images, tuned, RUNTIME)
        logits = predict_logits(tuned, split.pixels, RUNTIME)
        metrics(logits, split.targets)
        return logits

    figure, ours, theirs = alternate(sweep, once, 1, warm_up=False)
    assert np.abs(ours - theirs).max() < 1e-3
    return figure


@row("full_sweep", "choice among 11 alphas as a run makes it, 500 photos", "11 evaluations", 3.0)
def full_sweep() -> Figure:
    """Val, and corruptions of it where the rule looks at them; both have decoded their images."""
    start, images = labelled(500)
    tuned = start.clone()
    with torch.no_grad():
        for parameter in tuned.backbone.image_encoder.parameters():
            parameter.add_(0.1 * parameter.std() * torch.randn_like(parameter))
    shifts: list[Shift] = list(DEFAULT_CORRUPTIONS) if needs_corruptions(RULE) else []
    sets = HeldOutSets.read(start, images, RUNTIME, shifts)
    whole = [Split.read("val", images, start, RUNTIME)]
    whole += [Split.read(s.kind, images.with_shift(s), start, RUNTIME) for s in shifts]

    def ours() -> float:
        judged = JudgedLine(Line(start, tuned, RUNTIME), sets)
        held = search_lines([judged], alpha_grid(11), RULE)
        return choose_alpha(held.evidence(), RULE)

    def theirs() -> float:
        judged = JudgedLine(Line(start, tuned, RUNTIME), HeldOutSets(whole[0], whole[1:]))
        for alpha in alpha_grid(11):
            model = mix(start, tuned, alpha)
            logits = [predict_logits(model, split.pixels, RUNTIME) for split in whole]
            judged.held.logits[alpha] = logits[0]
            for split, own in zip(whole[1:], logits[1:], strict=True):
                judged.held.corrupted[split.name][alpha] = own.argmax(1) == split.targets
        return choose_alpha(judged.held.evidence(), RULE)

    figure, mine, other = alternate(ours, theirs, 3)
    figure.checks["chosen alpha"] = f"{mine:g} and {other:g}"
    figure.note = (
        "embedded model, the tuned model is the start with noise in every weight; the rule needs "
        "seven or eight of the eleven points to choose as on the whole grid"
    )
    return figure
