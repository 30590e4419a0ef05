"""A model on a drawn task: zero-shot against chance, and what a probe gets from its features."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from adapt.checks.findings.out_of_fold import probe_scores
from adapt.common.arrays import FloatArray
from adapt.data.splits.stratified import stratified_folds
from adapt.evaluation.metrics.intervals import proportion_interval
from adapt.explore.weak_spots.tasks.base import Question, Task
from adapt.models.classifier import Classifier

FOLDS = 5
BATCH = 32
Content = dict[str, Any]
Encode = Callable[[Sequence[str]], Tensor]


def text_encoder(classifier: Classifier) -> Encode:
    """Unit features (N, D) of sentences; equal ones are encoded once."""
    known: dict[str, Tensor] = {}

    def encode(sentences: Sequence[str]) -> Tensor:
        new = [text for text in dict.fromkeys(sentences) if text not in known]
        if new:
            with torch.inference_mode():
                features = classifier.backbone.encode_text(new).float().cpu()
            known.update(zip(new, features, strict=True))
        return torch.stack([known[text] for text in sentences])

    return encode


def image_features(classifier: Classifier, questions: Sequence[Question]) -> Tensor:
    """Unit features (N, D) of the images of questions."""
    parts, preprocessing = [], classifier.backbone.preprocessing
    for start in range(0, len(questions), BATCH):
        part = questions[start : start + BATCH]
        resized = np.stack([preprocessing.pixels(question.image) for question in part])
        with torch.inference_mode():
            pixels = preprocessing.normalise_batch(torch.from_numpy(resized).to(classifier.device))
            parts.append(classifier.eval().features(pixels).float().cpu())
    return torch.cat(parts)


def measure(classifier: Classifier, task: Task, count: int, seed: int, encode: Encode) -> Content:
    """How a model does on a task.

    Args:
        classifier: Its encoders are asked, not its head.
        task: What is drawn.
        count: Number of images.
        seed: Another seed, other images.
        encode: See `text_encoder`.

    Returns:
        Accuracies with intervals, chance, and what each answer was taken for, for JSON.
    """
    questions = task.questions(count, seed)
    features = image_features(classifier, questions)
    said = zero_shot(features, questions, encode)
    answers = np.array([question.answer for question in questions])
    return {
        "ability": task.ability,
        "answers": list(task.answers),
        "control": task.control,
        "images": count,
        "chance": 1 / len(task.answers),
        "zero_shot": accuracy(said == answers),
        "probe": accuracy(probe(features.numpy(), answers, len(task.answers)) == answers),
        "confusion": confusion(answers, said, len(task.answers)),
    }


def zero_shot(features: Tensor, questions: Sequence[Question], encode: Encode) -> np.ndarray:
    """The answer (N,) whose sentence is most like each image.

    Args:
        features: Unit features (N, D) of the images.
        questions: Their sentences.
        encode: See `text_encoder`.
    """
    flat = [text for question in questions for text in question.sentences]
    texts = F.normalize(encode(flat), dim=-1).unflatten(0, (len(questions), -1))
    return np.asarray(torch.einsum("nd,nkd->nk", features, texts).argmax(1).numpy())


def probe(features: np.ndarray, answers: np.ndarray, classes: int) -> np.ndarray:
    """The answer (N,) of a linear probe that was fitted without the image.

    Args:
        features: Unit features (N, D).
        answers: The right ones, (N,).
        classes: Number of answers.
    """
    names = [str(answer) for answer in answers.tolist()]
    folds = stratified_folds(names, FOLDS, 0)
    scores, _ = probe_scores(np.asarray(features, np.float32), answers, classes, folds)
    return np.asarray(scores.argmax(1))


def accuracy(right: np.ndarray) -> Content:
    """A fraction with its interval.

    >>> accuracy(np.array([True, True, False, True]))["value"]
    0.75
    """
    hits = int(right.sum())
    return {"value": hits / len(right), "ci": proportion_interval(hits, len(right))}


def confusion(answers: np.ndarray, said: np.ndarray, classes: int) -> list[list[int]]:
    """How often each answer (row) was taken for each (column)."""
    counts: FloatArray = np.zeros((classes, classes))
    np.add.at(counts, (answers, said), 1)
    return [[int(count) for count in row] for row in counts]
