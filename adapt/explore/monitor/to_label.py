"""Which images to label, so that the accuracy is known and not estimated."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from adapt.evaluation.unlabelled.labelling import allocate, sample_size, strata_of
from adapt.explore.monitor.seen import Seen

COLUMNS = ("path", "label", "stratum", "predicted", "confidence")


def to_label(
    seen: Seen, class_names: Sequence[str], estimate: float, width: float, seed: int = 0
) -> tuple[dict[str, Any], str]:
    """How many images are to be labelled, and a table of a random draw of them.

    The draw is stratified by confidence: where answers are unsure, more are drawn. The expected
    accuracy of a stratum is its mean confidence, moved so that the mean over all is the estimate.

    Args:
        seen: New images.
        class_names: The K classes.
        estimate: Of the accuracy.
        width: The accuracy is to be known to +- so much.
        seed: Of the draw.

    Returns:
        What `monitor.json` holds, and `to_label.csv` with an empty column `label`.
    """
    strata = strata_of(seen.confidences)
    sizes = np.bincount(strata)
    means = np.bincount(strata, seen.confidences) / sizes
    moved = means + (estimate - float(seen.confidences.mean()))
    expected = np.clip(moved, 0.0, 1.0)
    counts = allocate(sizes, expected, width)
    generator, rows = np.random.default_rng(seed), list[int]()
    for stratum, count in enumerate(counts):
        own = np.flatnonzero(strata == stratum)
        rows += sorted(generator.permutation(own)[:count].tolist())
    content = {
        "width": width,
        "images": len(rows),
        "at_random": sample_size(estimate, width, len(seen.names)),
        "strata": [
            {"images": int(size), "to_label": int(count), "expected": float(share)}
            for size, count, share in zip(sizes, counts, expected, strict=True)
        ],
    }
    return content, _table(seen, class_names, strata, rows)


def _table(seen: Seen, class_names: Sequence[str], strata: np.ndarray, rows: Sequence[int]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        said, sure = class_names[seen.predicted[row]], seen.confidences[row]
        writer.writerow([seen.names[row], "", int(strata[row]), said, f"{sure:.4f}"])
    return stream.getvalue()
