"""The whole graph, traced with free batch, height and width."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.export import Dim

from adapt.export.graph.whole import WholeGraph

MOST_IMAGES, LONGEST = 65_536, 65_536
"""Bounds of the free sizes."""


def example(graph: WholeGraph) -> torch.Tensor:
    """Images to trace with: no two sizes are equal, so that none is taken for another."""
    size = graph.preprocessing.size
    return torch.zeros(2, size + 3, size + 7, 3, dtype=torch.uint8)


def free_sizes() -> tuple[dict[int, Any], ...]:
    """What may be of any length: batch, height and width."""
    batch, height, width = (
        Dim("batch", max=MOST_IMAGES),
        Dim("height", max=LONGEST),
        Dim("width", max=LONGEST),
    )
    return ({0: batch, 1: height, 2: width},)


@contextmanager
def quiet_tracing() -> Iterator[None]:
    """Without what the exporters tell their own developers."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        yield
