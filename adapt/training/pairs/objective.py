"""What a step on pairs minimises: CLIP's softmax or SigLIP's sigmoid over a batch of pairs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from adapt.models.adapters.projection import projection_of
from adapt.models.classifier import Classifier
from adapt.training.objectives import Batch, Contrastive, Outcome, contrastive_loss
from adapt.training.pairs.sigmoid import sigmoid_loss
from adapt.training.processes.batches import counted, gathered

CLIP, SIGLIP = "clip", "siglip"
LOSSES = (CLIP, SIGLIP)
Captions = Sequence[Sequence[str]]
"""The captions of each image, one or more."""


@dataclass
class PairObjective(Contrastive):
    """A contrastive loss over images and captions of their own, or prompts of their class.

    Each step draws one of an image's captions. Pairs of one caption are a group, as those of one
    class are where captions are prompts: what becomes of them is said by `same_class`.
    """

    kind: str = CLIP
    """`clip` (softmax in both directions, arXiv:2103.00020) or `siglip` (arXiv:2303.15343)."""
    own: Captions | None = None
    """Captions of the training images, by their `index`; without them random prompts of the class
    of each image."""
    word_dropout: float = 0.0
    """Fraction of the words of a caption that a step leaves out; needs captions of their own."""
    features: Tensor | None = field(default=None, repr=False)
    """Unit features of the training images (N, D), by their `index`, where they stay as they are;
    without them each step encodes its images."""
    before_projection: bool = False
    """Whether these are features before the projection of the image encoder, which trains."""
    held_out: Captions | None = None
    """The same of the validation images, of which the first is used."""
    numbers: dict[str, int] = field(init=False, repr=False, default_factory=dict)
    """A number for each different caption, the same in all processes."""

    def __post_init__(self) -> None:
        every = (caption for captions in self.own or () for caption in captions)
        self.numbers = {caption: number for number, caption in enumerate(dict.fromkeys(every))}

    @property
    def sees_bias(self) -> bool:
        """Whether a logit bias has a part in the loss."""
        return self.kind == SIGLIP

    @property
    def judges(self) -> bool:
        """Whether `held_out_loss` stands in the place of the loss over classes."""
        return self.held_out is not None

    def encoded(self, classifier: Classifier, batch: Batch) -> Tensor:
        """Unit features of the images of a batch (B, D)."""
        if self.features is None:
            return super().encoded(classifier, batch)
        known = self.features[batch["index"].cpu()].to(batch["image"].device)
        if not self.before_projection:
            return known
        matrix = projection_of(classifier.backbone.image_encoder).live
        return F.normalize(known @ matrix, dim=-1)

    def captioned(
        self, classifier: Classifier, batch: Batch, generator: torch.Generator
    ) -> tuple[list[str], Tensor, Tensor]:
        """A caption for each own image; drawn for those of all processes, as in one process."""
        if self.own is None:
            return super().captioned(classifier, batch, generator)
        index = batch["index"]
        every, rows = gathered(index[: counted(batch)])
        drawn = [self._drawn(image, generator) for image in every.tolist()]
        numbers = [self.numbers[caption] for caption in drawn]
        if self.word_dropout:
            drawn = [without_words(caption, self.word_dropout, generator) for caption in drawn]
        texts = [drawn[row] for row in rows.tolist()]
        # The text encoder takes part in every step of every process.
        texts = texts or [self.own[int(index[0])][0]]
        return texts, torch.tensor(numbers, device=index.device), rows

    def _drawn(self, image: int, generator: torch.Generator) -> str:
        assert self.own is not None
        captions = self.own[image]
        return captions[int(torch.randint(len(captions), (1,), generator=generator))]

    def loss(
        self,
        classifier: Classifier,
        similarity: Tensor,
        group: Tensor,
        by_caption: Tensor | None = None,
        rows: Tensor | None = None,
    ) -> Outcome:
        """The loss of scaled cosines and the logits that it was made from."""
        if self.kind != SIGLIP:
            return contrastive_loss(similarity, group, self.same_class, by_caption, rows)
        logits = similarity + classifier.backbone.model.logit_bias.float()
        return sigmoid_loss(logits, group, self.same_class, rows), (logits,)

    def held_out_loss(self, classifier: Classifier, batch: Batch) -> Tensor:
        """The loss of a batch of validation images with their first captions, in one process."""
        assert self.held_out is not None
        texts = [self.held_out[index][0] for index in batch["index"].tolist()]
        numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        group = torch.tensor([numbers[text] for text in texts], device=batch["image"].device)
        backbone = classifier.backbone
        images, words = backbone.encode_image(batch["image"]), backbone.encode_text(texts)
        with torch.autocast(batch["image"].device.type, enabled=False):
            similarity = backbone.scale.float() * images.float() @ words.float().T
            loss, _ = self.loss(classifier, similarity, group)
        return loss


def without_words(text: str, fraction: float, generator: torch.Generator) -> str:
    """A text without some of its words, drawn at random; whole where none would be left.

    Args:
        text: With blanks between its words.
        fraction: How many are left out in the mean.
        generator: Where the random numbers come from.

    >>> without_words("a dog on a boat", 0.4, torch.Generator().manual_seed(2))
    'a on a boat'
    """
    words = text.split()
    kept = (torch.rand(len(words), generator=generator) >= fraction).tolist()
    return " ".join(word for word, stays in zip(words, kept, strict=True) if stays) or text
