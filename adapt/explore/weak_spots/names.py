"""Pairs of a model's own classes that its head can hardly tell apart."""

from typing import Any

import torch
import torch.nn.functional as F

from adapt.models.classifier import Classifier
from adapt.models.heads import text_weights

Content = dict[str, Any]


def similar_names(classifier: Classifier, count: int) -> list[Content]:
    """The pairs of classes with the most similar prompts, most similar first.

    Args:
        classifier: Its text encoder reads the prompts of its classes.
        count: At most so many pairs.

    Returns:
        For each pair both classes, and the cosine of their text features.
    """
    with torch.inference_mode():
        head = text_weights(classifier.backbone, classifier.prompts, classifier.prompt_weights)
    unit = F.normalize(head.float().cpu(), dim=-1)
    cosines = unit @ unit.T
    first, second = torch.triu_indices(len(unit), len(unit), 1)
    values = cosines[first, second]
    order = values.argsort(descending=True, stable=True)[:count].tolist()
    names = classifier.class_names
    return [
        {
            "classes": [names[int(first[place])], names[int(second[place])]],
            "cosine": float(values[place]),
        }
        for place in order
    ]
