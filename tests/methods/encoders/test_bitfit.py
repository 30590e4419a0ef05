"""BitFit trains biases, one encoder's or both."""

import adapt
from adapt.models.classifier import Classifier
from tests.helpers.methods import SETTINGS


def test_biases_of_the_encoders_asked_for(start: Classifier) -> None:
    """Of the text encoder as many as its layers have; the head's bias is not among them."""
    assert "bitfit" not in SETTINGS
    trained = {}
    for encoder in ("image", "text", "both"):
        prepared = adapt.method("bitfit", encoder=encoder).prepare(start)
        trained[encoder] = {n for n, p in prepared.named_parameters() if p.requires_grad}
    assert trained["both"] == trained["image"] | trained["text"]
    assert not trained["image"] & trained["text"]
    assert all(name.endswith("bias") for name in trained["both"])
    assert "head.bias" not in trained["both"]
    text = {name for name in trained["text"] if not name.startswith("backbone.model.visual.")}
    assert trained["text"] == text
    # Two blocks of two norms, two layers of the MLP and two of the attention; and the last norm.
    assert len(text) == 2 * 6 + 1
