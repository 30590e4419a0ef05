"""The support set of a feature-space method: features, classes, and what zero-shot says."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from adapt.errors import DataError


@dataclass(frozen=True)
class Support:
    """All that a feature-space method sees. Features are unit length, float32, on the CPU.

    Raises:
        DataError: When shapes do not fit, a number is not finite, a class number is out of range
            or the features are not of unit length.
    """

    views: Tensor
    """Features (V, N, D) of V views of N support images; V is 1 without augmentation."""
    targets: Tensor
    """Class numbers (N,), int64; of several labels 0 or 1 for each class (N, K), float32."""
    zero_shot: Tensor
    """Zero-shot head (K, D): unit text directions times exp(logit scale)."""
    val: tuple[Tensor, Tensor] | None = None
    """Features (M, D) and class numbers (M,) of validation images, where there are any."""
    seed: int = 0
    """Seed of what a method draws at random."""
    class_names: tuple[str, ...] = ()
    """Of the K classes, for settings by name; their numbers where there are none."""
    balance: str = "none"
    """What `Context.balance` says, for the methods that use class balancing."""
    attributes: Tensor | None = None
    """Number of each image's value in the column that makes groups, (N,), where there is one."""
    val_attributes: Tensor | None = None
    """The same of the validation images, (M,), with the same numbers."""

    def __post_init__(self) -> None:
        held = [self.val] if self.val is not None else []
        for features, targets in [(self.views.flatten(0, 1), self.targets), *held]:
            self._check(features, targets, len(self.views) if targets is self.targets else 1)
        for name, values, images in (
            ("attributes", self.attributes, len(self.targets)),
            ("val_attributes", self.val_attributes, len(self.val[1]) if self.val else 0),
        ):
            if values is not None and values.shape != (images,):
                given = f"{tuple(values.shape)} for {images} images"
                raise DataError(f"support - wrong number of {name} - {given} - give one each")

    def _check(self, features: Tensor, targets: Tensor, views: int) -> None:
        classes, width = self.zero_shot.shape
        if (
            features.ndim != 2
            or features.shape[1] != width
            or len(features) != views * len(targets)
        ):
            given = f"features {tuple(features.shape)}, {len(targets)} targets, width {width}"
            raise DataError(f"support - shapes do not fit - {given} - give one row per target")
        if len(targets) == 0:
            raise DataError("support - empty - 0 images - give at least one")
        if not torch.isfinite(features).all():
            rows = (~torch.isfinite(features).all(1)).nonzero()[:, 0].tolist()
            raise DataError(
                f"support - not finite - NaN or infinity in {len(rows)} rows, first {rows[0]} - "
                "remove or recompute these features"
            )
        low, high = int(targets.min()), int(targets.max())
        if low < 0 or high >= classes:
            given = f"{low} to {high} of {classes} classes"
            raise DataError(f"support - class number out of range - {given} - give 0 to K - 1")
        norms = features.norm(dim=1)
        if (norms - 1).abs().max() > 1e-3:
            given = f"lengths from {norms.min():.3f} to {norms.max():.3f}"
            raise DataError(f"support - not of unit length - {given} - divide each by its length")

    @property
    def features(self) -> Tensor:
        """One feature (N, D) for each image: the mean of its views, made unit again."""
        return self.views[0] if len(self.views) == 1 else F.normalize(self.views.mean(0), dim=-1)

    @property
    def all_views(self) -> tuple[Tensor, Tensor]:
        """Every view as a sample of its own: features (V * N, D) and targets (V * N,)."""
        repeats = (len(self.views), *[1] * (self.targets.ndim - 1))
        return self.views.flatten(0, 1), self.targets.repeat(repeats)

    @property
    def classes(self) -> int:
        """Number of classes K, those without a support image included."""
        return len(self.zero_shot)

    @property
    def scale(self) -> float:
        """exp(logit scale): the length of the zero-shot directions."""
        return float(self.zero_shot.norm(dim=1).mean())

    @property
    def text(self) -> Tensor:
        """Unit text directions (K, D)."""
        return F.normalize(self.zero_shot, dim=-1)

    @property
    def without_text(self) -> bool:
        """Whether all classes have the same row of the zero-shot head, which then says nothing.

        >>> Support(torch.eye(2)[None], torch.tensor([0, 1]), torch.ones(2, 2)).without_text
        True
        """
        return bool((self.zero_shot == self.zero_shot[0]).all())

    def part(self, chosen: Tensor, val: tuple[Tensor, Tensor] | None = None) -> "Support":
        """Some of the images, with other validation images: a fold of a cross-validation.

        Args:
            chosen: Positions or mask of the images that stay.
            val: Validation features and targets, if any.
        """
        own = None if self.attributes is None else self.attributes[chosen]
        return replace(
            self,
            views=self.views[:, chosen],
            targets=self.targets[chosen],
            val=val,
            attributes=own,
            val_attributes=None,
        )
