"""`docs/format.md` names every file and field of what it describes."""

from dataclasses import fields
from pathlib import Path

import pytest
import torch

from adapt.export.answers import GraphAnswers
from adapt.export.base import FORMATS
from adapt.export.formats import lean, onnx, open_clip, peft, torch_program
from adapt.export.parity import PARITY
from adapt.export.record import RECORD, Record
from adapt.models.bundle.manifest import (
    FILES,
    KEYS,
    MANIFEST,
    OPTIONAL,
    SIGNATURE,
    SOMETIMES,
    UNCERTAINTY,
)
from adapt.models.bundle.read import PREPROCESSING
from adapt.models.cache_head import CacheHead
from adapt.models.prediction.uncertainty import Uncertainty

PAGE = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")
HEAD = CacheHead(
    torch.eye(2), torch.zeros(2), torch.eye(2), torch.eye(2), 1.0, 1, (torch.eye(2), torch.zeros(2))
)
WORDS = {
    "bundle": (*FILES, *OPTIONAL, MANIFEST, SIGNATURE, *KEYS, UNCERTAINTY, *SOMETIMES),
    "preprocessing": tuple(PREPROCESSING),
    "head": tuple(HEAD.state_dict()),
    "uncertainty": tuple(field.name for field in fields(Uncertainty)),
    "export": (
        *FORMATS.table(), RECORD, PARITY, onnx.FILE, torch_program.FILE, lean.ENCODER,
        open_clip.CONFIG, peft.SETTINGS, peft.WEIGHTS, "preprocess.py",
        *(field.name for field in fields(Record)),
    ),
    "outputs": GraphAnswers.names(),
}  # fmt: skip


@pytest.mark.parametrize("part", WORDS)
def test_every_name_is_on_the_page(part: str) -> None:
    missing = [word for word in WORDS[part] if f"`{word}`" not in PAGE]
    assert not missing
