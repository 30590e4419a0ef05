"""Merges of task vectors: what is left alone, and where a variance stops."""

import torch

from adapt.ensembling.weights.task_vectors import MergedVectors


def test_a_variance_stops_at_zero_and_unchanged_tensors_are_the_starts() -> None:
    start = {"bn.running_var": torch.tensor([0.1]), "w": torch.ones(2)}
    merged = MergedVectors(start, [start, start], lambda name, vectors: vectors[0] - 1)
    assert torch.equal(merged["bn.running_var"], start["bn.running_var"])
    moved = {"bn.running_var": torch.tensor([0.2]), "w": torch.ones(2)}
    merged = MergedVectors(start, [moved, start], lambda name, vectors: vectors[0] - 1)
    assert float(merged["bn.running_var"]) == 0.0
    assert torch.equal(merged["w"], start["w"])
