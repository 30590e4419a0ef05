"""The linear probe and its search, against scikit-learn doing CLIP's search (arXiv:2103.00020)."""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from adapt.methods.features.support import Support
from adapt.methods.heads.linear_probe import TO_CHOOSE, TO_KEEP, LinearProbe
from adapt.training.logistic import Logistic
from bench.speed.harness import Figure, alternate, row

GRID = np.logspace(-6, 6, 97)
ALLOWED = 0.15
"""Points of test accuracy that ours may lie below the opponent's."""
TIMES = 5
Fitted = tuple[float, np.ndarray]
"""C, and scores (M, K) of the test images."""
FEATURES = "features of CLIP ViT-B/32"
OVERLAPPING = "20,000 unit features of width 512 in 100 overlapping classes"


@dataclass(frozen=True)
class Split:
    """Unit features and labels, fixed."""

    train: tuple[np.ndarray, np.ndarray]
    val: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.train[1].max()) + 1

    def accuracy(self, fitted: Fitted) -> float:
        """Of the test images, in per cent."""
        return 100 * float((fitted[1].argmax(1) == self.test[1]).mean())


def held_out(x: np.ndarray, y: np.ndarray, test: tuple[np.ndarray, np.ndarray]) -> Split:
    """A fifth of the training images is val, stratified."""
    a, b, ya, yb = train_test_split(x, y, test_size=0.2, stratify=y, random_state=0)
    return Split((a, ya), (b, yb), test)


def stored(name: str) -> Split:
    """A set of the benchmark data."""
    path = Path(os.environ["ADAPT_BENCH_DATA"]) / "clip_vitb32_features" / f"{name}.npz"
    with np.load(path) as data:
        parts = {
            (part, kind): data[next(k for k in data.files if k[:2] == part and k[-2:] == kind)]
            for part in ("tr", "te")
            for kind in ("_x", "_y")
        }
    x, test = (unit(parts[part, "_x"].astype(np.float32)) for part in ("tr", "te"))
    y, truth = (parts[part, "_y"].astype(np.int64) for part in ("tr", "te"))
    return held_out(x, y, (test, truth))


def overlapping(train: int = 20_000, test: int = 5_000, width: int = 512) -> Split:
    """Unit features around 100 random directions, far enough apart for about nine in ten."""
    random = np.random.default_rng(0)
    centres = unit(random.normal(size=(100, width)))
    y = random.integers(0, 100, train + test)
    noise = random.normal(size=(train + test, width)) * (6 / width**0.5)
    x = unit(centres[y] + noise).astype(np.float32)
    return held_out(x[:train], y[:train], (x[train:], y[train:]))


def unit(features: np.ndarray) -> np.ndarray:
    """Each row divided by its length."""
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def clip_search(score: Callable[[float], float]) -> float:
    """CLIP's: seven values from 1e-6 to 1e6, then the best one's neighbours, steps halving.

    The last step is an eighth of a decade; of equal values the smallest is taken.
    """
    known: dict[int, float] = {}

    def best(points: list[int]) -> int:
        for point in points:
            if point not in known:
                known[point] = score(float(GRID[point]))
        return max(points, key=lambda point: (known[point], -point))

    centre, step = best(list(range(0, 97, 16))), 8
    while step:
        near = [p for p in (centre - step, centre, centre + step) if 0 <= p < len(GRID)]
        centre, step = best(near), step // 2
    return float(GRID[centre])


def theirs(split: Split) -> Fitted:
    """scikit-learn, and the model of the best C on val."""
    models: dict[float, LogisticRegression] = {}

    def score(strength: float) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            models[strength] = LogisticRegression(C=strength, max_iter=1000).fit(*split.train)
        return float(models[strength].score(*split.val))

    chosen = clip_search(score)
    return chosen, models[chosen].decision_function(split.test[0])


def same_search(split: Split) -> Fitted:
    """Our fits in the same search; the kept one is fitted again, to the accuracy of every head."""
    problem = Logistic(*split.train, split.classes)
    x, y = split.val

    def score(strength: float) -> float:
        weight, bias = problem.fit(strength, TO_CHOOSE)
        return float(((x @ weight.T + bias).argmax(1) == y).mean())

    chosen = clip_search(score)
    weight, bias = problem.fit(chosen, TO_KEEP)
    return chosen, split.test[0] @ weight.T + bias


def own_search(split: Split) -> Fitted:
    """The method as it is, started from zero: its own search and the head."""
    (x, y), val = (tuple(map(torch.from_numpy, part)) for part in (split.train, split.val))
    zeros = torch.zeros(split.classes, x.shape[1])
    head = LinearProbe(initialisation="zero").head(Support(x[None], y, zeros, val))
    with torch.no_grad():
        return float("nan"), head(torch.from_numpy(split.test[0])).numpy()


def compare(ours: Callable[[Split], Fitted], split: Split, times: int = TIMES) -> Figure:
    """Ours and scikit-learn in turn; ours must be as accurate."""
    figure, mine, other = alternate(
        lambda: ours(split), lambda: theirs(split), times, warm_up=times == TIMES
    )
    own, reference = split.accuracy(mine), split.accuracy(other)
    assert own >= reference - ALLOWED, (own, reference)
    figure.checks["test accuracy"] = f"{own:.2f} %, scikit-learn {reference:.2f} %"
    figure.note = "scikit-learn: LogisticRegression(C, max_iter=1000), CLIP's search over 97 values"
    return figure


def _enter(name: str, limit: float, what: str, load: Callable[[], Split], times: int) -> None:
    opponent = "scikit-learn, CLIP's search"

    @row(f"probe_{name}", f"linear probe, {what}, CLIP's search", opponent, limit)
    def same() -> Figure:
        return compare(same_search, load(), times)

    @row(f"probe_{name}_own", f"linear probe, {what}, own search", opponent, limit)
    def own() -> Figure:
        return compare(own_search, load(), times)


_enter("caltech", 10, f"Caltech-101, {FEATURES}", lambda: stored("caltech101"), 2)
_enter("pets", 10, f"Oxford Pets, {FEATURES}", lambda: stored("oxford_pets"), TIMES)
_enter("dtd", 10, f"DTD, {FEATURES}", lambda: stored("dtd"), TIMES)
_enter("overlapping", 5, OVERLAPPING, overlapping, 1)
