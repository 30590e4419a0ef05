"""What a training step minimises: cross-entropy over the classes, or over pairs in the batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from adapt.errors import ModelError
from adapt.models.classifier import Classifier
from adapt.models.heads import text_weights
from adapt.training.processes.batches import counted, gathered, several
from adapt.training.settings import ASYMMETRIC, AUTO_LOSS, Optim

Batch: TypeAlias = dict[str, Tensor]
Outcome: TypeAlias = tuple[Tensor, tuple[Tensor, ...]]
Objective: TypeAlias = Callable[[Classifier, Batch, torch.Generator], Outcome]
"""From a classifier, a batch (`image`, `target`, `index`) and random numbers that are the same for
every call in one step, to the loss (a scalar) and the matrices of logits it was made from, each
with one answer per row; a teacher's matrices are compared with them row by row."""

LABELS_LACK = {"mixup": 0, "cutmix": 0, "class_weights": "none", "self_distillation": 0}
"""Settings that know one label per image alone, and what turns them off."""
SAME_CLASS = ("mask", "positive", "negative")


@dataclass
class CrossEntropy:
    """Mean cross-entropy over the classes; the one matrix is the logits (B, K).

    With class weights it is the mean of weight times cross-entropy: a weight acts alike whatever
    else is in the batch.
    """

    label_smoothing: float = 0.0
    """Fraction of the target spread over all classes."""
    text_trains: bool = False
    """Whether the text encoder moves: then a head from text is made anew, from one random prompt of
    each class."""
    class_weights: Tensor | None = None
    """Weight of an image of each class (K,); all alike without."""
    classes_per_step: int = 0
    """Where the text encoder moves, classes that a step looks at: see `drawn_classes`; 0 is all."""
    soft_targets: ClassVar[bool] = True
    """`target` may be fractions of the classes (B, K), as mixup makes them."""

    def __call__(self, classifier: Classifier, batch: Batch, generator: torch.Generator) -> Outcome:
        """Loss and logits of a batch."""
        logits, target, weight = self.answers(classifier, batch, generator)
        smoothing = self.label_smoothing
        if weight is None:
            loss = F.cross_entropy(logits.float(), target, label_smoothing=smoothing)
        else:
            weight = weight.to(logits.device, torch.float32)
            total = F.cross_entropy(
                logits.float(), target, weight, reduction="sum", label_smoothing=smoothing
            )
            # Not over the sum of weights, which would undo them in a batch of one class.
            loss = total / len(target)
        return loss, (logits,)

    def answers(
        self, classifier: Classifier, batch: Batch, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Logits of a batch, its targets and the class weights, all of the classes of this step."""
        target, weight = batch["target"], self.class_weights
        if not (self.text_trains and classifier.head_from_text):
            return classifier(batch["image"]), target, weight
        everything = range(len(classifier.prompts))
        prompts = [[drawn_prompt(classifier, number, generator)] for number in everything]
        if 0 < self.classes_per_step < len(prompts):
            every, _ = gathered(target)
            drawn = drawn_classes(every, len(prompts), self.classes_per_step, generator)
            prompts = [prompts[number] for number in drawn.tolist()]
            target = _renumbered(target, drawn)
            weight = None if weight is None else weight[drawn.to(weight.device)]
        weights = text_weights(classifier.backbone, prompts)
        return classifier.features(batch["image"]) @ weights.T, target, weight


@dataclass
class LabelLoss:
    """Sum over the classes of the cross-entropy of yes and no, in the mean over images.

    The one matrix is the logits (B, K). With `asymmetric` it is the asymmetric loss (Ben-Baruch et
    al., arXiv:2009.14119): most classes are absent from an image, so answers of no that are easy
    count little, and those that are almost certain nothing.
    """

    asymmetric: bool = False
    """Focus on hard absences, with the paper's gamma- = 4, gamma+ = 0 and margin 0.05."""
    label_smoothing: float = 0.0
    """How far yes and no are moved towards a half: by half of this."""
    text_trains: bool = False
    """See `CrossEntropy.text_trains`; of each class a negation is drawn too."""

    def __call__(self, classifier: Classifier, batch: Batch, generator: torch.Generator) -> Outcome:
        """Loss and logits of a batch, whose `target` is 0 or 1 for each class, (B, K)."""
        if self.text_trains and classifier.head_from_text:
            prompts = [
                [drawn_prompt(classifier, number, generator)]
                for number in range(len(classifier.prompts))
            ]
            absent = [
                [own[int(torch.randint(len(own), (1,), generator=generator))]]
                for own in classifier.labelling.negations_of_classes or []
            ]
            weights = text_weights(classifier.backbone, prompts, negations=absent)
            logits = classifier.features(batch["image"]) @ weights.T
        else:
            logits = classifier(batch["image"])
        target = batch["target"].float()
        soft = target * (1 - self.label_smoothing) + self.label_smoothing / 2
        if self.asymmetric:
            each = asymmetric_loss(logits.float(), soft)
        else:
            each = F.binary_cross_entropy_with_logits(logits.float(), soft, reduction="none")
        return each.sum(1).mean(), (logits,)


GAMMA_ABSENT, MARGIN = 4.0, 0.05


def asymmetric_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Asymmetric loss of each decision (ASL, arXiv:2009.14119), in nats.

    `-log(p)` where the class is there, `-q^4 log(1 - q)` with `q = max(p - 0.05, 0)` where not.

    Args:
        logits: Shape (B, K).
        target: Shape (B, K), 0 to 1.

    Returns:
        Shape (B, K).

    >>> asymmetric_loss(torch.tensor([[0.0, -9.0]]), torch.tensor([[1.0, 0.0]]))[0, 1].item()
    0.0
    """
    shifted = (torch.sigmoid(logits) - MARGIN).clamp(min=0)
    absent = -(shifted**GAMMA_ABSENT) * torch.log1p(-shifted)
    # A margin that cuts off gives minus zero.
    return -target * F.logsigmoid(logits) + (1 - target) * absent.abs()


def loss_of(
    classifier: Classifier, optim: Optim, trains_text: bool, class_weights: Tensor | None = None
) -> Objective:
    """The loss of a classifier, where a method names no other.

    Args:
        classifier: Says whether an image may have several labels.
        optim: Which loss then, and label smoothing.
        trains_text: Whether the text encoder moves.
        class_weights: See `CrossEntropy`.
    """
    if classifier.labelling.several:
        return LabelLoss(optim.loss == ASYMMETRIC, optim.label_smoothing, trains_text)
    return CrossEntropy(optim.label_smoothing, trains_text, class_weights)


def drawn_classes(target: Tensor, classes: int, count: int, generator: torch.Generator) -> Tensor:
    """Classes for one step: all that the batch has, and others drawn at random up to `count`.

    Args:
        target: Class numbers (B,), or fractions of the classes (B, K).
        classes: Number of classes K.
        count: How many; more where the batch has more.
        generator: Where the random numbers come from.

    Returns:
        Class numbers, rising, on the CPU.

    >>> drawn_classes(torch.tensor([7, 7, 2]), 9, 4, torch.Generator().manual_seed(0)).tolist()
    [0, 2, 7, 8]
    """
    own = target.unique() if target.ndim == 1 else (target > 0).any(0).nonzero()[:, 0]
    chosen = torch.zeros(classes, dtype=torch.bool)
    chosen[own.cpu()] = True
    order = torch.randperm(classes, generator=generator)
    others = order[~chosen[order]]
    chosen[others[: max(0, count - int(chosen.sum()))]] = True
    return chosen.nonzero()[:, 0]


def _renumbered(target: Tensor, drawn: Tensor) -> Tensor:
    """Targets as positions among the drawn classes, or their columns of the fractions."""
    drawn = drawn.to(target.device)
    return torch.searchsorted(drawn, target) if target.ndim == 1 else target[:, drawn]


@dataclass
class Contrastive:
    """Symmetric InfoNCE over the (image, caption) pairs of the batch (FLYP, arXiv:2212.00638).

    The matrices are the similarities (B, B) by image and by caption.
    """

    captions: list[str] | None = None
    """The caption of each training image, by its `index`; without them a random prompt of the
    image's class."""
    same_class: str = "mask"
    """See `contrastive_loss`."""
    parts: int = 1
    """Micro-batches that the pairs are encoded in. The loss is that of the whole batch and so are
    its gradients: the activations of a part are computed again when its gradient is known
    (GradCache, arXiv:2101.06983), so that those of one part are in memory at a time."""
    whole_batch: ClassVar[bool] = True
    """The loss of a batch is not the mean of the losses of its parts."""

    def __call__(self, classifier: Classifier, batch: Batch, generator: torch.Generator) -> Outcome:
        """Loss and similarities of a batch."""
        backbone, pixels = classifier.backbone, batch["image"]
        size, (texts, every, rows) = counted(batch), self.captioned(classifier, batch, generator)
        images = self.encoded(classifier, batch)
        words = in_parts(backbone.encode_text, texts, self.parts)
        # A scale of 100 leaves no digits behind the point in half precision.
        with torch.autocast(pixels.device.type, enabled=False):
            own = (at_least_single(images)[:size], at_least_single(words)[:size])
            scale = at_least_single(backbone.scale)
            if not several():
                return self.loss(classifier, scale * own[0] @ own[1].T, every)
            all_images, all_words = (gathered(features)[0] for features in own)
            by_image, by_word = scale * own[0] @ all_words.T, scale * own[1] @ all_images.T
            return self.loss(classifier, by_image, every, by_word, rows)

    def encoded(self, classifier: Classifier, batch: Batch) -> Tensor:
        """Unit features of the images of a batch (B, D)."""
        return in_parts(classifier.backbone.encode_image, batch["image"], self.parts)

    def captioned(
        self, classifier: Classifier, batch: Batch, generator: torch.Generator
    ) -> tuple[list[str], Tensor, Tensor]:
        """The caption of each own image, the group of every pair (B,), and which are own (b,)."""
        every, rows = gathered(batch["target"][: counted(batch)])
        if self.captions is not None:
            texts = [self.captions[index] for index in batch["index"].tolist()]
        else:
            texts = own_prompts(classifier, (every, rows), generator)
        return texts, every, rows

    def loss(
        self,
        classifier: Classifier,
        similarity: Tensor,
        group: Tensor,
        by_caption: Tensor | None = None,
        rows: Tensor | None = None,
    ) -> Outcome:
        """The loss of scaled cosines; see `contrastive_loss`."""
        return contrastive_loss(similarity, group, self.same_class, by_caption, rows)


def at_least_single(values: Tensor) -> Tensor:
    """The same values, in float32 where they were in half precision.

    >>> at_least_single(torch.zeros(1, dtype=torch.float64)).dtype
    torch.float64
    """
    return values if values.dtype == torch.float64 else values.float()


def own_prompts(
    classifier: Classifier, classes: tuple[Tensor, Tensor], generator: torch.Generator
) -> list[str]:
    """A random prompt for each own image; drawn for those of all processes, as in one process.

    Args:
        classifier: Has prompts.
        classes: Class of the image of every process (B,), and which are own (b,).
        generator: Equal in all processes.

    Returns:
        One text at least: the text encoder takes part in every step of every process.
    """
    every, rows = classes
    drawn = [drawn_prompt(classifier, number, generator) for number in every.tolist()]
    return [drawn[row] for row in rows.tolist()] or [classifier.prompts[0][0]]


def in_parts(encode: Callable[[Any], Tensor], items: Sequence[Any] | Tensor, parts: int) -> Tensor:
    """Features of some items, encoded in parts whose activations are not kept.

    Args:
        encode: From some of the items to their features.
        items: Pixels (B, 3, H, W) or texts.
        parts: Number of parts; 1 keeps the activations of all.
    """
    if parts == 1:
        return encode(items)
    size = -(-len(items) // parts)
    chunks = [items[at : at + size] for at in range(0, len(items), size)]
    return torch.cat([checkpoint(encode, chunk, use_reentrant=False) for chunk in chunks])


def contrastive_loss(
    similarity: Tensor,
    group: Tensor,
    same_class: str = "mask",
    by_caption: Tensor | None = None,
    rows: Tensor | None = None,
) -> Outcome:
    """Mean of the cross-entropies of the rows (an image's captions) and of the columns.

    What becomes of the captions of other images of the same class:

    - `mask`: they are left out of the image's softmax, and the same for columns. Where a batch has
      one class only, every loss is zero.
    - `positive`: the target spreads evenly over them and the own caption.
    - `negative`: they are pushed away like any other, as in the authors' code.

    Args:
        similarity: Scaled cosines (B, B): row i is image i, column j caption j. Of several
            processes, the own images (b, B).
        group: Class of each pair, shape (B,).
        same_class: `mask`, `positive` or `negative`.
        by_caption: Of several processes, the own captions by all images (b, B).
        rows: Which of the pairs are the own, shape (b,).

    Returns:
        The loss, and the logits of rows and of columns; masked ones are the lowest number there is.
    """
    rows = torch.arange(len(group), device=group.device) if rows is None else rows
    same = group[rows, None] == group[None, :]
    own = rows[:, None] == torch.arange(len(group), device=group.device)[None, :]
    by_image, by_caption = similarity, similarity.T if by_caption is None else by_caption
    if same_class == "mask":
        lowest = torch.finfo(similarity.dtype).min
        by_image, by_caption = (m.masked_fill(same & ~own, lowest) for m in (by_image, by_caption))
    positive = (same if same_class == "positive" else own).to(similarity.dtype)
    target = positive / positive.sum(1, keepdim=True)
    if len(rows) == 0:  # this process has no image in the last step: its gradients are zero
        return (by_image.sum() + by_caption.sum()) / 2, (by_image, by_caption)
    loss = (F.cross_entropy(by_image, target) + F.cross_entropy(by_caption, target)) / 2
    return loss, (by_image, by_caption)


def drawn_prompt(classifier: Classifier, number: int, generator: torch.Generator) -> str:
    """A prompt of a class, drawn as often as it counts.

    Args:
        classifier: Has prompts, and their weights where these differ.
        number: Of the class.
        generator: Where the random number comes from.
    """
    texts, weights = classifier.prompts[number], classifier.prompt_weights
    if weights is None:
        return texts[int(torch.randint(len(texts), (1,), generator=generator))]
    return texts[int(torch.multinomial(torch.tensor(weights[number]), 1, generator=generator))]


def check_objective(
    optim: Optim, objective: Objective | None, class_weights: Tensor | None, several: bool = False
) -> None:
    """Refuse settings that do not go with an objective; see `AdaptModule`.

    Args:
        optim: The settings.
        objective: The loss of a batch, where a method names one.
        class_weights: Of the loss.
        several: Whether images may have several labels.

    Raises:
        ModelError: With the setting.
    """
    if not several and optim.loss != AUTO_LOSS:
        raise ModelError(
            f"optim.loss - for several labels per image - {optim.loss!r} - set it to {AUTO_LOSS}"
        )
    for name, off in LABELS_LACK.items() if several else ():
        if getattr(optim, name) != off:
            given = f"{getattr(optim, name)!r}"
            advice = f"set it to {off}"
            raise ModelError(
                f"optim.{name} - not for several labels per image - {given} - {advice}"
            )
    if objective is not None and not getattr(objective, "soft_targets", False):
        for name, off in (("mixup", 0), ("cutmix", 0), ("class_weights", "none")):
            if getattr(optim, name) != off:
                raise ModelError(
                    f"optim.{name} - does not go with this objective - {getattr(optim, name)!r} - "
                    f"set it to {off}, or train with cross-entropy over the classes"
                )
    if objective is None and class_weights is None and optim.class_weights != "none":
        raise ModelError(
            f"optim.class_weights - not known without the data - {optim.class_weights!r} - give "
            "class_weights, from adapt.data.loading.balance.class_weights"
        )
