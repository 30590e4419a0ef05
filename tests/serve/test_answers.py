"""Predictions and refusals as they are told; nothing of this machine is."""

import pytest

from adapt.data.decoding.formats import DAMAGED, NEEDS_HEIC, refuse
from adapt.data.decoding.open import ImageError, open_image
from adapt.models.prediction.stream import BROKEN, NO_NUMBERS, Prediction
from adapt.models.prediction.uncertainty import Uncertainty
from adapt.serve.answers import Parts, refused_image, result

ANSWER = Prediction("x", "a", 0.6, [("a", 0.6), ("b", 0.4)], labels=("a",), unknown=True)


def test_verdicts_that_are_not_given_are_null() -> None:
    nothing = {"abstained": None, "set": None, "unknown": None}
    plain = {"status": 200, "label": "a", "confidence": 0.6}
    top = [{"label": "a", "probability": 0.6}]
    assert result(ANSWER, Parts.of(None), 1) == {**plain, "top": top, **nothing}
    detector = Uncertainty(unknown_detector="msp", unknown_threshold=0.5)
    assert result(ANSWER, Parts.of(detector), 1)["unknown"] is True
    sets = Uncertainty(conformal_threshold=0.5, conformal_level=0.9)
    assert result(ANSWER, Parts.of(sets), 1)["set"] == ["a"]
    abstains = Uncertainty(abstain_below=0.7, abstain_coverage=0.9)
    assert result(ANSWER, Parts.of(abstains), 1)["abstained"] is False


def test_a_model_without_numbers_is_a_fault_of_the_server() -> None:
    broken = Prediction("x", None, 0.0, [], BROKEN, reason=NO_NUMBERS)
    given = result(broken, Parts.of(None), 5)
    assert (given["status"], given["error"].startswith(NO_NUMBERS)) == (500, True)


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("too many pixels", 413),
        ("not an image", 415),
        ("not an image that is read", 415),
        (NEEDS_HEIC, 415),
        (DAMAGED, 422),
        ("empty file", 422),
        ("has no pixels", 422),
    ],
)
def test_statuses(reason: str, status: int) -> None:
    assert refused_image(refuse("<bytes>", reason, "given", "advice")).status == status


def test_what_a_decoder_says_is_left_out() -> None:
    error = refuse("<bytes>", DAMAGED, "broken at <object 0x7f00> in /home/somebody", "copy it")
    assert refused_image(error).reason == f"{DAMAGED} - copy or export the image again"


def test_reasons_are_those_of_the_decoder() -> None:
    for content, status in [(b"", 422), (b"text", 415), (b"\xff\xd8\xff\xe0", 422), (b"%PDF", 415)]:
        with pytest.raises(ImageError) as caught:
            open_image(content)
        refused = refused_image(caught.value)
        assert (refused.status, "<bytes>" in refused.reason) == (status, False)
