"""Small models to merge."""

import numpy as np
import torch
from torch import Tensor

State = dict[str, Tensor]


def states(seed: int, count: int) -> tuple[State, list[State]]:
    """A start with a counter, and models whose changes are small and large."""
    random = np.random.default_rng(seed)

    def one(size: float) -> State:
        return {
            "b": torch.from_numpy(size * random.normal(size=7)).float(),
            "a.weight": torch.from_numpy(size * random.normal(size=(4, 5))).float(),
        }

    start = one(1.0)
    tuned = [
        {name: start[name] + change for name, change in one(0.3).items()} for _ in range(count)
    ]
    counter = {"seen": torch.tensor(3)}
    return start | counter, [model | {"seen": torch.tensor(5)} for model in tuned]


def flat(state: State) -> np.ndarray:
    """All floating-point numbers in the order of their names."""
    return np.concatenate([state[name].reshape(-1).numpy() for name in ("a.weight", "b")])
