"""The one LightningModule: gradient training of a `Classifier`, used by every gradient method."""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from adapt.errors import RunError
from adapt.models.classifier import Classifier
from adapt.models.heads import MAXIMUM_LOGIT_SCALE
from adapt.training.objectives import Objective, check_objective, loss_of
from adapt.training.parameters import (
    blocks_of,
    choose_parameters,
    freeze_first,
    frozen_names,
    parameter_groups,
    text_trains,
    training_mode,
)
from adapt.training.processes import sharding
from adapt.training.processes.batches import counted, mixed
from adapt.training.regularisers import Regularisers
from adapt.training.runtime import short_sequence_attention
from adapt.training.settings import Optim, schedule_factor
from adapt.training.trainer.means import Means
from adapt.training.trainer.numbers import (
    NotFiniteError,
    check_finite,
    check_trained_in_full,
    gradient_scale,
)
from adapt.training.trainer.tally import Tally, scoring

SKIPPED_IN_A_ROW = 3


class AdaptModule(pl.LightningModule):
    """Train a classifier in any `pl.Trainer`.

    What trains is chosen by `train`, or by the `prepare` of a method; a logit scale that trains
    stays within [0, ln 100]. Batches are mappings with `image` (B, 3, H, W), `target` (B,) and
    `index` (B,), as `ImageDataModule` gives them. Where the text encoder trains, a head from text
    is made anew from one prompt of each class in every step, and from all prompts for validation.

    A step takes the mean over all images of its micro-batches, also where the last ones of an epoch
    are fewer or smaller. A step whose loss or gradient is not finite is left out, also of the means
    in the log, and counted there as `skipped_steps`. Logged means are those over all devices.

    Gradients are clipped to `optim.clip_norm`. A trainer's own `gradient_clip_val` holds as well:
    of two norms the smaller one, and with `gradient_clip_algorithm="value"` both limits. For a
    looser limit than 1 set `clip_norm`, or set it to 0.

    Args:
        classifier: Trained in place.
        optim: Optimiser, schedule and regularisation.
        seed: Fixes the choice of prompts.
        objective: The loss of a batch; cross-entropy with `optim.label_smoothing` when not given.
        class_weights: Weights (K,) that `optim.class_weights` asks for, which needs the data to
            know them: `adapt.data.loading.balance.class_weights`.
        train: `head`, `image` (image encoder and head) or `all` (both encoders and the logit scale,
            the head made from them); `given` trains what requires gradients, which after
            `Classifier.from_clip` is everything.

    Raises:
        ModelError: When `optim` asks for what the classifier or the objective cannot give.
        RunError: While training, when a parameter that should train gets no gradient, or the loss
            or gradient is not finite in three steps in a row.

    Example:
        >>> classifier = Classifier.from_clip("adapt-icons-xs", "random", ["cat", "dog"])
        >>> module = AdaptModule(classifier, Optim(lr=1e-4))
        >>> batch = {"image": torch.zeros(2, 3, 48, 48), "target": torch.tensor([0, 1])}
        >>> module.training_step(batch, 0).ndim
        0
    """

    def __init__(
        self,
        classifier: Classifier,
        optim: Optim,
        seed: int = 0,
        objective: Objective | None = None,
        class_weights: Tensor | None = None,
        train: str = "given",
    ) -> None:
        super().__init__()
        self.classifier, self.optim, self.seed = classifier, optim, seed
        choose_parameters(classifier, train, getattr(objective, "sees_bias", False))
        freeze_first(classifier, optim.freeze_first)
        self.text_trains = text_trains(classifier)
        several = classifier.labelling.several
        check_objective(optim, objective, class_weights, several)
        self.objective = objective or loss_of(classifier, optim, self.text_trains, class_weights)
        self.regularisers = Regularisers(classifier, optim)
        if optim.checkpointing:
            classifier.backbone.model.set_grad_checkpointing(True)
        self.strict_loading = False
        self.steps = 0
        self.computing = False  # a gradient, which leaves the weights as they are if it fails
        self.images, self.unit = 0, 1
        names = classifier.class_names
        self.tally, self.losses = Tally(names), Means()
        self.accuracy, self.sum_of_losses = scoring(several, max(2, len(names)))

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (B, K) of normalised pixels."""
        logits: Tensor = self.classifier(pixels)
        return logits

    def configure_model(self) -> None:
        """Where each process has a part of the weights, give it its part."""
        if self.device_mesh is not None:
            sharding.shard_blocks(blocks_of(self), self.device_mesh["data_parallel"])

    def on_train_start(self) -> None:
        """Dropout acts, and batch norms as they should."""
        training_mode(self.classifier)

    def training_step(self, batch: dict[str, Tensor], number: int) -> Tensor:
        """Loss and penalties."""
        self.computing = True
        optim = self.optim
        if optim.mixup or optim.cutmix:
            key = self.seed, self.current_epoch, number
            classes = len(self.classifier.class_names)
            batch = mixed(batch, optim.mixup, optim.cutmix, classes, key)
        pixels, size = batch["image"], counted(batch)
        with self._kernels(pixels.device):
            with self.regularisers.watch(self.classifier) as watched:
                loss, logits = self.objective(self.classifier, batch, self._random())
            penalties = self.regularisers(
                self.classifier,
                pixels,
                watched,
                logits,
                lambda other: self.objective(other, batch, self._random())[1],
                self._random(),
            )
        loss = loss + sum(penalties.values())
        if not getattr(self.objective, "whole_batch", False):
            self.tally.answers_trained.add(logits[0].detach(), batch["target"])
        parts = {"train_loss": loss} | {f"train_{name}": part for name, part in penalties.items()}
        self.tally.trained.add({name: part.detach() * size for name, part in parts.items()}, size)
        # An infinite loss may have finite gradients. Made NaN, they tell of it on every device, and
        # the norm is all that a step waits for.
        return self._weighed(loss * torch.where(torch.isfinite(loss), 1.0, math.nan), size)

    def _weighed(self, loss: Tensor, size: int) -> Tensor:
        """The loss of a micro-batch, so that gradients add up to those of a sum over images.

        In units of the first micro-batch: then whole windows need no factor in `_norm`.
        """
        if self.images == 0:
            self.unit = size if self._world_size() == 1 else 1
        self.images += size
        return loss if size == self.unit else loss * (size / self.unit)

    def _norm(self, gradients: list[Tensor]) -> tuple[float, float]:
        """Norm of the gradient of the mean over the images of this step, and the factor to it.

        The gradients are those of the sum over the images, which Lightning divided by its number of
        micro-batches, however many there were.
        """
        images, self.images = self.images, 0
        norm, whole = sharding.total_norm(gradients), self.unit
        whole *= self.trainer.accumulate_grad_batches
        if self._world_size() == 1:
            return float(norm) * whole / images, whole / images
        count = torch.full((), float(images), device=self.device)
        factor = whole / self.trainer.strategy.reduce(count, reduce_op="mean")
        length, factor = torch.stack([norm * factor, factor.to(norm)]).tolist()
        return length, factor

    def begin_step_again(self) -> None:
        """Forget what was computed of a step that was not finished."""
        self.tally.trained.drop()
        self.zero_grad()
        self.images, self.computing = 0, False

    @property
    def collapse(self) -> str | None:
        """What to say where the last pass told no images apart; nothing where it did."""
        return self.tally.collapse

    def _world_size(self) -> int:
        return 1 if self._trainer is None else self.trainer.world_size

    def on_train_batch_end(self, *_: Any) -> None:
        """After the last batch of an epoch, log its means: callbacks see them when it ends."""
        self.computing = False
        if self.trainer.is_last_batch:
            self._report(self.tally.trained)

    def on_train_epoch_end(self) -> None:
        """Say how long gradients were, and how many steps were left out so far, if any."""
        self._report(self.tally.trained)  # nothing is left, unless a limit of steps ended the epoch
        self.tally.answers_trained.take("training", self._over_devices)
        for name, value in self.tally.norms.take().items():
            self.log(name, value)
        if (scale := gradient_scale(self.trainer)) is not None:
            self.log("gradient_scale", scale)
        if self.tally.skipped:
            self.log("skipped_steps", float(self.tally.skipped), sync_dist=True)

    def _report(self, means: Means) -> None:
        """Log means over all images of all devices."""
        for name, value in means.take(self._over_devices).items():
            self.log(name, value, on_step=False, on_epoch=True)

    def _over_devices(self, sums: Tensor) -> Tensor:
        if self._world_size() == 1:
            return sums
        total: Tensor = self.trainer.strategy.reduce(sums.to(self.device), reduce_op="sum")
        return total

    def _kernels(self, device: torch.device) -> AbstractContextManager[None]:
        # Activations are recomputed outside of this block, and must be by the same kernel.
        again = self.optim.checkpointing or getattr(self.objective, "parts", 1) > 1
        return nullcontext() if again else short_sequence_attention(device)

    def _random(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed * 7_919 + self.global_step)

    def optimizer_step(self, *given: Any, **named: Any) -> None:
        """A step; then the logit scale is put back into its range, and the teacher follows."""
        super().optimizer_step(*given, **named)
        scale = self.classifier.backbone.model.logit_scale
        if scale.requires_grad:
            with torch.no_grad():
                scale.clamp_(0, MAXIMUM_LOGIT_SCALE)
        self.regularisers.update(self.classifier, self.global_step + 1, self.steps)

    def on_validation_epoch_start(self) -> None:
        """Where the text encoder trains, make the head anew from all prompts."""
        self._renew_head()

    on_test_epoch_start = on_predict_epoch_start = on_validation_epoch_start

    def _renew_head(self) -> None:
        if self.text_trains and self.classifier.head_from_text:
            self.classifier.rebuild_head()

    def validation_step(self, batch: dict[str, Tensor], _: int) -> None:
        """Add to `val_loss` and `val_accuracy`."""
        self._score(batch, "val")

    def on_validation_epoch_end(self) -> None:
        """Log `val_loss` and `val_accuracy`, exact over several devices."""
        self._report_scores("val")

    def test_step(self, batch: dict[str, Tensor], *_: int) -> None:
        """Add to `test_loss` and `test_accuracy`."""
        self._score(batch, "test")

    def on_test_epoch_end(self) -> None:
        """Log `test_loss` and `test_accuracy`, exact over several devices."""
        self._report_scores("test")

    def predict_step(self, batch: dict[str, Tensor], _number: int) -> dict[str, Tensor]:
        """Probabilities (B, K) at the classifier's temperature, and the `index` of each image."""
        logits = self._seen(batch)[1] / self.classifier.temperature
        said = self.classifier.labelling.probabilities(logits)
        return {"index": batch["index"], "probabilities": said}

    def _seen(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Unit features and logits."""
        with short_sequence_attention(batch["image"].device):
            features = self.classifier.features(batch["image"])
            return features, self.classifier.head(features).float()

    def _score(self, batch: dict[str, Tensor], name: str) -> None:
        target, objective = batch["target"], self.objective
        if getattr(objective, "judges", False):  # pairs, which no class tells apart
            with short_sequence_attention(batch["image"].device):
                total = objective.held_out_loss(self.classifier, batch) * len(target)  # type: ignore[attr-defined]
        else:
            features, logits = self._seen(batch)
            self.tally.answers.add(logits, target, features)
            self.accuracy.update(logits, target)
            total = self.sum_of_losses(logits, target)
        self.losses.add({f"{name}_loss": total}, len(target))
        self.losses.keep()

    def _report_scores(self, name: str) -> None:
        self._report(self.losses)
        if (variance := self.tally.answers.take(name, self._over_devices)) is not None:
            self.log(f"{name}_feature_variance", variance)
        if self.accuracy.update_called:
            self.log(f"{name}_accuracy", self.accuracy.compute(), on_step=False, on_epoch=True)
            self.accuracy.reset()

    def on_after_backward(self) -> None:
        """In the first step: everything that should train has a gradient."""
        if self.global_step > 0:
            return
        without = [
            name for name, p in self.named_parameters() if p.requires_grad and p.grad is None
        ]
        if without:
            raise RunError(
                f"{without[0]} - trains but gets no gradient - {len(without)} such parameters - "
                "leave them frozen or let the loss depend on them"
            )

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
    ) -> None:
        """Clip as the class says; a gradient that is not finite is dropped with its step."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        gradients = sharding.gradients_of(parameters)
        norm, factor = self._norm(gradients)
        self.computing = False
        if not math.isfinite(norm):
            self._leave_out(optimizer)
            return
        self.tally.skipped_in_a_row = 0
        self.tally.trained.keep()
        self.tally.norms.add(norm)
        by_value = gradient_clip_algorithm == "value"
        limits = [self.optim.clip_norm, 0.0 if by_value else gradient_clip_val or 0.0]
        limit = min(filter(None, limits), default=math.inf)
        # The constant is that of `clip_grad_norm_`.
        factor *= min(1.0, limit / (norm + 1e-6))
        if factor != 1:
            sharding.scale(gradients, factor)
        if by_value and gradient_clip_val:
            nn.utils.clip_grad_value_(parameters, gradient_clip_val)

    def _leave_out(self, optimizer: Any) -> None:
        """Drop a step whose norm is not finite, and count it."""
        what = "gradient" if self.tally.trained.drop() else "loss"
        scale = gradient_scale(self.trainer)
        if what == "gradient" and scale is not None and scale > 1:
            return  # a gradient scaler skips such steps itself, and lowers its scale
        optimizer.zero_grad()
        in_a_row = self.tally.skipped_in_a_row + 1
        if in_a_row >= SKIPPED_IN_A_ROW:
            raise NotFiniteError(
                f"training - {what} not finite - {in_a_row} steps in a row, up to "
                f"step {self.global_step + 1} of {self.steps} - lower optim.lr or set "
                "runtime.precision=32"
            )
        self.tally.skipped += 1
        self.tally.skipped_in_a_row = in_a_row

    def configure_optimizers(self) -> Any:
        """AdamW with linear warm-up, then cosine decay to zero or a constant rate.

        Raises:
            ModelError: When a weight that trains is in half precision.
        """
        check_trained_in_full(self.named_parameters())
        groups = sharding.by_kind(parameter_groups(self.classifier, self.optim))
        # The fused kernel unscales by itself, which would be after the norm is looked at.
        optimizer = torch.optim.AdamW(
            groups, lr=self.optim.lr, fused=gradient_scale(self.trainer) is None
        )
        self.steps = int(self.trainer.estimated_stepping_batches)
        factor = schedule_factor(self.steps, self.optim)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step", "name": "lr"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what moves only, also of penalties; the base is named by its hash.

        Raises:
            RunError: When a weight is not finite: the checkpoint before stays.
        """
        check_finite(self.named_parameters())
        frozen = frozen_names(self)
        checkpoint["state_dict"] = {
            k: v for k, v in checkpoint["state_dict"].items() if k not in frozen
        }
        checkpoint["penalties"] = self.regularisers.state_dict()
        checkpoint["tally"] = self.tally.state_dict()
        checkpoint["base_hash"] = self.classifier.backbone.spec.base_hash

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of other base weights."""
        given, own = str(checkpoint.get("base_hash")), self.classifier.backbone.spec.base_hash
        if given != own:
            raise RunError(
                f"checkpoint - made from other base weights - {given[:12]}, the model has "
                f"{own[:12]} - resume with the same model section"
            )
        self.regularisers.load_state_dict(checkpoint.get("penalties", {}))
        if "tally" in checkpoint:
            rank, processes = self.trainer.global_rank, self.trainer.world_size
            self.tally.load_state_dict(checkpoint["tally"], rank, processes)
