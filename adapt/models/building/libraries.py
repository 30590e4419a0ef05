"""What open_clip builds models with, found when it is needed, and kept quiet."""

import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import open_clip


def find_transformers() -> None:
    """Let open_clip see transformers where it was imported without it, as `adapt predict` does."""
    if open_clip.hf_model.transformers is None:
        open_clip.model.HFTextEncoder = importlib.reload(open_clip.hf_model).HFTextEncoder


def find_timm() -> None:
    """The same for timm, which image encoders other than open_clip's own come from."""
    if open_clip.timm_model.timm is None:
        open_clip.model.TimmModel = importlib.reload(open_clip.timm_model).TimmModel


@contextmanager
def offline() -> Iterator[None]:
    """What the hub's cache lacks is an error at once, not a request."""
    from huggingface_hub import constants

    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@contextmanager
def quiet() -> Iterator[None]:
    """open_clip reports through warnings and the root logger what we turn into errors.

    peft asks transformers for what it calls deprecated, which no user of ours can change.
    """
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="QuickGELU mismatch")
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        try:
            yield
        finally:
            logging.getLogger().setLevel(level)
