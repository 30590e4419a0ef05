"""The batch of a step, of which each process has every N-th image."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adapt.training.processes.batches import collated, counted, gathered, mixed, own_rows


@given(st.integers(0, 40), st.integers(1, 7))
def test_rows_are_dealt_like_cards(images: int, processes: int) -> None:
    order = list(range(images))
    hands = [order[rank::processes] for rank in range(processes)]
    sizes = list(map(len, hands))
    assert [own_rows(sizes, rank) for rank in range(processes)] == hands


def test_what_only_fills_a_batch_is_left_out() -> None:
    samples = [
        {"image": torch.full((1,), float(n)), "target": n, "index": n, "counts": n != 2}
        for n in range(3)
    ]
    batch = collated(samples)
    assert batch["target"].tolist() == [0, 1]
    assert set(batch) == {"image", "target", "index"}
    assert counted(batch) == 2
    alone = collated(samples[2:])
    assert alone["target"].tolist() == [2]
    assert counted(alone) == 0
    plain = collated([{"image": torch.zeros(1), "target": 1, "index": 4}])
    assert counted(plain) == 1


def test_one_process_has_all_rows() -> None:
    values = torch.arange(6.0).reshape(3, 2)
    every, rows = gathered(values)
    assert every is values
    assert rows.tolist() == [0, 1, 2]


def test_mixing_in_one_process_keeps_the_mass_of_the_labels() -> None:
    batch = {"image": torch.rand(4, 3, 8, 8), "target": torch.tensor([0, 1, 2, 0])}
    result = mixed(batch, 0.4, 0.0, 3, (0, 1, 2))
    assert result["target"].sum(1).tolist() == pytest.approx([1.0] * 4)
    # A mean over the batch is what it was: each image gives away what another one takes.
    torch.testing.assert_close(result["image"].mean(0), batch["image"].mean(0))
    again = mixed(batch, 0.4, 0.0, 3, (0, 1, 2))
    assert torch.equal(result["image"], again["image"])
