"""Views: each as training would draw it, kept by all that they depend on."""

from dataclasses import replace
from pathlib import Path

import torch
from torch.nn import functional

from adapt.data.augmentation.pipeline import Augmentation
from adapt.data.image_data import ImageData
from adapt.data.loading.datasets import ImageDataset
from adapt.models.adapters.projection import without_projection
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.features.store import FeatureStore
from adapt.training.features.views import kept_views, view_features


def test_each_view_is_what_an_epoch_of_training_would_see(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    images, own = toy_data.train.subset([0, 9, 17]), replace(context, augmentation="clip", seed=4)
    found = view_features(start.backbone, images, 2, own)
    augment = Augmentation("clip", start.backbone.preprocessing)
    dataset = ImageDataset(images, images.class_names, augment, 4)
    for view in range(2):
        pixels = torch.stack([dataset[view, index]["image"] for index in range(3)])
        with torch.no_grad():
            expected = functional.normalize(start.backbone.image_encoder(pixels), dim=-1)
        torch.testing.assert_close(found[view], expected, atol=1e-5, rtol=0)


def test_views_are_kept_by_seed_and_augmentation(
    start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    images, own = toy_data.train.subset([0, 9]), replace(context, augmentation="clip")
    cached = replace(own, store=FeatureStore(tmp_path))
    first = view_features(start.backbone, images, 2, cached)
    assert len(list(tmp_path.iterdir())) == 1
    assert torch.equal(view_features(start.backbone, images, 2, cached), first)
    assert torch.equal(view_features(start.backbone, images, 2, own), first)
    for other in (replace(cached, seed=9), replace(cached, augmentation="none")):
        view_features(start.backbone, images, 2, other)
    view_features(start.backbone, images, 3, cached)
    assert len(list(tmp_path.iterdir())) == 4


def test_views_of_a_part_of_an_encoder_are_kept_by_its_weights(
    start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    """A projection that trains is no part of the key; what lies before it is."""
    images = toy_data.train.subset([0, 9])
    cached = replace(context, augmentation="clip", store=FeatureStore(tmp_path))

    def pooled(model: Classifier) -> torch.Tensor:
        part = without_projection(model.backbone.image_encoder)
        return kept_views(part, model.backbone, images, 2, cached)

    first, moved = pooled(start), start.clone()
    with torch.no_grad():
        moved.backbone.model.visual.proj.add_(1.0)
    assert torch.equal(pooled(moved), first)
    assert len(list(tmp_path.iterdir())) == 1
    projected = first @ start.backbone.model.visual.proj
    whole = view_features(start.backbone, images, 2, cached)
    torch.testing.assert_close(functional.normalize(projected, dim=-1), whole)
    with torch.no_grad():
        moved.backbone.model.visual.ln_post.weight.mul_(2.0)
    torch.testing.assert_close(pooled(moved), 2 * first)
