"""What methods on cached features share: they see a `Support` and make a head."""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import ClassVar

import torch
from torch import nn

from adapt.common.ranges import Ranges, at_least, ranges_of
from adapt.data.image_data import ImageData
from adapt.data.loading.groups import Groups, values_of
from adapt.data.sources.image_list import ImageList
from adapt.methods.features.support import Support
from adapt.models.cache_head import CacheHead
from adapt.models.classifier import Classifier
from adapt.models.heads import linear_head
from adapt.models.penultimate import PROJECTED
from adapt.training.context import Context
from adapt.training.features.pixels import prepare
from adapt.training.features.store import store_of
from adapt.training.features.views import view_features
from adapt.training.parameters import trainable_copy


class HeadMethod(ABC):
    """A method that fits a head on features and leaves the encoders as they are.

    A subclass is a dataclass of settings with a `head`. Settings that are not in `ranges` are
    refused with a `ValueError` that names each.
    """

    ranges: ClassVar[Ranges] = Ranges(views=at_least(1, most=10_000))
    """What its settings may be; a subclass adds to them."""
    fits_bias: ClassVar[bool] = True
    """Whether the head has a bias that is fitted."""
    composed: ClassVar[bool] = False
    """Whether it is made of other feature-space methods."""
    features: str = PROJECTED
    """What the head sees of an image; few methods may choose."""
    views: int = 1
    """Augmented views of each support image; 1 is the evaluation view alone."""
    by_groups: ClassVar[bool] = False
    """Whether it has a setting `groups`, a column of the training images: then the support has
    attributes."""

    def __post_init__(self) -> None:
        ranges_of(type(self)).check(self)

    def prepare(self, start: Classifier) -> Classifier:
        """A copy of the start in which the head trains, or its matrix alone without a bias."""
        copy = trainable_copy(self.encoded(start), lambda name: False, train_head=True)
        copy.head.bias.requires_grad_(self.fits_bias)
        return copy

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        """Put the head, fitted on features of the training images, on a copy of the start."""
        start = self.encoded(start)
        context = context or Context()
        support = read_support(start, data, context, self.views)
        if self.by_groups:
            support = with_attributes(support, data, str(vars(self)["groups"]), context)
        return start.with_learned_head(self.head(support))

    def encoded(self, start: Classifier) -> Classifier:
        """The start as this method sees images: with a head of zeros where zero-shot has none.

        Raises:
            ModelError: When the image encoder has no such features.
        """
        if self.features == start.backbone.features:
            return start
        backbone, names = start.backbone.with_features(self.features), start.class_names
        head = linear_head(torch.zeros(len(names), backbone.width, device=start.device))
        return Classifier(backbone, head, names, start.prompts, False, start.temperature).eval()

    @abstractmethod
    def head(self, support: Support) -> nn.Linear | CacheHead:
        """Fit; pure, and the same for the same support and seed."""


def read_support(start: Classifier, data: ImageData, context: Context, views: int = 1) -> Support:
    """Features of the training and validation images under the start's image encoder.

    Args:
        start: Whose encoder, preprocessing and zero-shot head are used.
        data: Training images become the support set.
        context: Augmentation of the views, device, seed.
        views: See `HeadMethod.views`.
    """
    names, backbone, runtime = start.class_names, start.backbone, context.runtime

    def one_view(images: ImageList) -> torch.Tensor:
        pixels = prepare(images, backbone.preprocessing, runtime)
        return store_of(context).features(backbone, pixels, runtime)

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


def with_attributes(support: Support, data: ImageData, column: str, context: Context) -> Support:
    """The same support set, with what a column says of its images.

    Args:
        support: Of the data.
        data: Training images, and validation images.
        column: Its name; an empty one says the same of all, so that groups are the classes.
        context: Is told how many groups there are.

    Raises:
        DataError: When there is no such column.
        RecipeError: When images have several labels.
    """
    own, known = values_of(data.train, column)
    context.tell(Groups.of(data.train, column, support.class_names).sentence())
    held = None if data.val is None else torch.from_numpy(values_of(data.val, column, known)[0])
    return replace(support, attributes=torch.from_numpy(own), val_attributes=held)
