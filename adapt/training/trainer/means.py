"""Means over the images of an epoch, for the log."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor


class Means:
    """Adds up on the device what steps say, so that no step waits for a number.

    What `add` gets counts once `keep` is called; `drop` forgets it.

    >>> means = Means()
    >>> means.add({"loss": torch.tensor(6.0)}, 3)
    >>> means.keep()
    >>> means.add({"loss": torch.tensor(torch.nan)}, 3)
    >>> means.drop(), means.take()
    (False, {'loss': 2.0})
    """

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.images = 0
        self.pending: list[tuple[Mapping[str, Tensor], int]] = []

    def add(self, sums: Mapping[str, Tensor], images: int) -> None:
        """Sums over some images, each a number without a graph."""
        self.pending.append((sums, images))

    def keep(self) -> None:
        """Count what was added since the last call."""
        for sums, images in self.pending:
            for name, value in sums.items():
                value = value.float()
                before = self.sums.get(name)
                self.sums[name] = value if before is None else before.to(value.device) + value
            self.images += images
        self.pending.clear()

    def drop(self) -> bool:
        """Forget what was added since the last call; returns whether all of it was finite."""
        values = [value for sums, _ in self.pending for value in sums.values()]
        self.pending.clear()
        return all(bool(torch.isfinite(value)) for value in values)

    def state_dict(self) -> dict[str, Any]:
        """What was kept, for a checkpoint."""
        return {"sums": dict(self.sums), "images": self.images}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Add what a checkpoint holds."""
        self.add(state["sums"], state["images"])
        self.keep()

    def take(
        self, over_devices: Callable[[Tensor], Tensor] = lambda sums: sums
    ) -> dict[str, float]:
        """The means of what was kept, and a new beginning; empty without images.

        Args:
            over_devices: From the sums of this device to those of all.
        """
        if not self.sums:
            return {}
        names, images = list(self.sums), torch.tensor(float(self.images))
        values = [self.sums[name] for name in names]
        *totals, count = over_devices(torch.stack([*values, images.to(values[0].device)])).tolist()
        self.sums, self.images = {}, 0
        if not count:
            return {}
        return {name: total / count for name, total in zip(names, totals, strict=True)}
