"""The embedded drawings with their names as captions."""

import pytest

from adapt.data.sources.captions.drawings import EmbeddedPairsSource, name_of
from adapt.data.sources.captions.pairs import captions_of, has_pairs


def test_names_are_captions() -> None:
    images = EmbeddedPairsSource(name="pictograms", domain="emoji").read(None, "train")
    assert has_pairs(images)
    captions = captions_of(images)
    assert all(name_of(path) == own[0] for path, own in zip(images.paths, captions, strict=True))
    assert ["cat", "an icon of a cat"] in captions
    assert len({own[0] for own in captions}) > 250
    with pytest.raises(ValueError, match="retention"):
        EmbeddedPairsSource(name="pictograms", domain="emoji", retention=True)
