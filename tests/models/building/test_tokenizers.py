"""A packed tokenizer gives the tokens of open_clip's own wrapper."""

from pathlib import Path

import open_clip
import pytest
import torch
from open_clip.tokenizer import HFTokenizer, get_clean_fn

from adapt.errors import ModelError
from adapt.models.building.tokenizers import PackedTokenizer, pack_tokenizer
from tests.helpers.hub import letter_tokenizer

TEXTS = ["a photo of a cat.", "x", "", "Ünïcode, and  spaces ", "long " * 40]


@pytest.mark.parametrize("strip", [False, True])
@pytest.mark.parametrize("clean", ["whitespace", "canonicalize"])
def test_tokens_are_equal(clean: str, strip: bool, tmp_path: Path) -> None:
    letter_tokenizer(tmp_path)
    own = HFTokenizer(str(tmp_path), context_length=14, clean=clean, strip_sep_token=strip)
    again = PackedTokenizer(pack_tokenizer(own), get_clean_fn(clean), strip)
    tokens = again(TEXTS)
    assert tokens.shape == (5, 14)
    assert torch.equal(tokens, own(TEXTS))
    assert bool((tokens == 0).sum() > 5) is strip, "separators become 0, as the first token is"


def test_what_cannot_be_packed(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be kept in a saved model - SimpleTokenizer"):
        pack_tokenizer(open_clip.SimpleTokenizer())
    letter_tokenizer(tmp_path)
    with pytest.raises(ModelError, match="cannot be kept"):
        pack_tokenizer(HFTokenizer(str(tmp_path), tokenizer_mode="clips"))
    with pytest.raises(ModelError, match="tokenizer - cannot be read"):
        PackedTokenizer("{}", str, False)
