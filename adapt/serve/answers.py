"""What clients are told: predictions, and refusals without paths of this machine."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from adapt.data.decoding.formats import AGAIN, DAMAGED, NEEDS_HEIC, ImageError
from adapt.models.prediction.stream import Prediction
from adapt.models.prediction.uncertainty import Uncertainty

CLOSED_BY_CLIENT = 499
"""As nginx counts them: nobody is there to be answered."""
_STATUS = {
    "too many pixels": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "not an image": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "not an image that is read": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    NEEDS_HEIC: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}


class Refusal(Exception):
    """A request, or one image of it, that gets no answer.

    Args:
        status: Of HTTP, 400 or above.
        reason: What is wrong, what was given and what to do; shown to the client.
        headers: Of the response.
    """

    def __init__(self, status: int, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.headers = int(status), reason, headers or {}


def busy(reason: str) -> Refusal:
    """Refusal of what could be taken a moment later.

    >>> busy("full").headers
    {'Retry-After': '1'}
    """
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, reason, {"Retry-After": "1"})


def refused_image(error: ImageError) -> Refusal:
    """The refusal of an image that cannot be read.

    What decoders say of damage is left out: it may hold anything, such as the address of an object.

    >>> from adapt.data.decoding.formats import refuse
    >>> refused = refused_image(refuse("<bytes>", "empty file", "0 bytes", "copy it again"))
    >>> refused.status, refused.reason
    (422, 'empty file - 0 bytes - copy it again')
    """
    status = _STATUS.get(error.reason, HTTPStatus.UNPROCESSABLE_ENTITY)
    if error.reason == DAMAGED:
        return Refusal(status, f"{DAMAGED} - {AGAIN}")
    _, _, sentence = str(error).partition(" - ")
    return Refusal(status, sentence.replace(", or raise max_pixels if you trust it", ""))


@dataclass(frozen=True)
class Parts:
    """Which verdicts a model gives; those that it does not give are null."""

    abstained: bool
    set: bool
    unknown: bool
    labels: bool = False
    """Whether an image may have several labels, which are then listed."""

    @classmethod
    def of(cls, own: Uncertainty | None, several: bool = False) -> "Parts":
        """Those for which thresholds are stored.

        Args:
            own: Thresholds of the model.
            several: Whether an image may have several labels.

        >>> Parts.of(None)
        Parts(abstained=False, set=False, unknown=False, labels=False)
        """
        own = own or Uncertainty()
        return cls(
            own.abstain_below is not None,
            own.conformal_threshold is not None,
            own.unknown_threshold is not None,
            several,
        )


def result(answer: Prediction | Refusal, parts: Parts, top: int) -> dict[str, Any]:
    """One image's part of a response.

    Args:
        answer: What was predicted, or why nothing was.
        parts: The verdicts that the model gives.
        top: How many classes are listed.

    >>> result(Refusal(422, "empty file"), Parts.of(None), 5)
    {'status': 422, 'error': 'empty file'}
    """
    if isinstance(answer, Prediction) and answer.error is not None:
        reason = f"{answer.reason} - the model is broken: check it with `adapt verify`"
        answer = Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, reason)
    if isinstance(answer, Refusal):
        return {"status": answer.status, "error": answer.reason}
    several = {"labels": list(answer.labels)} if parts.labels else {}
    return {
        "status": 200,
        "label": answer.label,
        **several,
        "confidence": answer.confidence,
        "top": [{"label": name, "probability": value} for name, value in answer.top[:top]],
        "abstained": answer.abstained if parts.abstained else None,
        "set": list(answer.labels) if parts.set else None,
        "unknown": answer.unknown if parts.unknown else None,
    }
