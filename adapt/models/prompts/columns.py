"""Prompts as columns: one template, or all sentences of its own, for every class."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from adapt.data.labels.classes import ClassName
from adapt.errors import RecipeError
from adapt.models.backbones import Backbone
from adapt.models.heads import KeepTensor, computed, head_name

OWN = "prompts of the classes"
Prompts = list[list[str]]
Weights = list[list[float]]


@dataclass(frozen=True)
class Column:
    """What one template, or one group of sentences, says of every class."""

    name: str
    """The template, or what the group is."""
    prompts: Prompts
    """Prompts of each of the K classes; they share the weight of the column equally."""


def beside_templates(names: Sequence[ClassName], templates: Sequence[str]) -> list[ClassName]:
    """Classes whose own sentences are used together with the templates.

    Raises:
        RecipeError: When no class has sentences of its own.

    >>> beside_templates([ClassName("cat", "cat", ("a small pet",))], ["a {}"])[0].prompts
    ('a {}', 'a small pet')
    """
    if not any(name.prompts for name in names):
        raise RecipeError(
            "model.prompts.beside_templates - there is nothing beside the templates - no class has "
            "sentences of its own - give model.prompts.file, or prompts in data.classes"
        )
    return [
        ClassName(name.key, name.words, (*templates, *name.prompts) if name.prompts else ())
        for name in names
    ]


def template_columns(
    names: Sequence[ClassName], templates: Sequence[str], keep_own: bool = False
) -> list[Column]:
    """A column for each template, with the words of every class in it.

    Args:
        names: The classes.
        templates: With one `{}` each.
        keep_own: Whether a class that has prompts of its own says these in every column.
    """

    def said(name: ClassName, template: str) -> list[str]:
        own = [text.replace("{}", name.words) for text in name.prompts] if keep_own else []
        return own or [template.replace("{}", name.words)]

    return [Column(text, [said(name, text) for name in names]) for text in dict.fromkeys(templates)]


def own_column(names: Sequence[ClassName], templates: Sequence[str]) -> Column:
    """What each class says by itself; all templates where it has no sentences of its own."""
    return Column(
        OWN,
        [[text.replace("{}", name.words) for text in name.prompts or templates] for name in names],
    )


def column_features(
    backbone: Backbone, columns: Sequence[Column], keep: KeepTensor = computed
) -> Tensor:
    """The mean (T, K, D) of the unit features of each column's prompts for each class.

    Every text is encoded once, however many columns and classes say it.

    Args:
        backbone: Whose text encoder is used, on the device where it is.
        columns: The T columns.
        keep: See `Classifier.from_clip`: what was encoded before is not encoded again.
    """
    said = [text for column in columns for own in column.prompts for text in own]
    texts = list(dict.fromkeys(said))

    def encoded() -> Tensor:
        with torch.no_grad():
            return backbone.encode_text(texts).float().cpu()

    features = keep(head_name(backbone, [["features"], texts]), encoded)
    place = {text: row for row, text in enumerate(texts)}
    means = [
        torch.stack([features[[place[text] for text in own]].mean(0) for own in column.prompts])
        for column in columns
    ]
    return torch.stack(means)


def column_shares(
    columns: Sequence[Column], weights: Sequence[float] | Tensor, by_prompt: bool = False
) -> Tensor:
    """How much each column counts for each class, (T, K) in float64; they sum to 1 for a class.

    Args:
        columns: The T columns.
        weights: One for each.
        by_prompt: Whether a column counts once for every prompt that it has of a class. Then equal
            weights are the plain mean of all prompts; else that of all columns.

    >>> both = [Column("a {}", [["a cat"]]), Column("own", [["it purrs", "it meows", "it bites"]])]
    >>> column_shares(both, [1, 1])[:, 0].tolist(), column_shares(both, [1, 1], True)[:, 0].tolist()
    ([0.5, 0.5], [0.25, 0.75])
    """
    counts = torch.tensor([[len(own) for own in column.prompts] for column in columns])
    each = counts.double() if by_prompt else torch.ones(counts.shape, dtype=torch.double)
    shares = each * torch.as_tensor(weights, dtype=torch.double)[:, None]
    return shares / shares.sum(0)


def weighted_head(features: Tensor, shares: Tensor, scale: float) -> Tensor:
    """Rows (K, D) of a zero-shot head: the weighted mean of columns, unit length, times the scale.

    Args:
        features: Of the columns (T, K, D).
        shares: See `column_shares`.
        scale: exp(logit scale).
    """
    mean = torch.einsum("tk,tkd->kd", shares.to(features), features)
    return F.normalize(mean, dim=-1) * scale


def weighted_prompts(columns: Sequence[Column], shares: Tensor) -> tuple[Prompts, Weights | None]:
    """Every prompt of every class and its weight; no weights where all prompts count the same.

    Weights sum to 1 for each class. What several columns say of a class is said once, with the sum.

    Args:
        columns: The T columns.
        shares: See `column_shares`.

    >>> both = [Column("a {}", [["a cat"]]), Column("own", [["it purrs", "it meows"]])]
    >>> weighted_prompts(both, column_shares(both, [1, 1]))
    ([['a cat', 'it purrs', 'it meows']], [[0.5, 0.25, 0.25]])
    """
    prompts, counts = [], []
    for place, parts in enumerate(shares.T.tolist()):
        own: dict[str, float] = {}
        for column, part in zip(columns, parts, strict=True):
            texts = column.prompts[place]
            for text in texts:
                own[text] = own.get(text, 0.0) + part / len(texts)
        prompts.append(list(own))
        counts.append(list(own.values()))
    same = all(max(own) - min(own) < 1e-12 for own in counts)
    return prompts, None if same else counts
