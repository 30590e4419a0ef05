"""The feature-space method that cross-validation inside the training images favours."""

from dataclasses import dataclass, field

import torch
from torch import nn

from adapt.common.files import write_json
from adapt.data.image_data import ImageData
from adapt.errors import did_you_mean
from adapt.methods.auto.ranking import ZERO_SHOT, Ranking, head_of, rank_methods
from adapt.methods.base import get, register, schemas
from adapt.methods.features.base import HeadMethod, read_support
from adapt.methods.features.support import Support
from adapt.models.cache_head import CacheHead
from adapt.models.classifier import Classifier
from adapt.training.context import Context

PREFERRED = (
    "gda",
    "lp_plus_plus",
    "zs_lp",
    "linear_probe",
    "clap",
    "lp_plus_plus_clean",
    "cross_modal",
    "nearest_centroid",
    "tip_adapter_f",
    "task_residual",
    "tip_adapter",
    "knn",
)
"""By mean accuracy in docs/benchmarks/few_shot.md: the order of methods that are level."""
PREFERRED_OF_ONE = ("clap", "cross_modal", "task_residual", "zs_lp", "lp_plus_plus_clean")
"""The same where each class has one image, so that nothing can be held out; then `PREFERRED`. Of
the first three, which are as good, `clap` is least often below zero-shot."""
FILE = "ranking.json"


@register("auto")
@dataclass
class Auto(HeadMethod):
    """Rank feature-space methods on the support set alone, then fit the best on all of it.

    In a run `ranking.json` keeps the ranking with its uncertainty, and the learning curve of the
    best method. Of methods that the images do not tell apart the one is taken that was best in the
    documented comparison; so it is where no class has two images and nothing can be held out.

    Raises:
        ValueError: When a candidate is not a method on features.
    """

    candidates: list[str] = field(default_factory=list)
    """Methods to try, each with its defaults except `views`, which is set here; an empty list
    tries every feature-space method."""
    views: int = 1
    """Augmented views of each image; 1 is the evaluation view alone."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.candidates:
            feature_method(name)

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        """Put the head of the best method on a copy of the start."""
        context = context or Context()
        support = read_support(start, data, context, self.views)
        ranking, head = self.ranked_head(support)
        if context.folder is not None:
            write_json(context.folder / FILE, ranking.to_dict(start.class_names))
        return start.with_learned_head(head)

    def head(self, support: Support) -> nn.Linear | CacheHead:
        """The head of the best method."""
        return self.ranked_head(support)[1]

    def ranked_head(self, support: Support) -> tuple[Ranking, nn.Linear | CacheHead]:
        """The ranking, and the head of the best method fitted on all of the support set."""
        ranking = self.rank(support)
        best = None if ranking.best == ZERO_SHOT else feature_method(ranking.best)
        return ranking, head_of(best, support)

    def rank(self, support: Support) -> Ranking:
        """The candidates, from the best to the worst."""
        named = self.candidates or feature_methods()
        single = int(torch.bincount(support.targets).max()) == 1
        order = [*(PREFERRED_OF_ONE if single else ()), *PREFERRED, *named]
        names = [name for name in dict.fromkeys(order) if name in named]
        return rank_methods(support, {name: feature_method(name) for name in names})


def feature_methods() -> list[str]:
    """Names of all methods that fit a head on features, except `auto` itself."""
    known = {name: schema for name, schema in schemas(("heads",)).items() if schema is not Auto}
    return [name for name, schema in known.items() if hasattr(schema, "head")]


def feature_method(name: str) -> HeadMethod:
    """A feature-space method with its defaults.

    Raises:
        ValueError: When there is none of that name.
    """
    known = feature_methods()
    if name not in known:
        hint = did_you_mean(name, known)
        raise ValueError(
            f"candidates - no feature-space method - {name!r}{hint} - choose from "
            f"{', '.join(known)}"
        )
    chosen: HeadMethod = get(name)()
    return chosen
