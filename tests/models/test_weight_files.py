"""What is said of weights that cannot be used."""

import pickle
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from adapt.errors import ModelError, WeightsError
from adapt.models.weight_files import (
    WeightSource,
    check_finite,
    check_reachable,
    check_state,
    check_weights_file,
    hub_source,
    plain_names,
    uncompiled,
    unreadable,
)
from tests.helpers.hub import add_repository, use_hub


@pytest.mark.parametrize("name", ["w.pt", "w.BIN", "w.ckpt", "w.pkl", "w.pth"])
def test_pickles_are_refused_with_the_way_to_convert_them(name: str) -> None:
    with pytest.raises(ModelError, match=r"a pickle - .* adapt convert .*w\.safetensors --trust"):
        check_weights_file(name)


def test_other_files() -> None:
    check_weights_file("w.safetensors")
    with pytest.raises(ModelError, match=r"not a file of weights - .npz"):
        check_weights_file("w.npz")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"a": torch.zeros(2), "b": torch.zeros(1)}, "b: float32 (1,), expected none"),
        ({}, "a: missing, expected float32 (2,)"),
        ({"a": torch.zeros(3)}, "a: float32 (3,), expected float32 (2,)"),
        ({"a": torch.zeros(2, dtype=torch.float16)}, "a: float16 (2,), expected float32 (2,)"),
    ],
)
def test_another_state(given: dict[str, torch.Tensor], expected: str) -> None:
    with pytest.raises(ModelError) as caught:
        check_state(given, {"a": torch.zeros(2)}, "it")
    assert f"weights - do not fit it - {expected}" in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_a_number(value: float) -> None:
    check_finite({"a": torch.zeros(2), "count": torch.tensor(3)}, "it")
    with pytest.raises(WeightsError, match="it: b has 1 values that are NaN or infinite") as caught:
        check_finite({"a": torch.zeros(2), "b": torch.tensor([0.0, value])}, "it")
    assert caught.value.exit_code == 4


def test_names_and_parts_of_compiled_models() -> None:
    plain = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
    expected = list(plain.state_dict())
    compiled = torch.nn.Sequential(torch.compile(plain[0]), torch.compile(plain[1]))
    assert list(compiled.state_dict()) != expected
    assert list(plain_names(compiled.state_dict())) == expected
    assert list(uncompiled(torch.compile(compiled)).state_dict()) == expected


def test_the_broken_file_is_named_with_its_folder(tmp_path: Path) -> None:
    config, weights = tmp_path / "open_clip_config.json", tmp_path / "w.safetensors"
    source = WeightSource(tmp_path, [config, weights])
    config.write_text("{}")
    save_file({"a": torch.zeros(1)}, weights)
    message = str(unreadable("x", "-", source, RuntimeError("size mismatch")))
    assert message.startswith(f"{weights} - cannot be used - it does not fit x: size mismatch")
    assert str(tmp_path) in message
    weights.write_bytes(weights.read_bytes()[:-1])
    assert f"{weights} - cannot be used - damaged" in str(unreadable("x", "-", source, OSError()))
    config.write_text("{")
    message = str(unreadable("x", "-", source, OSError("offline")))
    assert message.startswith(f"{config} - cannot be used - damaged")
    assert "network" not in message


def test_what_is_not_here_is_a_matter_of_the_network(tmp_path: Path) -> None:
    source = WeightSource(tmp_path, [tmp_path / "w.safetensors"])
    message = str(unreadable("x", "tag", source, OSError("offline")))
    assert f"not in {tmp_path}: check the name and the network" in message


def test_a_pickle_in_a_cache_is_not_praised(tmp_path: Path) -> None:
    evil = tmp_path / "w.bin"
    evil.write_bytes(pickle.dumps(print))
    message = str(unreadable("x", "tag", WeightSource(tmp_path, [evil]), OSError()))
    assert "w.bin - cannot be used - damaged, or not only tensors" in message
    assert "weights_only" not in message


def test_what_the_hub_cache_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_hub(tmp_path, monkeypatch)
    snapshot = add_repository(tmp_path, "org/name", {"a.json": b"{}"})
    source = hub_source("org/name", ("a.json", "b.safetensors"))
    assert source.files == [snapshot / "a.json"]
    assert source.folder == tmp_path / "models--org--name"


@pytest.mark.parametrize("held", [[], ["open_clip_config.json"], ["a.safetensors"]])
@pytest.mark.parametrize("setting", ["", "offline", "proxy", "elsewhere"])
def test_a_hub_that_cannot_be_reached_is_said_at_once(
    held: list[str], setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where weights are missing and nothing else decides; no name is looked up otherwise."""
    asked: list[str] = []

    def lookup(host: str, port: int) -> None:
        asked.append(host)
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("adapt.models.weight_files.socket.getaddrinfo", lookup)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", setting == "offline")
    proxies = {"https": "http://proxy"} if setting == "proxy" else {}
    monkeypatch.setattr("adapt.models.weight_files.getproxies", lambda: proxies)
    folder = tmp_path / ("deep/models--a" if setting == "elsewhere" else "models--a")
    folder.mkdir(parents=True)
    for name in held:
        (folder / name).touch()
    source = WeightSource(folder, [folder / name for name in held])
    if setting == "" and held != ["a.safetensors"]:
        with pytest.raises(ConnectionError, match=r"huggingface.co cannot be reached \(Name or"):
            check_reachable(source)
        assert asked == ["huggingface.co"]
    else:
        check_reachable(source)
        assert not asked
