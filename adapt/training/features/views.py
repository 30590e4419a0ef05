"""Features of augmented views of a few images: computed once, kept by content."""

import hashlib
import json

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from adapt.common.content import content_hashes
from adapt.common.progress import track
from adapt.data.augmentation.pipeline import Augmentation
from adapt.data.loading.datasets import ImageDataset
from adapt.data.loading.workers import (
    patience,
    start_worker,
    watched_workers,
    workers_that_fit,
)
from adapt.data.sources.image_list import ImageList
from adapt.models.backbones import Backbone
from adapt.models.bundle.tensors import weights_hash
from adapt.training.context import Context
from adapt.training.features.store import decoder_version, store_of
from adapt.training.runtime import (
    count_workers,
    inference_device,
    placed_on,
    short_sequence_attention,
)
from adapt.training.settings import Runtime


def view_features(backbone: Backbone, images: ImageList, views: int, context: Context) -> Tensor:
    """Unit features (V, N, D) of augmented views of each image, in float32 on the CPU.

    Args:
        backbone: Whose image encoder is used.
        images: The images.
        views: Number of views V of each.
        context: Augmentation, seed of the views, device. In its store they are kept under a hash
            of the images' bytes, the preprocessing, the weights, the augmentation and the seed.
    """
    raw = kept_views(backbone.image_encoder, backbone, images, views, context)
    return F.normalize(raw, dim=-1)


def kept_views(
    encoder: nn.Module, backbone: Backbone, images: ImageList, views: int, context: Context
) -> Tensor:
    """What a part of a backbone's image encoder makes of the views, (V, N, W); see `view_features`.

    Args:
        encoder: The image encoder, or the part of it that is left where its end trains: what it
            makes of the views is the same in every run with these weights.
        backbone: Whose preprocessing holds.
        images: The images.
        views: Number of views V of each.
        context: Augmentation, seed of the views, device, store.
    """
    augment = Augmentation(context.augmentation, backbone.preprocessing)
    dataset = ImageDataset(images, images.class_names, augment, context.seed)
    parts = {
        "images": content_hashes(images.paths),
        "shift": str(images.shift),
        "preprocessing": backbone.preprocessing.to_dict(),
        "weights": weights_hash(encoder.state_dict()),
        "activation": backbone.spec.config.get("quick_gelu", False),
        "augmentation": str(context.augmentation),
        "views": [views, context.seed],
        "decoders": decoder_version(),
    }
    name = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return store_of(context).kept(
        name, lambda: encode_views(encoder, dataset, views, context.runtime)
    )


def encode_views(encoder: nn.Module, dataset: ImageDataset, views: int, runtime: Runtime) -> Tensor:
    """What an encoder makes of each view of each image, (V, N, W) in float32 on the CPU.

    Args:
        encoder: An image encoder, or a part of one.
        dataset: The images and their augmentation; a view is drawn as an epoch of training would.
        views: Number of views V.
        runtime: Device, workers and batch size.
    """
    device = inference_device(runtime)
    encoder.eval()
    count, view = views * len(dataset), dataset[0, 0]["image"]
    workers = workers_that_fit(
        count_workers(runtime.workers, count),
        min(runtime.images, count) * view.nbytes,
        chosen=runtime.workers != "auto",
    )
    loader = DataLoader(
        dataset,
        batch_size=runtime.images,
        sampler=[(view, index) for view in range(views) for index in range(len(dataset))],
        num_workers=workers,
        timeout=patience(workers),
        worker_init_fn=start_worker,
        # Without its own generator a loader would draw from the global random state.
        generator=torch.Generator().manual_seed(0),
    )
    attention = short_sequence_attention(device)
    with placed_on(encoder, device), torch.no_grad(), attention, watched_workers():
        batches = track(loader, "encoding views")
        parts = [encoder(batch["image"].to(device)).float().cpu() for batch in batches]
    return torch.stack(torch.cat(parts).chunk(views))
