"""One seed for each sample of each epoch."""

import numpy as np


def sample_seed(seed: int, epoch: int, index: int, turn: int = 0) -> int:
    """A seed that depends on the run, the epoch and the sample, and on nothing else.

    So neither the number of workers nor the place in a batch changes an augmentation.

    Args:
        seed: Seed of the run.
        epoch: Epoch, from 0.
        index: Position of the sample in its data set.
        turn: How often the sample was drawn before in this epoch.

    Returns:
        An integer in [0, 2**32).

    >>> sample_seed(0, 0, 1) == sample_seed(0, 0, 1), sample_seed(0, 0, 1) == sample_seed(0, 1, 0)
    (True, False)
    """
    return int(np.random.SeedSequence([seed, epoch, index, turn]).generate_state(1)[0])
