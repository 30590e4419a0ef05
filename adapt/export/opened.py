"""An exported model that predicts as a `Classifier` does."""

from collections.abc import Iterator
from pathlib import Path

import torch

from adapt.data.decoding.preprocessing import PixelArray
from adapt.errors import BundleError, RecipeError
from adapt.export.answers import Runtime
from adapt.export.base import format_of
from adapt.export.record import Record
from adapt.models.bundle.manifest import COPY
from adapt.models.prediction.inputs import Inputs
from adapt.models.prediction.stream import Judged, Prediction, Predictor
from adapt.models.prediction.uncertainty import Verdicts


class ExportedClassifier:
    """What `adapt.load` gives for a folder that `adapt export` wrote.

    Args:
        record: What the model is.
        runtime: From images to answers.
    """

    def __init__(self, record: Record, runtime: Runtime) -> None:
        self.record, self.runtime = record, runtime
        self.class_names, self.temperature = record.class_names, record.temperature
        self.preprocessing, self.uncertainty = record.parts()
        self.labelling = record.labelling

    @classmethod
    def load(cls, folder: Path, trust: bool = False) -> "ExportedClassifier":
        """Check the files of a folder and open them.

        Args:
            folder: What `adapt export` wrote.
            trust: Whether to open a format that can run code.

        Raises:
            BundleError: When it is no export, altered, or of a format that can run code and is not
                trusted.
            MissingExtraError: When its runtime is not installed.
        """
        record = Record.read(folder)
        wanted = format_of(record.to)
        wanted.check_trusted(folder, record.to, trust)
        return cls(record, wanted.read(folder, record))

    def to(self, device: str) -> "ExportedClassifier":
        """Itself: exports compute on the CPU here.

        Raises:
            RecipeError: When another device is asked for.
        """
        if device != "cpu":
            raise RecipeError(
                f"device - an export runs on the CPU here - {device} - use --device cpu, the "
                "bundle itself, or the runtime of the format"
            )
        return self

    def predict(self, inputs: Inputs, batch_size: int = 64, top: int = 5) -> list[Prediction]:
        """As `Classifier.predict`."""
        return list(self.predict_iter(inputs, batch_size, top))

    def predict_iter(
        self, inputs: Inputs, batch_size: int = 64, top: int = 5
    ) -> Iterator[Prediction]:
        """As `Classifier.predict_iter`."""
        return self.predictor.stream(inputs, batch_size, top)

    @property
    def predictor(self) -> Predictor:
        """As `Classifier.predictor`."""
        label = self.labelling.label
        return Predictor(self._judged, self.class_names, self.preprocessing, label=label)

    def _judged(self, images: PixelArray) -> Judged:
        answers = self.runtime(images)
        if answers.probabilities.shape != (len(images), len(self.class_names)):
            given = f"{answers.probabilities.shape} for {len(images)} images"
            raise BundleError(
                f"{self.record.to} - not one probability per class - {given} and "
                f"{len(self.class_names)} classes - {COPY}"
            )
        verdicts = Verdicts(answers.abstained, answers.conformal_set, answers.unknown)
        features = torch.from_numpy(answers.features)
        return Judged(torch.from_numpy(answers.probabilities), verdicts, features)
