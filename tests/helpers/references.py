"""Statistics of held-out images in which every number is known."""

import numpy as np

from adapt.models.bundle.reference import Reference


def some_reference() -> Reference:
    """Four images of three classes, three right, on a line of two points."""
    return Reference(
        source="val",
        images=4,
        temperature=1.5,
        targets=np.array([0, 1, 2, 0]),
        predicted=np.array([0, 1, 2, 1]),
        confidences=np.array([0.9, 0.8, 0.7, 0.5], np.float32),
        entropies=np.array([0.2, 0.4, 0.6, 0.9], np.float32),
        prior=np.array([0.4, 0.35, 0.25]),
        features=np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]], np.float32),
        alpha=0.5,
        alphas=[0.0, 0.5],
        temperatures=[1.0, 1.5],
        line_answers=np.array([[0, 0, 2, 1], [0, 1, 2, 1]]),
        line_confidences=np.array([[0.5, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5]], np.float32),
    )
