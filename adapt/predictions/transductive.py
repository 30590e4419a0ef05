"""Predictions that know the whole set: its mix of classes, or what its images have in common."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from adapt.common.arrays import FloatArray
from adapt.errors import DataError, RecipeError
from adapt.evaluation.unlabelled.label_shift import most_likely_shift, with_mix
from adapt.evaluation.unlabelled.transclip import NEIGHBOURS, transclip
from adapt.export.load import Loaded, is_export
from adapt.models.bundle.reference import read_reference
from adapt.models.prediction.stream import Prediction
from adapt.models.prediction.uncertainty import Uncertainty
from adapt.predictions.settings import TRANSCLIP, PredictionSettings

NO_PRIOR = (
    "--transductive - the model does not say which mix of classes it expects - its bundle has no "
    "statistics of held-out images, or it is an export - give a bundle that a run of this version "
    "wrote, or `adapt.evaluation.unlabelled` a mix of your own"
)
Estimate = Callable[[FloatArray, FloatArray], FloatArray]
"""From probabilities (N, K) of a set and its features (N, D), or (N, 0), to better ones (N, K)."""


@dataclass(frozen=True)
class SetCorrection:
    """Answers again, once all images of a set have been answered by themselves.

    Attributes:
        model: Its classes, temperature and thresholds.
        settings: `transductive` says how; `top` and `threshold` shape the rows.
        estimate: The better probabilities.
    """

    model: Loaded
    settings: PredictionSettings
    estimate: Estimate

    @classmethod
    def of(cls, folder: Path, model: Loaded, settings: PredictionSettings) -> "SetCorrection":
        """The correction that the settings name, for a bundle.

        Args:
            folder: The bundle.
            model: As it was opened.
            settings: With `transductive`.

        Raises:
            RecipeError: When the mix is asked for and it has no statistics of held-out images.
        """
        if settings.transductive == TRANSCLIP:
            return cls(model, settings, _by_neighbours)
        reference = None if is_export(folder) else read_reference(folder)
        if reference is None:
            raise RecipeError(NO_PRIOR)
        prior = reference.prior

        def under_the_mix(probabilities: FloatArray, _: FloatArray) -> FloatArray:
            return with_mix(probabilities, prior, most_likely_shift(probabilities, prior))

        return cls(model, settings, under_the_mix)

    @property
    def needs_features(self) -> bool:
        """Whether predictions must come with their features."""
        return self.settings.transductive == TRANSCLIP

    def corrected(self, predictions: Iterator[Prediction]) -> Iterator[Prediction]:
        """The same predictions with better probabilities; all are read before the first.

        Label, confidence, abstention and conformal sets are those of the new probabilities;
        whether an image is unknown stays as it was.

        Args:
            predictions: With all classes listed; those with an error stay as they are.

        Raises:
            DataError: When there are too few images.
        """
        number = {name: place for place, name in enumerate(self.model.class_names)}
        kept, rows, features = list[Prediction](), list[FloatArray](), list[FloatArray]()
        for said in predictions:
            if said.error is None:
                row = np.empty(len(number))
                for name, value in said.top:
                    row[number[name]] = value
                rows.append(row)
                if self.needs_features and said.features is not None:
                    features.append(said.features.double().numpy())
            own = said.features if self.settings.features is not None else None
            kept.append(replace(said, top=[], features=own))
        if not rows:
            return iter(kept)
        shown = np.stack(features) if features else np.empty((len(rows), 0))
        return self._answers(kept, self.estimate(np.stack(rows), shown))

    def _answers(self, kept: list[Prediction], probabilities: FloatArray) -> Iterator[Prediction]:
        names, temperature = self.model.class_names, float(self.model.temperature)
        logits = temperature * np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
        stored = self.model.uncertainty or Uncertainty()
        verdicts = stored.verdicts(probabilities, logits, temperature)
        row = -1
        for said in kept:
            if said.error is not None:
                yield said
                continue
            row += 1
            own = probabilities[row]
            order = np.argsort(-own, kind="stable").tolist()
            confidence = float(own[order[0]])
            least = self.settings.threshold
            yield replace(
                said,
                label=names[order[0]],
                confidence=confidence,
                top=[(names[place], float(own[place])) for place in order[: self.settings.top]],
                abstained=bool(verdicts.abstained[row]) if least is None else confidence < least,
                labels=tuple(names[place] for place in order if verdicts.sets[row, place]),
            )


def _by_neighbours(probabilities: FloatArray, features: FloatArray) -> FloatArray:
    if len(features) <= NEIGHBOURS:
        raise DataError(
            f"--transductive {TRANSCLIP} - too few images to know each other - {len(features)} "
            f"without an error - give at least {NEIGHBOURS + 1}, or leave it out"
        )
    return transclip(features, probabilities)
