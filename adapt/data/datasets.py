"""Labelled images as a torch data set, and the two orders in which they are read."""

from collections.abc import Callable, Iterator, Sized
from typing import Any, TypeAlias

import numpy as np
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, DistributedSampler

from adapt.data.seeds import sample_seed
from adapt.data.sources import Images

Transform: TypeAlias = Callable[[Image.Image], Tensor]
SeededTransform: TypeAlias = Callable[[Image.Image, int], Tensor]


class ImageDataset(Dataset[dict[str, Any]]):
    """Opens, transforms and labels images one by one; can be sent to worker processes.

    Args:
        images: The images.
        class_names: Class keys in the order of the classifier's outputs.
        transform: Called with the image for an index, and with the image and its seed for an
            (epoch, index) pair, as `TrainSampler` gives them.
        seed: Seed of the run.

    Raises:
        DataError: When an image has a class that is not in `class_names`.
    """

    def __init__(
        self,
        images: Images,
        class_names: list[str],
        transform: Callable[..., Tensor],
        seed: int = 0,
    ) -> None:
        """Join the labels with the class names; see the class."""
        self.images = images
        self.targets = images.targets(class_names)
        self.transform = transform
        self.seed = seed

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, item: int | tuple[int, int]) -> dict[str, Any]:
        """One sample.

        Args:
            item: Index, or epoch and index.

        Returns:
            `image` (3, size, size) float, `target` int, `index` int.

        Raises:
            ImageError: When the file cannot be read: a `DataError` that names it.
        """
        if isinstance(item, tuple):
            epoch, index = item
            image = self.images.open(index)
            view = self.transform(image, sample_seed(self.seed, epoch, index))
        else:
            index = item
            view = self.transform(self.images.open(index))
        return {"image": view, "target": int(self.targets[index]), "index": int(index)}


class TrainSampler(DistributedSampler[tuple[int, int]]):
    """A new order in each epoch, as (epoch, index) pairs, shared out among processes.

    Every process gets equally many, so the first few of the order come twice where the count does
    not divide. A subclass of `DistributedSampler`, so that Lightning keeps it and tells the epoch.

    Args:
        data: Something with a length.
        seed: Seed of the orders.
        num_replicas: Number of processes.
        rank: Number of this process.

    >>> sampler = TrainSampler(range(3), seed=0)
    >>> sampler.set_epoch(5)
    >>> sorted(sampler)
    [(5, 0), (5, 1), (5, 2)]
    """

    def __init__(self, data: Sized, seed: int = 0, num_replicas: int = 1, rank: int = 0) -> None:
        """See the class."""
        super().__init__(data, num_replicas, rank, shuffle=True, seed=seed)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(
            len(self.dataset)  # type: ignore[arg-type]
        )
        padded = np.resize(order, self.total_size)
        for index in padded[self.rank :: self.num_replicas].tolist():
            yield self.epoch, index


class EvalSampler(DistributedSampler[int]):
    """Indices in order, shared out among processes, each exactly once: metrics stay exact.

    Args:
        data: Something with a length.
        num_replicas: Number of processes.
        rank: Number of this process.

    >>> list(EvalSampler(range(5), num_replicas=2, rank=1)), len(EvalSampler(range(5), 2, 1))
    ([1, 3], 2)
    """

    def __init__(self, data: Sized, num_replicas: int = 1, rank: int = 0) -> None:
        """See the class."""
        super().__init__(data, num_replicas, rank, shuffle=False)  # type: ignore[arg-type]
        self.order = range(len(data))[rank::num_replicas]

    def __iter__(self) -> Iterator[int]:
        return iter(self.order)

    def __len__(self) -> int:
        return len(self.order)
