"""Ensembles of the outputs of both ends: what is to be beaten, at two models for each image."""

from typing import Any

import numpy as np

from adapt.common.arrays import FloatArray
from adapt.ensembling.held_out import HeldOut
from adapt.ensembling.outputs import as_logits, mean_logits, mix_by_entropy, mix_outputs
from adapt.evaluation.evaluate import metrics
from adapt.evaluation.metrics.masking import mask_absent
from adapt.runs.measures.scores import ADAPTED, START, Outputs

EVEN = 0.5
MEAN_PROBABILITIES, MEAN_LOGITS, DAWIN = "mean_probabilities", "mean_logits", "dawin"


def output_references(outputs: Outputs, held: HeldOut) -> dict[str, dict[str, Any]]:
    """Scores of three ensembles of zero-shot and adapted model, none of which can ship.

    The mean of their probabilities, the mean of their logits, and both mixed for each image by how
    sure they are (DaWin in outputs, arXiv:2410.03782, with its offset for each set). As in DaWin
    the logits of both models are divided by temperatures that were fitted on val.

    Args:
        outputs: Of the run.
        held: Outputs along the line to the adapted model on val, for the temperatures.

    Returns:
        By reference and split, what `metrics` says and `weight`, the mean weight of the adapted
        model.
    """
    temperatures = held.temperature(0.0), held.temperature(1.0)
    scored: dict[str, dict[str, Any]] = {MEAN_PROBABILITIES: {}, MEAN_LOGITS: {}, DAWIN: {}}
    for split, targets in outputs.targets.items():
        ends = outputs.masked(START, split), outputs.masked(ADAPTED, split)
        by_entropy, weights = mix_by_entropy(*ends, temperatures, offset=True)
        mixed = {
            MEAN_PROBABILITIES: (as_logits(mix_outputs(*ends, EVEN, temperatures)), EVEN),
            MEAN_LOGITS: (mean_logits(*ends, temperatures), EVEN),
            DAWIN: (as_logits(by_entropy), float(weights.mean())),
        }
        for name, (logits, weight) in mixed.items():
            shown = _masked(logits, targets, split)
            row = metrics(shown, targets, 1.0, ends[0], outputs.interval)
            scored[name][split] = {**row, "weight": weight}
    return scored


def _masked(logits: FloatArray, targets: np.ndarray, split: str) -> np.ndarray:
    """Logits without the classes that an eval lacks, also where their logarithm was kept finite."""
    return logits if split == "val" else mask_absent(logits, targets).logits
