"""How often every reported interval covers the truth: the tables of docs/benchmarks/intervals.md.

    python bench/intervals.py docs/benchmarks/intervals.md

Proportions are computed exactly, by adding up the probabilities of all counts whose interval holds
the truth. The others are simulated, 1,000 sets for each cell (300 for paired differences). Three
minutes on one core.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.special import expit, log_softmax, logit
from scipy.stats import binom

from adapt.evaluation.metrics.bootstrap import paired_difference
from adapt.evaluation.metrics.calibration import calibration_by_chance, expected_calibration_error
from adapt.evaluation.metrics.intervals import (
    mean_interval,
    mean_of_proportions_interval,
    proportion_ends,
)
from adapt.evaluation.metrics.paired import paired_answers
from adapt.evaluation.metrics.per_class import per_class_table
from adapt.evaluation.robustness.shifts import LogitLine, effective_robustness
from adapt.report.record.few_shot import band

IMAGES, TRUTHS = (3, 20, 50, 400), (0.5, 0.9, 0.98)
LOW, HIGH = 0.93, 0.975
SETS, PAIRED_SETS = 1000, 300
CLASSES = 8
Outcome = tuple[float, float, float] | None
"""Low end, estimate and high end of one simulated set; None without an interval."""


def exact(ends: Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]) -> list[list[float]]:
    """Coverage of an interval of proportions at every truth (rows) and number of images."""
    table = []
    for truth in TRUTHS:
        row = []
        for images in IMAGES:
            counts = np.arange(images + 1)
            low, high = ends(counts, images)
            inside = (low <= truth + 1e-12) & (truth <= high + 1e-12)
            row.append(float(binom.pmf(counts, images, truth)[inside].sum()))
        table.append(row)
    return table


def shipped(interval: str) -> list[list[float]]:
    """Coverage of an interval that `adapt` offers."""
    return exact(lambda counts, n: proportion_ends(counts, np.full(len(counts), n), interval))


def percentile(counts: np.ndarray, images: int) -> tuple[np.ndarray, np.ndarray]:
    """What the percentile bootstrap tends to with many samples."""
    ends = [binom.ppf(q, images, counts / images) / images for q in (0.025, 0.975)]
    return ends[0], ends[1]


def reachable(truth: float, images: int) -> tuple[float, float] | None:
    """The coverages next to the range where no interval can lie in it; None where one can.

    An interval of a proportion covers the truth for some run of neighbouring counts.
    """
    sums = np.append(0, binom.cdf(np.arange(images + 1), images, truth))
    runs = np.unique((sums[None, :] - sums[:, None]).round(6))
    if ((runs >= LOW) & (runs <= HIGH)).any():
        return None
    return float(runs[runs < LOW].max()), float(runs[runs > HIGH].min())


def simulated(draw: Callable[[int, float], tuple[float, Outcome]], sets: int) -> list[list[str]]:
    """Coverage by truth (rows) and number of images, and `none` where there is no interval."""
    table = []
    for truth in TRUTHS:
        row = []
        for images in IMAGES:
            drawn = [draw(images, truth) for _ in range(sets)]
            given = [(value, outcome) for value, outcome in drawn if outcome is not None]
            if not given:
                row.append("none")
                continue
            for _, (low, estimate, high) in given:
                assert low <= estimate <= high, "an interval excludes its own estimate"
            covered = [low - 1e-12 <= value <= high + 1e-12 for value, (low, _, high) in given]
            row.append(f"{100 * np.mean(covered):.1f}")
        table.append(row)
    return table


class Simulations:
    """What draws one set of images and gives the truth and the interval of one number."""

    def __init__(self) -> None:
        self.generator = np.random.default_rng(0)
        self.strength = {truth: self._strength(truth) for truth in TRUTHS}
        self.losses = {truth: self._losses(200_000, truth).mean(axis=0) for truth in TRUTHS}

    def logits(self, images: int, strength: float) -> np.ndarray:
        """Of a classifier of eight classes; the first is the true one."""
        drawn = self.generator.normal(size=(images, CLASSES))
        drawn[:, 0] += strength
        return 2 * drawn

    def _strength(self, truth: float) -> float:
        drawn = self.generator.normal(size=(40_000, CLASSES))
        margin = drawn[:, 1:].max(axis=1) - drawn[:, 0]
        return float(np.quantile(margin, truth))

    def _losses(self, images: int, truth: float) -> np.ndarray:
        logs = log_softmax(self.logits(images, self.strength[truth]), axis=1)
        chosen = np.exp(logs[:, 0])
        squares = np.exp(2 * logs).sum(axis=1) - chosen**2 + (1 - chosen) ** 2
        return np.stack([-logs[:, 0], squares], axis=1)

    def loss(self, column: int) -> Callable[[int, float], tuple[float, Outcome]]:
        """The mean of negative log-likelihoods (0) or Brier scores (1)."""

        def draw(images: int, truth: float) -> tuple[float, Outcome]:
            values = self._losses(images, truth)[:, column]
            ends = mean_interval(values)
            outcome = None if ends is None else (ends[0], float(values.mean()), ends[1])
            return float(self.losses[truth][column]), outcome

        return draw

    def balanced(self, images: int, truth: float) -> tuple[float, Outcome]:
        """Balanced accuracy of up to eight classes of unequal size and unequal recall."""
        classes = min(CLASSES, images)
        sizes = np.maximum(1, np.round(images / classes * np.linspace(1.6, 0.4, classes)))
        spread = np.linspace(-1, 1, classes) * (1 - truth) * 0.9
        recalls = truth + spread
        hits = self.generator.binomial(sizes.astype(int), recalls)
        low, high = mean_of_proportions_interval(hits, sizes)
        return float(recalls.mean()), (low, float((hits / sizes).mean()), high)

    def f1(self, images: int, truth: float) -> tuple[float, Outcome]:
        """F1 of one class of two that is a third of the images."""
        targets = (self.generator.random(images) < 2 / 3).astype(int)
        right = self.generator.random(images) < truth
        answers = np.where(right, targets, 1 - targets)
        row = per_class_table(np.eye(2)[answers], targets)[0]
        value = 2 * truth / (2 * truth + 2 * (1 - truth) + (1 - truth))
        if row["f1"] is None or row["f1_ci"] is None:
            return value, None
        return value, (row["f1_ci"][0], row["f1"], row["f1_ci"][1])

    def paired(self, images: int, truth: float) -> tuple[float, Outcome]:
        """Accuracy minus that of a start that is wrong on a fifth of what is right now."""
        before, now = self.pair(images, truth, 0.2)
        found = paired_difference(now, before)
        assert found["ci"] is not None
        assert found["difference"] is not None
        value = truth - (truth * 0.8 + (1 - truth) * 0.2)
        return value, (found["ci"][0], found["difference"], found["ci"][1])

    def pair(self, images: int, truth: float, flips: float) -> tuple[np.ndarray, np.ndarray]:
        """Right answers of a start and of a model that differ on a fraction of the images."""
        now = self.generator.random(images) < truth
        flip = self.generator.random(images)
        return np.where(now, flip >= flips, flip < flips), now

    def compared(self, flips: float) -> Callable[[int, float], tuple[float, Outcome]]:
        """The same difference with the interval of `adapt diff`, of models that differ less."""

        def draw(images: int, truth: float) -> tuple[float, Outcome]:
            result = paired_answers(*self.pair(images, truth, flips))
            assert result["ci"] is not None
            assert result["difference"] is not None
            value = truth - (truth * (1 - flips) + (1 - truth) * flips)
            return value, (result["ci"][0], result["difference"], result["ci"][1])

        return draw

    def effective(self, images: int, truth: float) -> tuple[float, Outcome]:
        """Effective robustness, with as many images of the shift as of the test set."""
        line, away = LogitLine(0.9, -0.5, 30, (0.8, 1.0)), 0.8 * truth
        on_id, on_ood = (
            self.generator.random((2, images, 1)) < np.array([truth, away])[:, None, None]
        )
        (value,), ((low, high),) = effective_robustness(line, on_id, on_ood)
        return float(away - expit(0.9 * logit(truth) - 0.5)), (low, float(value), high)

    def draws(self, images: int, truth: float) -> tuple[float, Outcome]:
        """The mean accuracy over as many draws of training images as the column says."""
        values = np.clip(self.generator.normal(truth, 0.2 * (1 - truth), images), 0, 1)
        mean, low, high = band(values.tolist())
        return truth, (low, mean, high)


def chance() -> list[list[str]]:
    """How often an honest model is above what chance is said to give at most, in percent."""
    generator, table = np.random.default_rng(1), []
    for spread in (0.5, 2.0, 4.0):
        row = []
        for images in IMAGES:
            above = 0
            for seed in range(300):
                logits = spread * generator.normal(size=(images, CLASSES))
                steps = np.exp(log_softmax(logits, axis=1)).cumsum(axis=1)
                targets = (generator.random((images, 1)) > steps[:, :-1]).sum(axis=1)
                most = calibration_by_chance(logits, samples=200, seed=seed)["most"]
                above += expected_calibration_error(logits, targets) > most
            row.append(f"{above / 3:.1f}")
        table.append(row)
    return table


def markdown(title: str, rows: list[list[float]] | list[list[str]], names: list[str]) -> str:
    """A table with the numbers of images across."""
    lines = [f"| {title} | " + " | ".join(f"n = {n}" for n in IMAGES) + " |", "|---|" + "---:|" * 4]
    for name, row in zip(names, rows, strict=True):
        cells = [f"{100 * c:.1f}" if isinstance(c, float) else c for c in row]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path)
    out, simulate = parser.parse_args().out, Simulations()
    names = [f"p = {truth:g}" for truth in TRUTHS]
    beyond = [
        f"at n = {n}, p = {truth:g} the nearest are {100 * ends[0]:.1f} and {100 * ends[1]:.1f} %"
        for truth in TRUTHS
        for n in IMAGES
        if (ends := reachable(truth, n)) is not None
    ]
    parts = {
        "balanced": simulated(simulate.balanced, SETS),
        "f1": simulated(simulate.f1, SETS),
        "nll": simulated(simulate.loss(0), SETS),
        "brier": simulated(simulate.loss(1), SETS),
        "effective": simulated(simulate.effective, SETS),
        "paired": simulated(simulate.paired, PAIRED_SETS),
        "draws": simulated(simulate.draws, SETS),
        "compared": simulated(simulate.compared(0.2), SETS),
        "hardly": simulated(simulate.compared(0.02), SETS),
    }
    tables = {name: markdown("true value", rows, names) for name, rows in parts.items()}
    page = (Path(__file__).parent / "intervals.txt").read_text(encoding="utf-8")
    out.write_text(
        page.format(
            wilson=markdown("true value", shipped("wilson"), names),
            clopper_pearson=markdown("true value", shipped("clopper_pearson"), names),
            percentile=markdown("true value", exact(percentile), names),
            beyond="; ".join(beyond),
            chance=markdown("spread of logits", chance(), ["0.5", "2", "4"]),
            **tables,
        ),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
