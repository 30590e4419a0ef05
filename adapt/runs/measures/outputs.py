"""The logits of all models of a run, gathered from the lines that were visited."""

from collections.abc import Sequence

import numpy as np

from adapt.ensembling.candidates import Candidate
from adapt.ensembling.outputs import mixed_logits
from adapt.ensembling.wise_ft import Curve
from adapt.evaluation.evaluate import Split
from adapt.runs.measures.scores import (
    ADAPTED,
    ENSEMBLE,
    MIXED_PROBE,
    OUTPUTS,
    PROBE,
    START,
    Outputs,
)


def gather_outputs(
    class_names: list[str],
    splits: Sequence[Split],
    mixed: tuple[Candidate, Curve],
    probe: tuple[Candidate, Curve] | None,
    mixing: bool,
) -> Outputs:
    """Logits of every model on val and evals, with the temperature where one was fitted.

    Args:
        class_names: The K class keys.
        splits: The evals.
        mixed: The chosen point on the line to the adapted model, and that line on the evals.
        probe: The same for the line to the linear probe, where one was fitted.
        mixing: Whether points between the ends are candidates.
    """
    candidate, _ = mixed
    points = {START: (mixed, 0.0), ADAPTED: (mixed, 1.0), ENSEMBLE: (mixed, candidate.alpha)}
    temperature = {ENSEMBLE: candidate.temperature}
    if probe is not None:
        points[PROBE] = (probe, 1.0)
        if mixing:
            points[MIXED_PROBE] = (probe, probe[0].alpha)
            temperature[MIXED_PROBE] = probe[0].temperature
    logits = {model: _at(*line, alpha) for model, (line, alpha) in points.items()}
    if 0 < candidate.alpha < 1 and candidate.held.targets.ndim == 1:
        logits[OUTPUTS] = {
            split: mixed_logits(logits[START][split], logits[ADAPTED][split], candidate.alpha)
            for split in logits[START]
        }
    targets = {"val": candidate.held.targets} | {split.name: split.targets for split in splits}
    return Outputs(class_names, targets, logits, dict.fromkeys(logits, 1.0) | temperature)


def _at(candidate: Candidate, curve: Curve, alpha: float) -> dict[str, np.ndarray]:
    """Logits of the point of a line, by split."""
    on_evals = {split: by_alpha[alpha] for split, by_alpha in curve.logits.items()}
    return {"val": candidate.held.logits[alpha]} | on_evals
