"""Logged with W&B itself, which writes to a folder here; what it kept is loaded again."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adapt.errors import BundleError, MissingExtraError, ModelError, RecipeError, RunError
from adapt.export.load import load
from adapt.export.registries.wandb import load_model, log_model
from tests.helpers.commands import ROOT
from tests.helpers.tiny import bit_equal, weights


@pytest.fixture
def wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module `wandb`, offline."""
    places = {"WANDB_DIR": "", "WANDB_CACHE_DIR": "cache", "WANDB_DATA_DIR": "data",
              "WANDB_CONFIG_DIR": "config", "NETRC": "netrc"}  # fmt: skip
    for name, folder in places.items():
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    module = pytest.importorskip("wandb", reason="the extra `wandb` is not installed")
    yield module
    module.finish()


class Kept:
    """What a logged artifact gives back, from the files that W&B staged."""

    def __init__(self, logged: Any) -> None:
        self.name, self.size, self.manifest = f"{logged.name}:v0", logged.size, logged.manifest

    def download(self, root: str, skip_cache: bool) -> str:
        for name, entry in self.manifest.entries.items():
            shutil.copyfile(entry.local_path, Path(root, name))
        return root


@pytest.mark.parametrize("kind", ["bundle", "export"])
def test_logged_and_loaded(wandb: Any, shipped: dict[str, Path], kind: str) -> None:
    with wandb.init(project="p") as run:
        logged = log_model(shipped[kind], "pets", run)
        assert (logged.type, logged.name) == ("model", "pets")
        there = {path.name: path.read_bytes() for path in shipped[kind].iterdir()}
        kept = logged.manifest.entries
        assert {name: Path(own.local_path).read_bytes() for name, own in kept.items()} == there
        listing = "export.json" if kind == "export" else "classifier.json"
        own = json.loads(there[listing])
        assert logged.metadata == {"adapt": own["adapt"], "classes": 3, "sha256": own["sha256"]}
        again = load_model(Kept(logged))
    if kind == "bundle":
        assert bit_equal(weights(again), weights(load(shipped[kind])))
    image = ROOT / "docs" / "figures"
    assert again.predict([str(image)]) == load(shipped[kind]).predict([str(image)])


def test_what_was_altered_or_is_another(
    wandb: Any, shipped: dict[str, Path], tmp_path: Path
) -> None:
    with wandb.init(project="p") as run:
        kept = Kept(log_model(shipped["plain"], "pets", run))
        Path(kept.manifest.entries["head.safetensors"].local_path).write_bytes(b"")
        with pytest.raises(BundleError, match="altered"):
            load_model(kept)
        with pytest.raises(RecipeError, match="larger than allowed"):
            load_model(kept, most_bytes=1000)
        other = wandb.Artifact("other", type="model")
        other.add_reference((tmp_path / "data").as_uri(), name="secret.json", checksum=False)
        with pytest.raises(BundleError, match=r"not a model of adapt - it holds 'secret"):
            load_model(Kept(other))
        kept.manifest = SimpleNamespace(entries={"../a.json": SimpleNamespace(ref=None)})
        with pytest.raises(BundleError, match="not a model of adapt"):
            load_model(kept)


def test_failures_in_words(wandb: Any, shipped: dict[str, Path]) -> None:
    with pytest.raises(RunError, match=r"no run is active.*wandb\.init"):
        log_model(shipped["plain"], "pets")
    for name in ("me/p/pets", "me/p/pets:latest"):
        with pytest.raises(RecipeError, match="version not pinned"):
            load_model(name)
    with pytest.raises(ModelError, match=r"cannot be had from W&B"):
        load_model("me/p/pets:v3")


def test_without_wandb(shipped: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'adapt-clip\[wandb\]'"):
        log_model(shipped["plain"], "pets")
