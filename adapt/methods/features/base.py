"""What the methods share that work on cached features: they see a `Support` and make a head."""

from typing import Protocol, cast

import torch
from torch import nn

from adapt.data.image_data import ImageData
from adapt.data.sources.image_list import ImageList
from adapt.methods.features.support import Support
from adapt.models.cache_head import CacheHead
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.features.encode import image_features, prepare
from adapt.training.features.views import view_features
from adapt.training.parameters import trainable_copy


class FeatureMethod(Protocol):
    """A method that fits a head on features and leaves the encoders as they are."""

    views: int
    """Augmented views of each support image; 1 is the evaluation view alone."""

    def head(self, support: Support) -> nn.Linear | CacheHead:
        """Fit; pure, and the same for the same support and seed."""
        ...


def as_feature_method(method: object) -> FeatureMethod | None:
    """The method, if it is one that fits a head on features; else None."""
    return cast(FeatureMethod, method) if hasattr(method, "head") else None


def head_only(start: Classifier) -> Classifier:
    """A copy of the start in which the head alone trains: `prepare` of these methods."""
    return trainable_copy(start, lambda name: False, train_head=True)


def read_support(start: Classifier, data: ImageData, context: Context, views: int = 1) -> Support:
    """Features of the training and validation images under the start's image encoder.

    Args:
        start: Whose encoder, preprocessing and zero-shot head are used.
        data: Training images become the support set.
        context: Augmentation of the views, device, seed.
        views: See `FeatureMethod.views`.
    """
    names, backbone, runtime = start.class_names, start.backbone, context.runtime

    def one_view(images: ImageList) -> torch.Tensor:
        pixels = prepare(images, backbone.preprocessing, runtime)
        return image_features(backbone, pixels, runtime, context.cache)

    if views > 1 and context.augmentation != "none":
        features = view_features(backbone, data.train, views, context)
    else:
        features = one_view(data.train)[None]
    val = None
    if data.val is not None:
        val = one_view(data.val), torch.from_numpy(data.val.targets(names))
    zero_shot = start.head.weight.detach().float().cpu()
    targets = torch.from_numpy(data.train.targets(names))
    return Support(features, targets, zero_shot, val, context.seed, tuple(names), context.balance)


def fit_head(
    method: FeatureMethod, start: Classifier, data: ImageData, context: Context | None
) -> Classifier:
    """The start with the head that a method fits: `fit` of these methods."""
    support = read_support(start, data, context or Context(), method.views)
    return start.with_learned_head(method.head(support))
