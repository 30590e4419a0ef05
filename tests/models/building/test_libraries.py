"""What open_clip builds models with, found when it is needed."""

import logging
import warnings

import open_clip
import pytest

from adapt.models.building.libraries import find_timm, find_transformers, quiet


def test_what_is_there_is_left_alone() -> None:
    """Where open_clip was imported whole, as in these tests, nothing is loaded again."""
    before = open_clip.model.TimmModel, open_clip.model.HFTextEncoder
    find_timm()
    find_transformers()
    assert (open_clip.model.TimmModel, open_clip.model.HFTextEncoder) == before


def test_what_was_left_out_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (open_clip.timm_model, "TimmModel"),
        (open_clip.hf_model, "HFTextEncoder"),
    ):
        monkeypatch.setattr(open_clip.model, name, getattr(open_clip.model, name))
        monkeypatch.setattr(module, name, getattr(module, name))
    monkeypatch.setattr(open_clip.timm_model, "timm", None)
    monkeypatch.setattr(open_clip.hf_model, "transformers", None)
    find_timm()
    find_transformers()
    assert open_clip.timm_model.timm.__name__ == "timm"
    assert open_clip.hf_model.transformers.__name__ == "transformers"
    assert open_clip.model.TimmModel is open_clip.timm_model.TimmModel


def test_quiet_for_as_long_as_it_lasts() -> None:
    level = logging.getLogger().level
    with quiet():
        assert logging.getLogger().level == logging.ERROR
        with warnings.catch_warnings(record=True) as caught:
            warnings.warn("QuickGELU mismatch between two", stacklevel=1)
        assert caught == []
    assert logging.getLogger().level == level
