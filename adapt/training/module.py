"""The one LightningModule: gradient training of a `Classifier`, used by every gradient method."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy

from adapt.errors import RunError
from adapt.models.classifier import Classifier
from adapt.models.heads import text_weights
from adapt.training.groups import freeze_first, parameter_groups
from adapt.training.runtime import short_sequence_attention
from adapt.training.settings import Optim

Penalty = Callable[[Classifier, Tensor, Tensor], Tensor]
SKIPPED_IN_A_ROW = 3


class AdaptModule(pl.LightningModule):
    """Train a classifier with cross-entropy in any `pl.Trainer`.

    What trains is what requires gradients in `classifier`. Batches are mappings with `image`
    (B, 3, H, W) and `target` (B,), as `ImageDataModule` gives them. Where the text tower trains,
    the head is made anew from one prompt of each class in every step.

    Args:
        classifier: Trained in place.
        optim: Optimiser, schedule and regularisation.
        seed: Fixes the choice of prompts.
        penalty: Added to the loss; called with the classifier, the pixels and the logits.

    Raises:
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
        self, classifier: Classifier, optim: Optim, seed: int = 0, penalty: Penalty | None = None
    ) -> None:
        super().__init__()
        self.classifier, self.optim, self.seed, self.penalty = classifier, optim, seed, penalty
        freeze_first(classifier, optim.freeze_first)
        if optim.checkpointing:
            classifier.backbone.model.set_grad_checkpointing(True)
        self.strict_loading = False
        self.skipped = 0
        self.skipped_in_a_row = 0
        self.val_accuracy = MulticlassAccuracy(
            num_classes=len(classifier.class_names), average="micro"
        )
        self.text_trains = any(
            p.requires_grad
            for name, p in classifier.backbone.model.named_parameters()
            if not name.startswith("visual.")
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (B, K) of normalised pixels."""
        logits: Tensor = self.classifier(pixels)
        return logits

    def on_train_start(self) -> None:
        """Training mode (dropout acts), but frozen batch norms keep their statistics too."""
        self.classifier.train()
        for module in self.classifier.modules():
            frozen = not any(p.requires_grad for p in module.parameters())
            if frozen and isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor | None:
        """Cross-entropy (plus the penalty); None when it is not finite and the step is skipped."""
        # Activations are recomputed outside of this block, and must be by the same kernel.
        recomputes = self.optim.checkpointing
        with nullcontext() if recomputes else short_sequence_attention(batch["image"].device):
            logits = self._logits(batch["image"])
        loss = F.cross_entropy(
            logits.float(), batch["target"], label_smoothing=self.optim.label_smoothing
        )
        if self.penalty is not None:
            loss = loss + self.penalty(self.classifier, batch["image"], logits)
        self.log("train_loss", loss.detach(), on_step=False, on_epoch=True, batch_size=len(logits))
        if not torch.isfinite(loss):
            self._skip("loss")
            return None
        return loss

    def _logits(self, pixels: Tensor) -> Tensor:
        if not (self.text_trains and self.classifier.head_from_text):
            return self.forward(pixels)
        generator = torch.Generator().manual_seed(self.seed * 7_919 + self.global_step)
        prompts = [
            [own[int(torch.randint(len(own), (1,), generator=generator))]]
            for own in self.classifier.prompts
        ]
        logits: Tensor = (
            self.classifier.features(pixels) @ text_weights(self.classifier.backbone, prompts).T
        )
        return logits

    def on_validation_epoch_start(self) -> None:
        """Where the text tower trains, make the head anew from all prompts."""
        if self.text_trains and self.classifier.head_from_text:
            self.classifier.rebuild_head()

    def validation_step(self, batch: dict[str, Tensor], _: int) -> None:
        """Log `val_loss` and `val_accuracy`, exact over several devices."""
        with short_sequence_attention(batch["image"].device):
            logits = self(batch["image"]).float()
        self.val_accuracy.update(logits, batch["target"])
        loss = F.cross_entropy(logits, batch["target"])
        self.log("val_loss", loss, batch_size=len(logits), sync_dist=True)
        self.log("val_accuracy", self.val_accuracy, on_epoch=True, batch_size=len(logits))

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
        """Clip to `optim.clip_norm`; a gradient that is not finite is dropped with its step."""
        parameters = [p for p in self.parameters() if p.grad is not None]
        if not parameters:  # the loss was skipped: there was no backward pass
            return
        norm = nn.utils.clip_grad_norm_(parameters, self.optim.clip_norm or math.inf)
        if torch.isfinite(norm):
            self.skipped_in_a_row = 0
            return
        if not isinstance(self.trainer.precision_plugin, pl.plugins.MixedPrecision) or (
            self.trainer.precision_plugin.scaler is None
        ):  # a gradient scaler skips such steps itself, and lowers its scale
            self._skip("gradient")
            optimizer.zero_grad()

    def _skip(self, what: str) -> None:
        self.skipped += 1
        self.skipped_in_a_row += 1
        if self.skipped_in_a_row >= SKIPPED_IN_A_ROW:
            raise RunError(
                f"training - {what} not finite - {self.skipped_in_a_row} steps in a row - lower "
                "optim.lr, or "
                "set runtime.precision=32; the weights before it are kept"
            )

    def configure_optimizers(self) -> Any:
        """AdamW with linear warm-up, then cosine decay to zero or a constant rate."""
        optimizer = torch.optim.AdamW(parameter_groups(self, self.optim), lr=self.optim.lr)
        steps = int(self.trainer.estimated_stepping_batches)
        factor = schedule_factor(steps, self.optim)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step", "name": "lr"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what trains only; the base is named by its hash."""
        trains = {name for name, p in self.named_parameters() if p.requires_grad}
        checkpoint["state_dict"] = {
            k: v for k, v in checkpoint["state_dict"].items() if k in trains
        }
        checkpoint["base_hash"] = self.classifier.backbone.spec.base_hash

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of other base weights."""
        own = self.classifier.backbone.spec.base_hash
        if checkpoint.get("base_hash") != own:
            raise RunError(
                "checkpoint - made from other base weights - "
                f"{str(checkpoint.get('base_hash'))[:12]}, the "
                f"model has {own[:12]} - resume with the same model section"
            )


def schedule_factor(steps: int, optim: Optim) -> Callable[[int], float]:
    """Factor on the learning rate at each step.

    >>> factor = schedule_factor(10, Optim(warmup=0.2))
    >>> [round(factor(step), 3) for step in (0, 1, 2, 6, 10)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    warmup = round(steps * optim.warmup)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        if optim.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))

    return factor
