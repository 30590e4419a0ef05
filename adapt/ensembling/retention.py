"""What a model still knows about classes it was not adapted to."""

from collections.abc import Sequence
from typing import Any, TypedDict

import torch

from adapt.common.arrays import BoolArray
from adapt.data.sources.image_list import ImageList
from adapt.ensembling.line import Line, Refresh, unchanged
from adapt.errors import DataError
from adapt.evaluation.evaluate import Split
from adapt.evaluation.metrics.bootstrap import paired_difference
from adapt.evaluation.metrics.masking import right
from adapt.models.classifier import Classifier
from adapt.models.heads import linear_head, text_weights
from adapt.models.penultimate import PROJECTED
from adapt.models.templates import class_prompts, resolve_templates
from adapt.training.features.encode import predict_logits
from adapt.training.settings import Runtime

SHOWN = 5


class Retention(TypedDict):
    """What `retention` returns: accuracies from 0 to 1."""

    n: int
    classes: int
    before: float
    after: float
    difference: float | None
    ci: list[float] | None
    curve: list[dict[str, float]]


def retention_prompts(images: ImageList, templates: Sequence[str]) -> list[list[str]]:
    """Prompts of the classes that occur in a retention set, in the order of its `class_names`.

    Also the check that the set can be used, to be made before anything is trained.

    Args:
        images: Labelled images of other classes than the model was adapted to.
        templates: Names of template sets, or templates.

    Returns:
        The prompts of each class.

    Raises:
        DataError: When there is only one class, or a class has neither words with a letter nor
            prompts: the text encoder cannot know what `7` shows.
        RecipeError: When a template is not known.
    """
    names = [images.classes[key] for key in images.class_names]
    if len(names) < 2:
        raise DataError(
            f"{images.root} - too few classes - {len(names)} - give a retention set of two or more"
        )
    bare = [
        name.key for name in names if not any(map(str.isalpha, name.words + "".join(name.prompts)))
    ]
    if bare:
        raise DataError(
            f"{images.root} - classes without names - {', '.join(map(repr, bare[:SHOWN]))} - name "
            "them in a classes file: retention is measured with a head made from the names"
        )
    return class_prompts(names, resolve_templates(list(templates)))


def retention(
    start: Classifier,
    tuned: Classifier,
    shipped: Classifier,
    images: ImageList,
    templates: Sequence[str],
    alphas: Sequence[float] = (),
    runtime: Runtime | None = None,
    refresh: Refresh = unchanged,
) -> Retention:
    """Zero-shot accuracy on other classes, before and after, and along the line in between.

    Adapting to some classes can make a CLIP forget the rest (catastrophic forgetting; measured so
    in LDIFS, Mukhoti et al. 2023, arXiv:2308.13320). Each model gets a head for the retention
    classes from its own text encoder; the head for the adapted classes plays no part.

    Args:
        start: The zero-shot model.
        tuned: What a method made of it, alpha 1.
        shipped: The model that is kept, such as `mix(start, tuned, alpha)`.
        images: Labelled images of other classes.
        templates: Names of template sets, or templates.
        alphas: Points of the forgetting curve.
        runtime: Device, batch size, workers.
        refresh: See `mix`.

    Returns:
        `n` images and `classes`; accuracy `before` (start) and `after` (shipped); their paired
        `difference`, negative where something was forgotten, with its 95 % `ci`; the `curve` as
        `alpha` and `accuracy` from start to tuned.

    Raises:
        DataError: See `retention_prompts`; or an image cannot be read.
        WeightsError: When start and tuned do not fit together.
    """
    runtime = runtime or Runtime()
    prompts = retention_prompts(images, templates)
    first = zero_shot_on(start, images.class_names, prompts)
    split = Split.read("retention", images, first, runtime)

    def answers(model: Classifier) -> BoolArray:
        model = zero_shot_on(model, images.class_names, prompts)
        return right(predict_logits(model, split.pixels, runtime), split.targets)

    before, after = answers(start), answers(shipped)
    line = Line(start, tuned, runtime, refresh=refresh)
    # With equal encoders every point of the line knows what the start knows.
    curve: list[dict[str, Any]] = [
        {
            "alpha": alpha,
            "accuracy": float(
                (before if line.only_heads or alpha == 0 else answers(line.at(alpha))).mean()
            ),
        }
        for alpha in alphas
    ]
    change = paired_difference(after, before)
    return Retention(
        n=len(images),
        classes=len(prompts),
        before=float(before.mean()),
        after=float(after.mean()),
        difference=change["difference"],
        ci=change["ci"],
        curve=curve,
    )


def zero_shot_on(model: Classifier, class_names: list[str], prompts: list[list[str]]) -> Classifier:
    """The same encoders (shared) with a head for other classes, from their own text encoder."""
    model.eval()
    backbone = model.backbone.with_features(PROJECTED)
    with torch.no_grad():
        head = linear_head(text_weights(backbone, prompts))
    return Classifier(backbone, head, class_names, prompts).eval()
