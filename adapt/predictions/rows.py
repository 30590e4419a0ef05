"""From a prediction to a row of a table."""

from adapt.models.prediction.stream import Prediction
from adapt.models.prediction.uncertainty import Uncertainty
from adapt.predictions.outputs.base import Row

FIXED = ("path", "label", "confidence")


LABELS = "labels"


def column_names(
    stored: Uncertainty | None, top: int, threshold: float | None, several: bool = False
) -> list[str]:
    """The columns of a table.

    Args:
        stored: Thresholds of the model: each part that is used has a column.
        top: Classes that are listed.
        threshold: Given in place of the stored one.
        several: Whether an image may have several labels: then they are listed, too.

    >>> column_names(None, 3, 0.5)
    ['path', 'label', 'confidence', 'top3', 'error', 'reason', 'abstained']
    """
    own = stored or Uncertainty()
    thresholds = {
        "abstained": own.abstain_below if threshold is None else threshold,
        "set": own.conformal_threshold,
        "unknown": own.unknown_threshold,
    }
    more = [name for name, value in thresholds.items() if value is not None]
    return [*FIXED, f"top{top}", "error", "reason", *([LABELS] if several else []), *more]


def row_of(prediction: Prediction, columns: list[str]) -> Row:
    """The cells of a prediction, typed; of an image with an error, all but its path are None.

    >>> row_of(Prediction("a.png", "cat", 0.9, [("cat", 0.9)]), column_names(None, 1, None))["top1"]
    [{'label': 'cat', 'probability': 0.9}]
    """
    good = prediction.error is None
    top = [{"label": label, "probability": value} for label, value in prediction.top]
    cells = {
        "path": prediction.source,
        "label": prediction.label,
        "confidence": prediction.confidence if good else None,
        columns[len(FIXED)]: top if good else None,
        "error": prediction.error,
        "reason": prediction.reason,
        "abstained": prediction.abstained if good else None,
        "set": list(prediction.labels) if good else None,
        LABELS: list(prediction.labels) if good else None,
        "unknown": prediction.unknown if good else None,
    }
    return {name: cells[name] for name in columns}
