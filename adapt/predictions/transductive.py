"""Predictions that know the whole set: probabilities under the mix of classes that it has."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from adapt.common.arrays import FloatArray
from adapt.errors import RecipeError
from adapt.evaluation.unlabelled.label_shift import most_likely_shift, with_mix
from adapt.export.load import Loaded, is_export
from adapt.models.bundle.reference import read_reference
from adapt.models.prediction.stream import Prediction
from adapt.models.prediction.uncertainty import Uncertainty

NO_PRIOR = (
    "--transductive - the model does not say which mix of classes it expects - its bundle has no "
    "statistics of held-out images, or it is an export - give a bundle that a run of this version "
    "wrote, or `adapt.evaluation.unlabelled` a mix of your own"
)


@dataclass(frozen=True)
class MixCorrection:
    """Corrects probabilities by the mix of classes that the images themselves suggest.

    Attributes:
        model: Its classes, temperature and thresholds.
        prior: The mix that its probabilities expect, shape (K,).
        top: Classes that each prediction lists.
        threshold: Confidence below which it abstains, in place of the stored one.
    """

    model: Loaded
    prior: FloatArray
    top: int
    threshold: float | None = None

    @classmethod
    def of(
        cls, folder: Path, model: Loaded, top: int, threshold: float | None = None
    ) -> "MixCorrection":
        """The correction for a bundle.

        Args:
            folder: The bundle.
            model: As it was opened.
            top: See `MixCorrection`.
            threshold: See `MixCorrection`.

        Raises:
            RecipeError: When it has no statistics of held-out images.
        """
        reference = None if is_export(folder) else read_reference(folder)
        if reference is None:
            raise RecipeError(NO_PRIOR)
        return cls(model, reference.prior, top, threshold)

    def corrected(self, predictions: Iterator[Prediction]) -> Iterator[Prediction]:
        """The same predictions under the most likely mix (MLLS); all are read before the first.

        Label, confidence, abstention and conformal sets are those of the corrected probabilities;
        whether an image is unknown does not depend on the mix.

        Args:
            predictions: With all classes listed; those with an error stay as they are.
        """
        number = {name: place for place, name in enumerate(self.model.class_names)}
        kept, rows = list[Prediction](), list[np.ndarray]()
        for said in predictions:
            if said.error is None:
                row = np.empty(len(number))
                for name, value in said.top:
                    row[number[name]] = value
                rows.append(row)
            kept.append(replace(said, top=[]))
        if not rows:
            return iter(kept)
        probabilities = np.stack(rows)
        mix = most_likely_shift(probabilities, self.prior)
        return self._answers(kept, with_mix(probabilities, self.prior, mix))

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
            least = self.threshold
            yield replace(
                said,
                label=names[order[0]],
                confidence=confidence,
                top=[(names[place], float(own[place])) for place in order[: self.top]],
                abstained=bool(verdicts.abstained[row]) if least is None else confidence < least,
                labels=tuple(names[place] for place in order if verdicts.sets[row, place]),
            )
