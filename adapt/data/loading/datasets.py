"""Labelled images as a torch data set, and the two orders in which they are read."""

from collections.abc import Callable, Iterator, Sized
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, DistributedSampler

from adapt.common.seeds import sample_seed
from adapt.data.loading.balance import balanced_order, check_balance
from adapt.data.sources.image_list import ImageList

Transform: TypeAlias = Callable[[Image.Image], Tensor]
SeededTransform: TypeAlias = Callable[[Image.Image, int], Tensor]
Draw: TypeAlias = tuple[int, int] | tuple[int, int, int]
"""Epoch, index and, where classes are balanced, how often the image came before in the epoch;
`FILLING` in its place where the image only fills a batch."""
FILLING = -1


class ImageDataset(Dataset[dict[str, Any]]):
    """Opens, transforms and labels images one by one; can be sent to worker processes.

    Args:
        images: The images.
        class_names: Class keys in the order of the classifier's outputs.
        transform: Called with the image for an index, and with the image and its seed for what
            `TrainSampler` gives.
        seed: Seed of the run.
        at_least: Size that views of (epoch, index) pairs need, so that large JPEGs are decoded
            smaller; see `adapt.data.decoding.open.open_image`. Whole without it.

    Raises:
        DataError: When an image has a class that is not in `class_names`.
    """

    def __init__(
        self,
        images: ImageList,
        class_names: list[str],
        transform: Callable[..., Tensor],
        seed: int = 0,
        at_least: int | None = None,
    ) -> None:
        """Join the labels with the class names; see the class."""
        self.images = images
        self.targets = images.targets(class_names)
        self.transform = transform
        self.seed = seed
        self.at_least = at_least

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, item: int | Draw) -> dict[str, Any]:
        """One sample.

        Args:
            item: Index, or what `TrainSampler` gives.

        Returns:
            `image` (3, size, size) float, `target` int (of several labels 0 or 1 for each class,
            (K,) float32), `index` int, and for what `TrainSampler` gives `counts`: whether the
            image counts in the loss.

        Raises:
            ImageError: When the file cannot be read: a `DataError` that names it.
        """
        if isinstance(item, tuple):
            epoch, index, *turn = item
            image = self.images.open(index, self.at_least)
            view = self.transform(image, sample_seed(self.seed, epoch, index, *map(abs, turn)))
            more = {"counts": turn != [FILLING]}
        else:
            index, more = item, {}
            view = self.transform(self.images.open(index))
        target = self.targets[index]
        number = target if target.ndim else int(target)
        return {"image": view, "target": number, "index": int(index)} | more


class TrainSampler(DistributedSampler[Draw]):
    """A new order in each epoch, as (epoch, index) pairs, shared out among processes.

    Together they see in each step what one process would see. Every process gets equally many, so
    where the count does not divide, the last of some only fill a batch and do not count. A subclass
    of `DistributedSampler`, so that Lightning keeps it and tells the epoch.

    With a balance an epoch is as long, but images of rare classes come several times in it, and
    not all of the frequent ones: see `balance.balanced_order`. What it gives are then
    triples, so that an image that comes again is seen in another view.

    Args:
        data: Something with a length.
        seed: Seed of the orders.
        num_replicas: Number of processes.
        rank: Number of this process.
        balance: `none`, `uniform` or `sqrt`.
        targets: Class number of each image (N,); only a balance needs it.
    """

    def __init__(
        self,
        data: Sized,
        seed: int = 0,
        num_replicas: int = 1,
        rank: int = 0,
        balance: str = "none",
        targets: np.ndarray | None = None,
    ) -> None:
        """See the class."""
        super().__init__(data, num_replicas, rank, shuffle=True, seed=seed)  # type: ignore[arg-type]
        self.balance, self.targets = check_balance(balance), targets
        self.done: tuple[int, int] | None = None
        """Epoch in which training was stopped, and how many draws were done in it."""

    def __iter__(self) -> Iterator[Draw]:
        epoch, done = self.done or (0, 0)
        return islice(self._draws(), done if epoch == self.epoch else 0, None)

    def _draws(self) -> Iterator[Draw]:
        random = np.random.default_rng([self.seed, self.epoch])
        mine = slice(self.rank, None, self.num_replicas)
        images = len(self.dataset)  # type: ignore[arg-type]
        if self.balance == "none" or self.targets is None:
            order = random.permutation(images)
            for index in order[mine].tolist():
                yield self.epoch, index
        else:
            order, turn = balanced_order(self.targets, self.balance, images, random)
            for index, before in zip(order[mine].tolist(), turn[mine].tolist(), strict=True):
                yield self.epoch, index, before
        if len(order[mine]) < self.num_samples:
            yield self.epoch, int(order[0]), FILLING


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
