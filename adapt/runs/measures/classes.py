"""The class that lost most against zero-shot."""

from typing import Any

import numpy as np

from adapt.evaluation.metrics.bootstrap import paired_difference
from adapt.runs.measures.scores import START, Outputs


def lost_most(outputs: Outputs, split: str) -> dict[str, Any] | None:
    """The class whose accuracy fell most from zero-shot to the shipped model on one split.

    Args:
        outputs: Of the run.
        split: `val` or an eval.

    Returns:
        `class`, its images `n`, the recall `before` and `after`, their paired `difference` with its
        `ci`, and the number of `classes` that were compared; None where no class lost. Among
        classes that lost equally, the one with the most images.
    """
    targets = outputs.targets[split]
    before = outputs.masked(START, split).argmax(1) == targets
    after = outputs.masked(outputs.shipped, split).argmax(1) == targets
    present, counts = np.unique(targets, return_counts=True)
    changes = [float(after[targets == k].mean() - before[targets == k].mean()) for k in present]
    if not changes or min(changes) >= 0:
        return None
    worst = min(range(len(present)), key=lambda i: (changes[i], -counts[i]))
    rows = targets == present[worst]
    return {
        "class": outputs.class_names[present[worst]],
        "n": int(counts[worst]),
        "before": float(before[rows].mean()),
        "after": float(after[rows].mean()),
        **paired_difference(after[rows], before[rows]),
        "classes": len(present),
    }
