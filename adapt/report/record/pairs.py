"""A run on images with captions, in plain words; needs `scores.json` only."""

from collections.abc import Mapping
from typing import Any

from adapt.report.record.guard import guard_approval, guard_of, guard_warnings
from adapt.report.record.scores import SELECTION, ZERO_SHOT, ScoreTable, model_name
from adapt.report.record.values import interval, mapping, number
from adapt.report.record.words import count, percent, points, signed_span

TASK = "pairs"
RECALL = "recall@10"
FEW = 10_000
"""Training pairs below which the report says how few they are: CLIP saw 400 million, LiT in its
smallest experiments 10 million."""
MOSTLY_CHANCE = 0.5
"""Recall at 10 by chance from which on the first answers are told too."""
WAYS = {"image_to_text": "image to text", "text_to_image": "text to image"}


def is_pairs(scores: ScoreTable) -> bool:
    """Whether a run learned from images with captions."""
    return scores.get("task") == TASK


def pair_sets(scores: ScoreTable) -> list[str]:
    """The sets of pairs that were scored, evals first, val last."""
    own = mapping(scores["models"].get(ZERO_SHOT))
    sets = [str(name) for name, entry in own.items() if WAYS.keys() <= mapping(entry).keys()]
    return sorted(sets, key=lambda name: name == SELECTION)


def class_sets(scores: ScoreTable) -> list[str]:
    """The sets with classes, which the text encoder names."""
    own = mapping(scores["models"].get(ZERO_SHOT))
    return [str(name) for name in own if str(name) not in pair_sets(scores)]


def recall_change(scores: ScoreTable, model: str, name: str) -> Mapping[str, Any]:
    """The change of recall@10 from the start: `difference` and `ci`."""
    return mapping(mapping(scores.entry(model, name).get("difference")).get(RECALL))


def chance_words(scores: ScoreTable, model: str, name: str) -> str:
    """What a random order reaches at 10, and how many times that a model reaches."""
    reached = number(scores.metric(model, name, RECALL))
    chance = number(scores.metric(model, name, "chance@10"))
    times = f" ({reached / chance:.1f} times)" if reached is not None and chance else ""
    return f"chance {percent(chance)}{times}"


def how_few(scores: ScoreTable) -> str | None:
    """A sentence on how little was learned from, where it is little."""
    card = mapping(mapping(scores.get("data")).get("train"))
    images, captions = number(card.get("n")), number(card.get("captions"))
    if images is None or captions is None or images >= FEW:
        return None
    return (
        f"Trained on {count(images)} images with {count(captions)} captions: very few. CLIP was "
        "trained on 400 million pairs; what a text encoder learns from so few are their subjects "
        "and words, not language."
    )


def pair_verdict(scores: ScoreTable) -> list[str]:
    """What ships, what it gains over the start, and how few pairs there are.

    Args:
        scores: Of a run on pairs.

    Returns:
        Whole sentences, what ships first; see `adapt.report.verdict.verdict`.
    """
    few = how_few(scores)
    return [
        _shipped(scores),
        *(f"Warning: {sentence}" for sentence in guard_warnings(scores)),
        *([] if few is None else [f"Warning: {few}"]),
        *(_gained(scores, name) for name in pair_sets(scores) if name != SELECTION),
        *(_on_classes(scores, name) for name in class_sets(scores)),
        *(_on_pairs(sentence, scores) for sentence in guard_approval(scores)),
    ]


def _shipped(scores: ScoreTable) -> str:
    stored = mapping(scores.get("ship"))
    alpha, pairs = number(scores.get("alpha")), count((number(stored.get("n")) or 0) / 2)
    if alpha == 0:
        return f"Shipped: the start itself, by what {pairs} held-out pairs say."
    chosen = "" if scores.get("selected_on") is None else f", chosen on {pairs} held-out pairs"
    return f"Shipped: the mixed model (alpha {alpha or 0:g}{chosen})."


def _on_pairs(sentence: str, scores: ScoreTable) -> str:
    """What the guard says, which counts two answers for each pair."""
    answers = number(guard_of(scores).get("n"))
    words = sentence.replace("Shipped minus zero-shot", "Shipped minus the start")
    if answers is None:
        return words
    judged = f", recall at 1 on {count(answers / 2)} pairs"
    return words.replace(f", {answers:g} images", judged)


def _gained(scores: ScoreTable, name: str) -> str:
    model = scores.shipped
    reached, before = (scores.metric(m, name, RECALL) for m in (model, ZERO_SHOT))
    change = recall_change(scores, model, name)
    bounds = interval(change.get("ci"))
    spread = f", 95 % interval {signed_span(bounds)}" if bounds else ""
    return (
        f"On {name} the {model_name(model)} has the right answer among the first 10 of "
        f"{count(scores.metric(model, name, 'n'))} images and their captions in {percent(reached)} "
        f"(mean of both directions), the start in {percent(before)}, "
        f"{chance_words(scores, model, name)}: "
        f"{points(change.get('difference'))} points{spread}.{_first_answers(scores, name)}"
    )


def _first_answers(scores: ScoreTable, name: str) -> str:
    """How often the first answer is right, where the first 10 are most of all."""
    if (number(scores.metric(scores.shipped, name, "chance@10")) or 0) < MOSTLY_CHANCE:
        return ""
    reached, before = (
        [number(mapping(scores.entry(model, name).get(way)).get("recall@1")) or 0 for way in WAYS]
        for model in (scores.shipped, ZERO_SHOT)
    )
    now, then = (percent(sum(ways) / 2) for ways in (reached, before))
    return (
        f" So few pairs say little at 10: the first answer is right in {now}, that of the start in "
        f"{then}."
    )


def _on_classes(scores: ScoreTable, name: str) -> str:
    reached, before = (scores.metric(m, name) for m in (scores.shipped, ZERO_SHOT))
    return f"Zero-shot on the classes of {name}: {percent(reached)}, the start {percent(before)}."
