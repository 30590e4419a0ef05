"""One door for pickles, and only tensors come through it."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from adapt.errors import ModelError, RecipeError, WeightsError
from adapt.models.convert import convert_weights


@pytest.mark.parametrize("wrap", [dict, lambda state: {"state_dict": state, "epoch": 3}])
def test_tensors_come_through(wrap: object, tmp_path: Path) -> None:
    state = {"module.a._orig_mod.w": torch.arange(3.0), "module.b": torch.ones(2)[::2]}
    torch.save(wrap(state), tmp_path / "w.pt")  # type: ignore[operator]
    target = convert_weights(tmp_path / "w.pt", tmp_path / "w.safetensors", trust=True)
    read = load_file(target)
    assert read.keys() == {"a.w", "b"}
    assert torch.equal(read["a.w"], torch.arange(3.0))


def test_what_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "w.pt")
    target = tmp_path / "w.safetensors"
    with pytest.raises(RecipeError, match="--trust"):
        convert_weights(tmp_path / "w.pt", target)
    with pytest.raises(RecipeError, match="another ending"):
        convert_weights(tmp_path / "w.pt", tmp_path / "w.bin", trust=True)
    for content, expected in ((3, "int"), ({"a": "text"}, "'a' is a str"), ({}, "dict")):
        torch.save(content, tmp_path / "w.pt")
        with pytest.raises(ModelError, match=f"not a state dict - {expected}"):
            convert_weights(tmp_path / "w.pt", target, trust=True)
    torch.save({"a": torch.tensor([float("nan")])}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="NaN"):
        convert_weights(tmp_path / "w.pt", target, trust=True)
    (tmp_path / "w.pt").write_bytes(pickle.dumps(print))
    with pytest.raises(ModelError, match="cannot be converted") as caught:
        convert_weights(tmp_path / "w.pt", target, trust=True)
    assert "weights_only" not in str(caught.value)
    assert not target.exists()
    target.write_bytes(b"")
    with pytest.raises(RecipeError, match="exists"):
        convert_weights(tmp_path / "w.pt", target, trust=True)
