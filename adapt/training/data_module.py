"""Labelled images for any `pl.Trainer`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from adapt.common.progress import write_line
from adapt.data.augmentation.pipeline import Augmentation
from adapt.data.augmentation.policies import AugmentationLike
from adapt.data.decoding.preprocessing import Preprocessing
from adapt.data.loading.balance import check_balance
from adapt.data.loading.datasets import EvalSampler, ImageDataset, TrainSampler
from adapt.data.loading.workers import patience, start_worker, workers_that_fit
from adapt.data.sources.image_list import ImageList
from adapt.errors import RecipeError
from adapt.training.processes.batches import collated
from adapt.training.runtime import count_workers

Loader = DataLoader[dict[str, Any]]


class _Unnormalised:
    """A transform that ends before normalising; can be sent to worker processes."""

    def __init__(self, views: Augmentation | Preprocessing) -> None:
        self.views = views

    def __call__(self, image: Image.Image, *seed: int) -> Tensor:
        return torch.from_numpy(self.views.pixels(image, *seed))


class ImageDataModule(pl.LightningDataModule):
    """Batches `{"image": (B, 3, S, S), "target": (B,), "index": (B,)}` for train and validation.

    Images leave the loading processes as uint8 (B, S, S, 3), a quarter of the bytes, and are
    normalised on the device of the trainer: on a CPU to the same bits as by the preprocessing.

    The batches depend on the seed and the epoch alone: not on the number of workers, the global
    random state, or what was drawn before. Works in a plain `pl.Trainer`, on several devices too. A
    checkpoint from the middle of an epoch goes on with the images that were left.

    Args:
        train: Images to train on.
        val: Images to validate on, or None.
        class_names: Class keys in the order of the classifier's outputs.
        preprocessing: The model's evaluation transform.
        augmentation: Training views: a policy's name or a list of steps; see `Augmentation`.
        batch_size: Images in one batch of one process; fewer images make a smaller batch.
        workers: Loading processes of each device, or `auto`.
        seed: Seed of order and views.

    Raises:
        DataError: When an image has a class that is not in `class_names`.
        RecipeError: When a setting is out of range.
        RunError: While loading, when shared memory is too small for the `workers` asked for; for
            `auto` there are fewer then, which `tell` is called with.
    """

    def __init__(
        self,
        train: ImageList,
        val: ImageList | None,
        class_names: list[str],
        preprocessing: Preprocessing,
        augmentation: AugmentationLike = "clip",
        batch_size: int = 64,
        workers: int | str = "auto",
        seed: int = 0,
    ) -> None:
        """Check everything that can be checked without opening an image; see the class."""
        super().__init__()
        if batch_size < 1:
            raise RecipeError(f"batch_size - out of range - {batch_size!r} - give 1 or more")
        count_workers(workers, 0)
        self.class_names = list(class_names)
        self.batch_size = batch_size
        self.workers = workers
        self.seed = seed
        self.balance = "none"
        self.drawn_by: np.ndarray | None = None
        self.done: tuple[int, int] | None = None
        self.tell: Callable[[str], None] = write_line
        self.told: list[str] = []
        views = Augmentation(augmentation, preprocessing)
        at_least = None if augmentation == "none" else preprocessing.size
        self.train_set = ImageDataset(train, self.class_names, _Unnormalised(views), seed, at_least)
        self.preprocessing = preprocessing
        self.val_set: ImageDataset | None = None
        self.test_set: ImageDataset | None = None
        if val is not None:
            self.val_set = ImageDataset(val, self.class_names, _Unnormalised(preprocessing))

    def balanced(self, balance: str, groups: np.ndarray | None = None) -> "ImageDataModule":
        """Draw the classes of the training images evenly; returns itself.

        Args:
            balance: `uniform` (each class equally often), `sqrt` (by the root of its images) or
                `none`. An epoch stays as long as it is.
            groups: Numbers (N,) that are drawn evenly in place of the classes.

        Raises:
            RecipeError: When it is none of these.
        """
        self.balance, self.drawn_by = check_balance(balance), groups
        return self

    def testing(self, images: ImageList) -> "ImageDataModule":
        """Give images for `trainer.test` and `trainer.predict`; returns itself.

        Raises:
            DataError: When an image has a class that is not in `class_names`.
        """
        self.test_set = ImageDataset(images, self.class_names, _Unnormalised(self.preprocessing))
        return self

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Normalise images that came as uint8; a trainer calls it."""
        if batch["image"].dtype != torch.uint8:
            return batch
        return batch | {"image": self.preprocessing.normalise_batch(batch["image"])}

    def train_dataloader(self) -> Loader:
        """Shuffled, augmented batches; the last one may be smaller."""
        processes, rank = self._process()
        data = self.train_set
        drawn_by = data.targets if self.drawn_by is None else self.drawn_by
        sampler = TrainSampler(data, self.seed, processes, rank, self.balance, drawn_by)
        if self.done is not None:
            epoch, draws = sampler.done = self.done
            # Lightning tells the epoch only after the loading processes have begun to read.
            sampler.set_epoch(epoch + (draws >= len(sampler)))
        return self._loader(data, sampler)

    def val_dataloader(self) -> Loader | list[Loader]:
        """Batches in order, each image once; an empty list without validation images."""
        return self._in_order(self.val_set)

    def test_dataloader(self) -> Loader | list[Loader]:
        """Batches in order, each image once; an empty list without `testing`."""
        return self._in_order(self.test_set)

    def predict_dataloader(self) -> Loader | list[Loader]:
        """The batches of `test_dataloader`."""
        return self._in_order(self.test_set)

    def _in_order(self, data: ImageDataset | None) -> Loader | list[Loader]:
        if data is None:
            return []
        processes, rank = self._process()
        if len(data) < processes:  # every process looks at all: means stay what they are
            processes, rank = 1, 0
        return self._loader(data, EvalSampler(data, processes, rank))

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint: the epoch, and the draws of this process that are done in it."""
        if self.trainer is None:
            return {}
        progress: Any = self.trainer.fit_loop.epoch_loop.batch_progress.current
        draws = progress.processed * min(self.batch_size, len(self.train_set))
        return {"epoch": self.trainer.current_epoch, "draws": draws}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From a checkpoint: the next epoch begins where that one was left."""
        if state_dict:
            self.done = int(state_dict["epoch"]), int(state_dict["draws"])

    def _process(self) -> tuple[int, int]:
        if self.trainer is None:
            return 1, 0
        return self.trainer.world_size, self.trainer.global_rank

    def _loader(self, data: ImageDataset, sampler: Sampler[Any]) -> Loader:
        sharing = 1 if self.trainer is None else self.trainer.num_devices
        images = min(self.batch_size, len(data))
        workers = self._fitting(count_workers(self.workers, len(data), sharing), images)
        return DataLoader(
            data,
            batch_size=images,
            sampler=sampler,
            num_workers=workers,
            timeout=patience(workers),
            persistent_workers=workers > 0,
            collate_fn=collated,
            worker_init_fn=start_worker,
            pin_memory=torch.cuda.is_available(),
            # Without its own generator a loader would draw from the global random state.
            generator=torch.Generator().manual_seed(self.seed),
        )

    def _fitting(self, workers: int, images: int) -> int:
        """Of the loading processes, those that shared memory suffices for."""
        batch = images * 3 * self.preprocessing.size**2
        return workers_that_fit(workers, batch, str(self.workers) != "auto", self._tell_once)

    def _tell_once(self, sentence: str) -> None:
        if sentence not in self.told:
            self.told.append(sentence)
            self.tell(sentence)
