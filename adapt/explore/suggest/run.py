"""From a model and a pool to a list of what to label next."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adapt.common.arrays import IntArray, SingleArray
from adapt.common.files import plain
from adapt.common.words import plural
from adapt.comparison.sides import Given, Side, opened, seen_by
from adapt.data.sources.captions.pairs import without_classes
from adapt.errors import DataError, RecipeError
from adapt.explore.suggest.candidates import CandidateRows, candidates
from adapt.explore.suggest.how_many import how_many
from adapt.explore.suggest.labelled import (
    LabelledImages,
    numbers_of,
    read_labelled,
    with_those_of_run,
)
from adapt.explore.suggest.learning_curve import FEWEST
from adapt.explore.suggest.reading import SeenImages, see, see_source
from adapt.explore.suggest.result import Suggestion
from adapt.explore.suggest.strategies.base import MIX, Pick, UnlabelledPool, choose, get_strategy
from adapt.export.load import Loaded
from adapt.models.classifier import Classifier
from adapt.models.heads import text_weights
from adapt.models.penultimate import PROJECTED
from adapt.models.prediction.inputs import NamedImage
from adapt.predictions.opening import OpenModel
from adapt.training.runtime import EXACT

FORMAT = 1


def suggest(
    model: Given,
    pool: str | Path,
    budget: int = 50,
    strategy: str = MIX,
    labelled: Sequence[str | Path] = (),
    seed: int = 0,
    device: str = "cpu",
) -> Suggestion:
    """Choose the images of a pool that are worth a label next.

    Args:
        model: A bundle, an export, a run folder or a loaded model.
        pool: Images without labels: what `adapt predict` reads.
        budget: How many images to label.
        strategy: Of `adapt list strategies`.
        labelled: What is labelled so far, beside what a run was trained on; see `read_labelled`. It
            is left out of the pool by content, and a learning curve is made of all of it.
        seed: Of what is drawn at random.
        device: Where the model computes.

    Raises:
        RecipeError: When the strategy is not known, the budget is below 1 or the model has no
            classes.
        DataError: When images or labels cannot be read, or no image is left to label.
        BundleError: When the model cannot be opened.
    """
    get_strategy(strategy)
    if budget < 1:
        raise RecipeError(f"--budget - out of range - {budget} - give 1 or more")
    source = str(pool)
    read = read_labelled(labelled, source if Path(source).is_dir() else "")
    side, loaded = opened(model, "model", device)
    if without_classes(loaded.class_names):
        raise RecipeError(
            f"{side.name} - answers no classes - it learned from captions - give a model of the "
            "classes that are to be labelled"
        )
    known = with_those_of_run(read, model)
    targets = np.array(numbers_of(known.labels, loaded.class_names), np.int64)
    open_model = OpenModel(loaded, device, EXACT)
    images = see_source(source, open_model)
    seen, targets, bad = _seen_labelled(known, targets, open_model)
    rows = candidates(images, seen, seen_by(model))
    if not len(rows.rows):
        raise DataError(
            f"{source} - nothing left to label - {plural(len(images), 'image')}, all labelled or "
            "copies of labelled ones - give other images"
        )
    names = tuple(loaded.class_names)
    left = UnlabelledPool(
        images.features[rows.rows],
        images.probabilities[rows.rows],
        seen.features,
        targets,
        names,
        seed,
    )
    picks = choose(left, budget, strategy)
    text = _zero_shot(loaded, seen.features.shape[1])
    curve = how_many(seen.features, targets, text, names, budget, seed) if len(targets) else None
    content = {
        **_about(side, source, strategy, budget, seed),
        "classes": list(names),
        "images": _counts(images, rows, len(targets)),
        "picks": [_entry(*numbered, images, rows) for numbered in enumerate(picks, start=1)],
        "how_many": curve,
        "notes": _notes(images, known, bad, curve, rows, budget),
    }
    return Suggestion(plain(content))


def _about(side: Side, source: str, strategy: str, budget: int, seed: int) -> dict[str, Any]:
    from adapt.version import __version__

    return {
        "format": FORMAT,
        "adapt": __version__,
        "model": side.to_dict(),
        "pool": source,
        "strategy": strategy,
        "strategy_takes": get_strategy(strategy).sentence,
        "budget": budget,
        "seed": seed,
    }


def _seen_labelled(
    known: LabelledImages, targets: IntArray, opened_model: OpenModel
) -> tuple[SeenImages, IntArray, list[str]]:
    """Labelled images that can be read, their class numbers, and what cannot be read."""
    named = [NamedImage(path, path) for path in known.paths]
    seen = see(named, opened_model, "reading what is labelled", len(named))
    places: dict[str, list[int]] = {}
    for place, path in enumerate(known.paths):
        places.setdefault(path, []).append(place)
    kept = [places[name].pop(0) for name in seen.names]
    return seen, targets[kept], seen.unreadable


def _zero_shot(model: Loaded, width: int) -> SingleArray:
    """What the texts say, whatever the head has learned; equal rows where nothing can be said."""
    if isinstance(model, Classifier) and model.backbone.features == PROJECTED:
        with torch.inference_mode():
            weight = text_weights(model.backbone, model.prompts, model.prompt_weights)
        return np.asarray(weight.float().cpu().numpy())
    return np.ones((len(model.class_names), width), np.float32)


def _counts(images: SeenImages, rows: CandidateRows, labelled: int) -> dict[str, Any]:
    return {
        "read": len(images),
        "unreadable": images.unreadable,
        "labelled": labelled,
        "labelled_already": rows.labelled,
        "copies_of_labelled": rows.copies_of_labelled,
        "copies": rows.copies,
        "candidates": len(rows.rows),
    }


def _entry(rank: int, pick: Pick, images: SeenImages, rows: CandidateRows) -> dict[str, Any]:
    row = int(rows.rows[pick.row])
    return {
        "rank": rank,
        "path": images.names[row],
        "sha256": images.hashes[row],
        "predicted": int(images.probabilities[row].argmax()),
        "confidence": float(images.probabilities[row].max()),
        "why": pick.why,
        "copies": rows.stands_for.get(row, 0),
    }


def _notes(
    images: SeenImages,
    known: LabelledImages,
    bad: list[str],
    curve: dict[str, Any] | None,
    rows: CandidateRows,
    budget: int,
) -> list[str]:
    notes = []
    for count, what in ((len(images.unreadable), "of the pool"), (len(bad), "with a label")):
        if count:
            notes.append(f"{plural(count, 'image')} {what} cannot be read and were left out")
    if known.note:
        notes.append(known.note)
    if known.unlabelled:
        notes.append(f"{plural(known.unlabelled, 'row')} without a label were passed over")
    if len(rows.rows) < budget:
        notes.append(f"only {plural(len(rows.rows), 'image')} were left to choose from")
    if known.labels and curve is None:
        notes.append(f"no learning curve: it takes {FEWEST} labels, of two classes or more")
    return notes
