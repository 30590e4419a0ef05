"""Contrastive training of both encoders on image-text pairs, as in CLIP (arXiv:2103.00020)."""

from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from adapt.models.heads import MAXIMUM_LOGIT_SCALE
from adapt.training.objectives import contrastive_loss
from adapt.training.settings import warm_up_and_fall
from tools.pretraining.drawings import colourise, place, vary_light
from tools.pretraining.settings import Pretraining

OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)


class ContrastiveModule(pl.LightningModule):
    """Train a CLIP model on pairs, with an auxiliary head over frequent groups.

    Args:
        model: An open_clip `CLIP`.
        tokens: Token rows of each caption under each template, shape (T, N, L).
        group_size: Members of each group, shape (G,).
        settings: See `Pretraining`.
        seed: Fixes augmentation and template choice, per step.
    """

    model: Any
    concept: Tensor
    mean: Tensor
    std: Tensor

    def __init__(
        self, model: Any, tokens: Tensor, group_size: Tensor, settings: Pretraining, seed: int
    ) -> None:
        super().__init__()
        self.model, self.settings, self.seed = model, settings, seed
        frequent = group_size >= settings.concept_size
        concept = torch.where(frequent, frequent.long().cumsum(0) - 1, -100)
        self.register_buffer("concept", concept, persistent=False)
        self.tokens = tokens
        width = int(model.visual.output_dim)
        self.concept_head = nn.Sequential(
            nn.BatchNorm1d(width), nn.Linear(width, int(frequent.sum()))
        )
        self.register_buffer("mean", torch.tensor(OPENAI_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(OPENAI_STD)[:, None, None], persistent=False)

    def images(self, batch: dict[str, Tensor], generator: torch.Generator) -> Tensor:
        """Augmented, normalised images of a batch, shape (B, 3, H, W)."""
        easy = self.global_step < self.settings.easy_steps
        drawings = place(batch["drawings"].float() / 255, 0.6 if easy else 1.0, generator)
        plain = 0.8 if easy else self.settings.plain
        images = vary_light(colourise(drawings, batch["colour"], plain, generator), generator)
        return (images - self.mean) / self.std

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        """Contrastive loss plus the auxiliary classification."""
        generator = torch.Generator().manual_seed(self.seed * 7_919 + self.global_step)
        images = self.images(batch, generator)
        template = torch.randint(len(self.tokens), (len(images),), generator=generator)
        texts = self.tokens[template, batch["row"]]
        # Short sequences: the plain kernel is three times faster than the fused one on a CPU.
        with sdpa_kernel(SDPBackend.MATH):
            raw = self.model.encode_image(images)
            text = F.normalize(self.model.encode_text(texts).float(), dim=-1)
        image = F.normalize(raw.float(), dim=-1)
        similarity = self.model.logit_scale.exp() * image @ text.T
        # Equal captions are not pushed apart: pairs of one group are positives of each other.
        contrastive = contrastive_loss(similarity, batch["group"], "positive")[0]
        logits = self.concept_head(raw.float())
        concept = self.concept[batch["group"]]
        classification = F.cross_entropy(logits, concept, ignore_index=-100)
        matched = batch["group"][(image @ text.T).argmax(1)] == batch["group"]
        self.log_dict(
            {
                "contrastive": contrastive,
                "classification": classification,
                "match": matched.float().mean(),
            }
        )
        return contrastive + self.settings.concept_weight * classification

    def on_train_batch_end(self, *_: Any) -> None:
        """Keep the logit scale in [0, ln 100]."""
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, MAXIMUM_LOGIT_SCALE)

    def configure_optimizers(self) -> Any:
        """AdamW with warm-up and cosine decay; no weight decay on gains, biases and the scale."""
        settings = self.settings
        matrices = [p for p in self.parameters() if p.ndim >= 2]
        others = [p for p in self.parameters() if p.ndim < 2]
        groups = [
            {"params": matrices, "weight_decay": settings.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(
            groups, lr=settings.lr, betas=(0.9, 0.98), eps=1e-6, foreach=True
        )

        def factor(step: int) -> float:
            return warm_up_and_fall(step, settings.warmup_steps, settings.steps)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
