"""One stored run of `bench.comparison`: what a rule for alpha sees of it, and what it is worth."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import log_softmax

from adapt.ensembling.held_out import HeldOut
from adapt.ensembling.rules.base import Evidence
from adapt.ensembling.settings import CORRUPTIONS, SEVERITY
from adapt.evaluation.metrics.calibration import expected_calibration_error
from bench.comparison import ALPHAS

OTHERS = "retention/"


@dataclass
class Replay:
    """One stored run: what a rule sees of it, and what its choice is worth."""

    task: str
    method: str
    val: HeldOut
    test: dict[float, float]
    """Accuracy on the test set by alpha, in points."""
    each: dict[str, dict[float, float]]
    """Accuracy on each shift."""
    calibration: dict[float, float]
    """Mean calibration error on the shifts, in points."""
    retention: dict[float, float]
    """Accuracy on other classes, in points; empty where it was not measured."""
    seconds: float
    """CPU time of the training."""

    @classmethod
    def read(cls, path: Path) -> "Replay":
        """From the file of a run."""
        with np.load(path) as stored:
            names = [name[7:] for name in stored.files if name.startswith("logits/")]
            logits = {name: stored[f"logits/{name}"] for name in names}
            targets = {name: stored[f"targets/{name}"] for name in names}
            others = [stored[name].tolist() for name in stored.files if name.startswith(OTHERS)]
            seconds = float(stored["seconds"])
        right = {name: logits[name].argmax(2) == targets[name] for name in names}
        corruptions = {f"{kind}_{SEVERITY}" for kind in CORRUPTIONS}
        shifts = [name for name in names if name not in {"val", "test", *corruptions}]
        held = HeldOut(
            targets["val"],
            dict(zip(ALPHAS, logits["val"], strict=True)),
            {kind: dict(zip(ALPHAS, right[kind], strict=True)) for kind in sorted(corruptions)},
            np.arange(len(targets[min(corruptions)])),
        )
        points = {
            name: dict(zip(ALPHAS, (100 * right[name].mean(1)).tolist(), strict=True))
            for name in names
        }
        return cls(
            path.parent.name,
            path.stem.rpartition("-")[0],
            held,
            points["test"],
            {name: points[name] for name in shifts},
            {
                alpha: 100 * float(np.mean([_error(logits[n][row], targets[n]) for n in shifts]))
                for row, alpha in enumerate(ALPHAS)
            },
            {a: 100 * value for kept in others for a, value in zip(ALPHAS, kept, strict=True)},
            seconds,
        )

    @property
    def shifts(self) -> dict[float, float]:
        """Mean accuracy on the shifts by alpha."""
        return {a: float(np.mean([own[a] for own in self.each.values()])) for a in ALPHAS}

    def evidence(self, size: int) -> Evidence:
        """What a rule sees when val has so many images."""
        count = size or len(self.val.targets)
        sample = self.val.sample
        assert sample is not None
        return HeldOut(
            self.val.targets[:count],
            {alpha: logits[:count] for alpha, logits in self.val.logits.items()},
            {
                kind: {alpha: hits[:count] for alpha, hits in along.items()}
                for kind, along in self.val.corrupted.items()
            },
            sample[sample < count],
        ).evidence()

    def worth(self, alpha: float) -> tuple[float, float, float]:
        """Points below the best of the line on the shifts and on test, and alpha."""
        lost = max(self.shifts.values()) - self.shifts[alpha]
        return lost, max(self.test.values()) - self.test[alpha], alpha


def _error(logits: np.ndarray, targets: np.ndarray) -> float:
    return expected_calibration_error.value(log_softmax(logits.astype(float), axis=1), targets)


def stored_runs(store: Path) -> list[Path]:
    """Files of the runs of a store."""
    return sorted(store.glob("*/*[0-9].npz"))


def resampled(values: np.ndarray) -> str:
    """95 % interval of the mean over runs, from 2,000 draws of as many runs."""
    draws = np.random.default_rng(0).integers(0, len(values), (2000, len(values)))
    low, high = np.quantile(values[draws].mean(1), [0.025, 0.975])
    return f"{low:.2f}..{high:.2f}"
