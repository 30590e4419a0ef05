"""Seeds of samples are pinned and differ."""

import numpy as np

from adapt.common.seeds import sample_seed


def test_seeds_of_turns() -> None:
    old = int(np.random.SeedSequence([7, 3, 11]).generate_state(1)[0])
    assert sample_seed(7, 3, 11) == sample_seed(7, 3, 11, 0) == old
    assert len({sample_seed(7, 3, 11, turn) for turn in range(50)}) == 50
