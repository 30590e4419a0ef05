"""The feature-space method that cross-validation inside the training images favours."""

from dataclasses import dataclass, field

import torch
from torch import nn

from adapt.common.files import write_json
from adapt.data.image_data import ImageData
from adapt.methods.auto.mixture import MIXTURE, Mixture
from adapt.methods.auto.ranking import Ranking, rank_and_fit, rank_methods
from adapt.methods.base import register
from adapt.methods.features.base import HeadMethod, read_support
from adapt.methods.features.named import feature_method
from adapt.methods.features.support import Support
from adapt.models.cache_head import CacheHead
from adapt.models.classifier import Classifier
from adapt.training.context import Context

PREFERRED = (
    MIXTURE,
    "kernel_ridge",
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
PREFERRED_OF_ONE = (MIXTURE, "clap", "cross_modal", "task_residual", "zs_lp", "lp_plus_plus_clean")
"""The same where each class has one image, so that nothing can be held out; then `PREFERRED`."""
WITHOUT_TEXT = (MIXTURE, "gda", "kernel_ridge", "zs_lp", "lp_plus_plus", "linear_probe")
"""The same where all classes have the same text direction, so that zero-shot says nothing."""
WITHOUT_TEXT_OF_ONE = ("cross_modal", "task_residual")
"""The same with one image per class."""
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

    composed = True

    candidates: list[str] = field(default_factory=list)
    """Methods to try, each with its defaults except `views`, which is set here; an empty list
    tries those of the documented comparison."""
    views: int = 1
    """Augmented views of each image; 1 is the evaluation view alone."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.candidates:
            _candidate(name)

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
        return rank_and_fit(support, self._methods(support))

    def rank(self, support: Support) -> Ranking:
        """The candidates, from the best to the worst."""
        return rank_methods(support, self._methods(support))

    def _methods(self, support: Support) -> dict[str, HeadMethod]:
        """The candidates by name, the one expected to be best first."""
        order = list(dict.fromkeys(_order(support)))
        named = self.candidates or order
        return {n: _candidate(n) for n in dict.fromkeys([*order, *named]) if n in named}


def _candidate(name: str) -> HeadMethod:
    return Mixture() if name == MIXTURE else feature_method(name)


def _order(support: Support) -> list[str]:
    """Methods as the documented comparison ranks them for such a support set."""
    single = int(torch.bincount(support.targets).max()) == 1
    if support.without_text:
        return [*(WITHOUT_TEXT_OF_ONE if single else ()), *WITHOUT_TEXT, *PREFERRED]
    return [*(PREFERRED_OF_ONE if single else ()), *PREFERRED]
