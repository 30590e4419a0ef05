"""Pushed and pulled through the real client, against a hub on this machine."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import open_clip
import pytest
import torch

from adapt.errors import AdaptError, BundleError, ModelError, RecipeError, RunError
from adapt.export.registries.hub import pull, push
from adapt.export.signature import sign
from adapt.models.bundle.manifest import MANIFEST
from adapt.models.classifier import Classifier
from tests.export.registries.conftest import CARD
from tests.helpers.bundles import edit
from tests.helpers.hub_server import TOKEN, Hub, Repository, ask_only, serving

NAME = "me/animals"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving() as own:
        ask_only(own, tmp_path / "home", monkeypatch)
        yield own


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def forget_sessions() -> None:
    """Before version 1 the client asked only once whether it is offline."""
    getattr(huggingface_hub.utils._http, "reset_sessions", lambda: None)()


def placed(hub: Hub, content: dict[str, bytes], private: bool = False) -> str:
    """A repository with these files; returns its commit."""
    own = hub.repositories[NAME] = Repository(private)
    own.commit({".gitattributes": b""})
    return own.commit(content)


@pytest.mark.parametrize("kind", ["bundle", "plain", "export", "hub"])
def test_what_is_pulled_is_what_was_pushed(
    hub: Hub, shipped: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    pushed = push(shipped[kind], NAME)
    own = hub.repositories[NAME]
    assert own.private
    held, there = own.commits[-1][1], files(shipped[kind])
    assert pushed.commit == own.commits[-1][0]
    assert set(held) == {*there, "README.md", ".gitattributes"} == {*pushed.files, ".gitattributes"}
    assert {name: held[name] for name in there} == there
    pulled = pull(f"{NAME}@{pushed.commit}", tmp_path / "new")
    assert files(tmp_path / "new") == there
    assert (pulled.commit, pulled.files, pulled.left) == (pushed.commit, sorted(there), [])
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []
    assert hub.tokens == {f"Bearer {TOKEN}"}


def test_the_page_is_the_card(hub: Hub, shipped: dict[str, Path]) -> None:
    push(shipped["bundle"], NAME)
    assert hub.repositories[NAME].commits[-1][1]["README.md"] == CARD.encode()


def test_plain_open_clip_loads_it(hub: Hub, shipped: dict[str, Path]) -> None:
    push(shipped["plain"], NAME)
    theirs, _, _ = open_clip.create_model_and_transforms(f"hf-hub:{NAME}")
    ours = Classifier.load(shipped["plain"])
    own = ours.backbone.preprocessing
    pixels = torch.randn(2, 3, own.size, own.size)
    with torch.no_grad():
        features = theirs.eval().encode_image(pixels, normalize=True)
        assert torch.equal(features, ours.features(pixels))


def test_a_signature_travels(hub: Hub, shipped: dict[str, Path], tmp_path: Path) -> None:
    from tests.export.test_signature import pem

    model = Path(shutil.copytree(shipped["plain"], tmp_path / "model"))
    sign(model, pem(bytes(range(32)), tmp_path, "own")[0])
    pushed = push(model, NAME)
    pull(f"{NAME}@{pushed.commit}", tmp_path / "new")
    assert files(tmp_path / "new") == files(model)


def test_a_later_model_replaces_the_files_of_the_earlier(
    hub: Hub, shipped: dict[str, Path], tmp_path: Path
) -> None:
    first = push(shipped["bundle"], NAME)
    second = push(shipped["plain"], NAME)
    held = hub.repositories[NAME].commits[-1][1]
    assert set(held) == {*files(shipped["plain"]), "README.md", ".gitattributes"}
    pull(f"{NAME}@{first.commit}", tmp_path / "first")
    assert files(tmp_path / "first") == files(shipped["bundle"])
    assert push(shipped["plain"], NAME).commit == second.commit  # nothing to say


def test_only_listed_files_are_downloaded(
    hub: Hub, shipped: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")  # what is public needs none
    strange = {"evil.py": b"raise SystemExit", "a/b.bin": b"1", "README.md": b"", "x.pkl": b"\x80"}
    commit = placed(hub, files(shipped["plain"]) | strange)
    pulled = pull(f"{NAME}@{commit}", tmp_path / "new")
    assert files(tmp_path / "new") == files(shipped["plain"])
    assert pulled.left == ["a/b.bin", "evil.py", "x.pkl"]
    assert not [line for line in hub.asked if line.endswith(tuple(strange))]
    assert hub.tokens == {None}


@pytest.mark.parametrize(
    ("revision", "said"),
    [("", "the newest commit is"), ("@main", "main is now"), ("@", "the newest commit is")],
)
def test_a_revision_must_be_pinned(
    hub: Hub, shipped: dict[str, Path], tmp_path: Path, revision: str, said: str
) -> None:
    commit = placed(hub, files(shipped["plain"]))
    with pytest.raises(RecipeError, match=f"not pinned - {said} {commit}.*write {NAME}@{commit}"):
        pull(NAME + revision, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_repository_without_a_model(hub: Hub, tmp_path: Path) -> None:
    commit = placed(hub, {"config.json": b"{}"})
    with pytest.raises(BundleError, match=r"holds no model - neither classifier\.json nor export"):
        pull(f"{NAME}@{commit}", tmp_path / "new")
    both = placed(hub, {"classifier.json": b"{}", "export.json": b"{}"})
    with pytest.raises(BundleError, match="two models"):
        pull(f"{NAME}@{both}", tmp_path / "new")


@pytest.mark.parametrize("kind", ["plain", "export"])
@pytest.mark.parametrize("change", ["altered", "missing", "listing"])
def test_what_was_altered_never_appears(
    hub: Hub, shipped: dict[str, Path], tmp_path: Path, kind: str, change: str
) -> None:
    content = files(shipped[kind])
    name = "head.safetensors" if kind == "plain" else "lean.safetensors"
    name = name if name in content else next(n for n in content if n.endswith(".safetensors"))
    if change == "altered":
        content[name] = content[name][:-1] + bytes([content[name][-1] ^ 1])
    elif change == "missing":
        del content[name]
    else:
        listing = MANIFEST if kind == "plain" else "export.json"
        content[listing] = content[listing].replace(b'"temperature": 1.7', b'"temperature": 1.8')
    commit = placed(hub, content)
    said = {"altered": "altered - its hash", "missing": "incomplete - ", "listing": "altered - "}
    with pytest.raises(BundleError, match=said[change]) as error:
        pull(f"{NAME}@{commit}", tmp_path / "new")
    assert ".part" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == []


@pytest.mark.parametrize("name", ["../escaped.json", "/tmp/escaped.json", "a/b.json", "..", "x\\y"])
def test_a_name_never_leaves_the_folder(
    hub: Hub, shipped: dict[str, Path], tmp_path: Path, name: str
) -> None:
    from adapt.models.bundle.manifest import OWN_HASH, manifest_hash

    content = files(shipped["export"])
    record = json.loads(content["export.json"])
    record["files"][name] = "0" * 64
    record[OWN_HASH] = manifest_hash(record)
    content["export.json"] = json.dumps(record).encode()
    hub.extra = {name: b"{}"}
    commit = placed(hub, content)
    with pytest.raises(BundleError, match="not the name of a file in the folder"):
        pull(f"{NAME}@{commit}", tmp_path / "deep" / "new")
    assert list(tmp_path.rglob("escaped*")) == []


def test_what_could_run_code_is_not_downloaded(
    hub: Hub, shipped: dict[str, Path], tmp_path: Path
) -> None:
    from adapt.models.bundle.manifest import OWN_HASH, manifest_hash

    content = files(shipped["export"]) | {"model.pt2": b"PK"}
    record = json.loads(content["export.json"])
    record["files"]["model.pt2"] = "0" * 64
    record[OWN_HASH] = manifest_hash(record)
    content["export.json"] = json.dumps(record).encode()
    commit = placed(hub, content)
    with pytest.raises(BundleError, match=r"model\.pt2 - could run code"):
        pull(f"{NAME}@{commit}", tmp_path / "new")
    assert not [line for line in hub.asked if line.endswith("pt2")]


def test_sizes_are_bounded(hub: Hub, shipped: dict[str, Path], tmp_path: Path) -> None:
    commit = placed(hub, files(shipped["plain"]))
    with pytest.raises(RecipeError, match=r"larger than allowed.*--max-gb"):
        pull(f"{NAME}@{commit}", tmp_path / "new", most_bytes=1000)
    assert not [line for line in hub.asked if line.endswith(".safetensors")]
    hub.sizes = {MANIFEST: 10**9}
    with pytest.raises(BundleError, match=r"classifier.json - too large to be one"):
        pull(f"{NAME}@{commit}", tmp_path / "new")
    hub.sizes = {"head.safetensors": 3}
    with pytest.raises(BundleError, match=r"not as long as the hub says.*expected 3"):
        pull(f"{NAME}@{commit}", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_altered_model_is_not_pushed(hub: Hub, shipped: dict[str, Path], tmp_path: Path) -> None:
    model = Path(shutil.copytree(shipped["plain"], tmp_path / "model"))
    edit(model, lambda manifest: manifest.update(temperature=3.0))
    with pytest.raises(BundleError, match="altered"):
        push(model, NAME)
    assert hub.asked == []


def test_a_repository_in_other_use_stays_as_it_is(hub: Hub, shipped: dict[str, Path]) -> None:
    placed(hub, {"notes.txt": b"mine"}, private=True)
    with pytest.raises(RecipeError, match=r"holds other files - notes\.txt"):
        push(shipped["plain"], NAME)
    assert len(hub.repositories[NAME].commits) == 2


def test_who_may_read_is_never_changed_silently(hub: Hub, shipped: dict[str, Path]) -> None:
    push(shipped["plain"], NAME, public=True)
    assert not hub.repositories[NAME].private
    with pytest.raises(RecipeError, match=r"public already.*say --public"):
        push(shipped["plain"], NAME)
    push(shipped["plain"], "me/other")
    with pytest.raises(RecipeError, match=r"private already.*leave --public out"):
        push(shipped["plain"], "me/other", public=True)


def test_two_pushes_at_once(
    hub: Hub, shipped: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = hub.repositories[NAME] = Repository(private=True)
    own.commit({})
    upload = huggingface_hub.HfApi.preupload_lfs_files

    def meanwhile(api: Any, *words: Any, **given: Any) -> None:
        own.commit({".gitattributes": b"of somebody else"})
        upload(api, *words, **given)

    monkeypatch.setattr(huggingface_hub.HfApi, "preupload_lfs_files", meanwhile)
    with pytest.raises(RunError, match=r"the hub refused.*412"):
        push(shipped["plain"], NAME)
    assert len(own.commits) == 2


def test_what_the_hub_leaves_out_is_noticed(hub: Hub, shipped: dict[str, Path]) -> None:
    hub.ignored = ("head.safetensors",)  # as a .gitignore of the repository has it
    with pytest.raises(BundleError, match=r"not the model that was pushed - head\.safetensors"):
        push(shipped["plain"], NAME)


def test_failures_in_words(
    hub: Hub, shipped: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = placed(hub, files(shipped["plain"]), private=True)

    def said(kind: type[AdaptError], source: str) -> str:
        with pytest.raises(kind) as error:
            pull(source, tmp_path / "new")
        assert TOKEN not in str(error.value)
        assert len(str(error.value).split(" - ")) >= 4
        return str(error.value)

    assert "not the name of a repository" in said(RecipeError, "animals")
    assert "no such repository" in said(ModelError, f"me/nothing@{commit}")
    assert "no such revision" in said(ModelError, f"{NAME}@{'0' * 40}")
    hub.repositories[NAME].gated = True
    assert "no such repository" in said(ModelError, f"{NAME}@{commit}")
    hub.broken = 500
    assert "the hub refused" in said(RunError, f"{NAME}@{commit}")
    hub.broken = 403
    assert "not allowed - the hub answered 403" in said(ModelError, f"{NAME}@{commit}")
    hub.broken = 0
    hub.repositories[NAME].gated = False
    monkeypatch.delenv("HF_TOKEN")
    assert "hf auth login" in said(ModelError, f"{NAME}@{commit}")
    with pytest.raises(ModelError, match="no token"):
        push(shipped["plain"], NAME)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    forget_sessions()
    assert "HF_HUB_OFFLINE is set" in said(RunError, f"{NAME}@{commit}")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    forget_sessions()
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "cannot be reached" in said(RunError, f"{NAME}@{commit}")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "notes").touch()
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert "would be overwritten" in said(RecipeError, f"{NAME}@{commit}")
