"""Findings where an image may have several labels, or none: labels in doubt, missing, or redundant.

The labels of an image are one text here, joined by `|`, so that copies with other labels conflict
as those with another class do.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import permutations

import numpy as np

from adapt.checks.findings.finding import Finding, Place
from adapt.checks.findings.labels import suspected
from adapt.checks.findings.out_of_fold import out_of_fold_probabilities
from adapt.checks.model import FOLDS, View
from adapt.common.arrays import BoolArray
from adapt.common.words import first_few, plural
from adapt.data.labels.label_sets import joined
from adapt.evaluation.several_labels.ranking import average_precisions

LEAST = 5
"""Images with a label, and images without it, that a statement about the label needs."""
SEEN = 0.5
"""Average precision out of fold that a label needs: where the model does not see what a label says,
an image on which it is not seen tells nothing."""
BY_CHANCE = 0.001
"""That labels occur together by chance, over all pairs of labels, is less likely than this."""


def label_set_findings(view: View, progress: Callable[[int], None] | None = None) -> list[Finding]:
    """What is wrong with the labels of images that may have several.

    Args:
        view: Whose labels are joined; labels are doubted only where it has features.
        progress: Called with the number of labels that are done.

    Returns:
        Findings `suspected_label`, `always_together`, `label_of_all`, `unseen_label` and
        `unlabelled`, as far as they apply.
    """
    marks = view.marks
    findings = [_together(view.class_names, marks), _of_all(view.class_names, marks)]
    findings.append(_unlabelled(view.places))
    if view.features is not None:
        doubted, unseen = doubted_labels(view, marks, progress)
        findings += [_suspected(view, marks, doubted), _unseen(view.class_names, unseen)]
    return [finding for finding in findings if finding is not None]


def doubted_labels(
    view: View, marks: BoolArray, progress: Callable[[int], None] | None = None
) -> tuple[dict[int, dict[int, float]], list[int]]:
    """Labels that are probably wrong or missing, each label against its absence.

    For each label a probe and the neighbours say, image by image and without its copies, how likely
    the label is; `suspected` decides from which probability a given yes or no is in doubt.

    Args:
        view: With features.
        marks: 1 where an image has a label, (N, K).
        progress: Called with the number of labels that are done.

    Returns:
        By image and label, the probability that the given yes or no is wrong; and the labels that
        are not judged, because their out-of-fold average precision is below `SEEN`.
    """
    assert view.features is not None
    groups, keys = view.copies.groups(), [picture.sha256 for picture in view.pictures]
    doubted: dict[int, dict[int, float]] = {}
    unseen: list[int] = []
    for label, own in enumerate(marks.T):
        if LEAST <= own.sum() <= len(own) - LEAST:
            targets = own.astype(np.int64)
            probabilities = out_of_fold_probabilities(
                view.features, targets, 2, FOLDS, 0, None, groups, keys
            )
            if average_precisions(probabilities[:, 1:], own[:, None])[0] < SEEN:
                unseen.append(label)
            else:
                suspects = suspected(probabilities, targets)
                for row, score in zip(suspects.indices, suspects.scores, strict=True):
                    doubted.setdefault(int(row), {})[label] = float(score)
        if progress is not None:
            progress(label + 1)
    return doubted, unseen


def _unseen(names: Sequence[str], unseen: Sequence[int]) -> Finding | None:
    if not unseen:
        return None
    keys = [names[label] for label in unseen]
    message = (
        f"{plural(len(keys), 'label')} that the model of the check does not see well enough to "
        f"doubt an image: {first_few(map(repr, keys))}"
    )
    fix = "check with a stronger CLIP: `--model ViT-B-32 --pretrained openai`"
    return Finding("unseen_label", "note", message, fix, details={"classes": keys})


def _suspected(
    view: View, marks: BoolArray, doubted: Mapping[int, Mapping[int, float]]
) -> Finding | None:
    if not doubted:
        return None
    order = sorted(doubted, key=lambda row: (-max(doubted[row].values()), row))
    names, places = view.class_names, [view.places[row] for row in order]
    changed = [marks[row] ^ np.isin(np.arange(len(names)), list(doubted[row])) for row in order]
    suggested = [_names(names, own) for own in changed]
    wrong = sum(bool(marks[row, label]) for row in order for label in doubted[row])
    missing = sum(map(len, doubted.values())) - wrong
    first, label = places[0], max(doubted[order[0]], key=lambda own: doubted[order[0]][own])
    said = "wrong" if marks[order[0], label] else "missing"
    message = (
        f"{plural(wrong, 'label')} may be wrong and {missing:,} missing, on "
        f"{plural(len(order), 'image')} of {len(marks):,}: first {first.path!r}, on which "
        f"{names[label]!r} looks {said}"
    )
    where = f" in {view.labels_file}" if view.labels_file else ""
    fix = (
        f"look at them, then correct the labels{where} ({first.path}: {first.label or 'none'} -> "
        f"{suggested[0] or 'none'}), or leave the images out with `--fix FILE --fix-labels` and "
        "`data.exclude: FILE`"
    )
    return Finding(
        "suspected_label",
        "warning",
        message,
        fix,
        tuple((place,) for place in places),
        tuple(max(doubted[row].values()) for row in order),
        details={
            "suggested": suggested,
            "labels": [{names[k]: doubted[row][k] for k in sorted(doubted[row])} for row in order],
            "wrong": wrong,
            "missing": missing,
        },
    )


def _names(names: Sequence[str], own: BoolArray) -> str:
    return joined(name for name, there in zip(names, own, strict=True) if there)


def _pairs(marks: BoolArray) -> Iterator[tuple[int, int]]:
    """Pairs of labels of which the first never occurs without the second, more than by chance."""
    counts, together = marks.sum(axis=0), marks.T.astype(np.int64) @ marks
    most = np.log(BY_CHANCE / max(len(counts) * (len(counts) - 1), 1))
    for first, other in permutations(range(len(counts)), 2):
        within = counts[first] >= LEAST and counts[other] < len(marks)
        chance = counts[first] * np.log(max(counts[other], 1) / len(marks))
        if within and together[first, other] == counts[first] and chance < most:
            yield first, other


def _together(names: Sequence[str], marks: BoolArray) -> Finding | None:
    pairs, counts = list(_pairs(marks)), marks.sum(axis=0)
    same = [(a, b) for a, b in pairs if counts[a] == counts[b] and a < b]
    within = [(a, b) for a, b in pairs if counts[a] != counts[b]]
    if not pairs:
        return None
    details = {
        "same": [[names[a], names[b], int(counts[a])] for a, b in same],
        "within": [[names[a], names[b], int(counts[a]), int(counts[b])] for a, b in within],
    }
    if same:
        a, b = same[0]
        told = first_few(f"{names[a]!r} and {names[b]!r}" for a, b in same)
        message = f"{plural(len(same), 'pair')} of labels on the same images: {told}"
        fix = f"merge {names[a]!r} and {names[b]!r}, or add images that have only one of them"
        return Finding("always_together", "warning", message, fix, details=details)
    a, b = within[0]
    told = first_few(f"{names[a]!r} only with {names[b]!r}" for a, b in within)
    message = f"{plural(len(within), 'label')} never without another: {told}"
    fix = f"nothing, if {names[a]!r} is a kind of {names[b]!r}; else add images without the latter"
    return Finding("always_together", "note", message, fix, details=details)


def _of_all(names: Sequence[str], marks: BoolArray) -> Finding | None:
    keys = [name for name, own in zip(names, marks.T, strict=True) if own.all()]
    if not keys:
        return None
    message = f"{plural(len(keys), 'label')} of every image: {first_few(map(repr, keys))}"
    fix = f"leave {keys[0]!r} out, or add images without it: there is nothing to learn"
    return Finding("label_of_all", "warning", message, fix, details={"classes": keys})


def _unlabelled(places: Sequence[Place]) -> Finding | None:
    without = [place for place in places if not place.label]
    if not without:
        return None
    message = f"{plural(len(without), 'image')} of {len(places):,} without a label"
    fix = "nothing, if they show none of the classes; else label them, or delete their rows"
    return Finding("unlabelled", "note", message, fix, tuple((place,) for place in without))
