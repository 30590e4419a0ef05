"""Photos in the place of a recipe or after it."""

from pathlib import Path
from typing import Any

import pytest

from adapt.common.typed import resolve_path
from adapt.errors import AdaptError, DataError, RecipeError
from adapt.recipe.data import build_data
from adapt.recipe.load import Loaded, load
from adapt.recipe.photos import Call, put_photos, read_call
from tests.helpers.tiny import draw_folder
from tests.recipe.test_load import SCHEMAS

OWN = [
    "few_shot_auto",
    "few_shot_lora",
    "few_shot_tip",
    "linear_probe",
    "lora_16shot",
    "pacs_photo",
]
OWN += ["robust_default", "wise_ft", "one_folder"]


@pytest.fixture
def drawings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six drawings in each of two classes, in the current folder's `drawings`."""
    monkeypatch.chdir(tmp_path)
    folder = draw_folder(tmp_path / "drawings", {"red_circle": 6, "blue_square": 6}, 0)
    return folder.relative_to(tmp_path)


def evals_of(loaded: Loaded) -> dict[str, Any]:
    evals: dict[str, Any] = loaded.resolved["evals"]
    return evals


def test_a_folder_alone_is_a_run(drawings: Path) -> None:
    loaded = load(drawings)
    assert loaded.recipe.name == "drawings"
    assert loaded.resolved["data"]["train"] == {"kind": "folder", "root": "drawings"}
    assert evals_of(loaded) == {"test": {"from": "train", "fraction": 0.2}}
    assert loaded.recipe.model.pretrained == "embedded"
    data = build_data(loaded.recipe)
    assert (len(data.fit.train), data.fit.val, len(data.evals["test"])) == (10, None, 2)
    assert data.notes[0].startswith("model: the small adapt-icons-xs that ships with adapt")
    assert "model.arch=ViT-B-32 model.pretrained=openai" in data.notes[0]
    assert [note.split(":")[0] for note in data.notes[1:]] == ["test", "val"]
    assert load(loaded_text(loaded)).resolved == loaded.resolved


def loaded_text(loaded: Loaded) -> Path:
    path = Path("again.yaml")
    path.write_text(loaded.text(), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", OWN)
def test_every_recipe_for_own_data_starts_with_train_alone(name: str, drawings: Path) -> None:
    loaded = load(name, photos=drawings)
    assert loaded.recipe.name == ("drawings" if name == "one_folder" else name)
    train = loaded.resolved["data"]["train"]
    assert (train["kind"], train["root"]) == ("folder", "drawings")
    assert evals_of(loaded)["test"] == {"from": "train", "fraction": 0.2}
    assert train.get("shots") == load(name, [f"data.train.root={drawings}"]).recipe.data.train.shots


def test_recipes_on_shipped_drawings_take_photos_too(drawings: Path) -> None:
    assert list(evals_of(load("quickstart", photos=drawings))) == ["test"]
    evals = evals_of(load("audit", photos=drawings))
    assert list(evals) == ["test", "noise", "blur", "jpeg", "contrast"]


def test_split_folders_are_taken_as_what_they_say(drawings: Path) -> None:
    for number, split in enumerate(("Train", "valid", "TEST"), start=1):
        draw_folder(Path("all", split), {"red_circle": 3, "blue_square": 3}, number)
    loaded = load("all")
    train, val = (loaded.resolved["data"][name] for name in ("train", "val"))
    assert (train["root"], val["root"]) == ("all/Train", "all/valid")
    assert evals_of(loaded) == {"test": {"kind": "folder", "root": "all/TEST"}}


def test_rows_of_a_table_say_their_split(drawings: Path) -> None:
    rows = [f"red_circle/{n}.png,red,Training\nblue_square/{n}.png,blue,test" for n in range(6)]
    Path("drawings/labels.csv").write_text("\n".join(["path,label,split", *rows]))
    loaded = load("drawings/labels.csv")
    assert loaded.resolved["data"]["train"]["split"] == "Training"
    assert evals_of(loaded)["test"]["split"] == "test"
    Path("drawings/labels.csv").write_text("path,label,split\nred_circle/0.png,red,a\n")
    assert "split" not in load("drawings/labels.csv").resolved["data"]["train"]


def test_a_path_stands_for_a_source(drawings: Path) -> None:
    loaded = load(drawings, ["evals.shift=drawings", "data.val=drawings"])
    assert evals_of(loaded)["shift"] == {"kind": "folder", "root": "drawings"}
    assert loaded.resolved["data"]["val"] == {"kind": "folder", "root": "drawings"}
    with pytest.raises(RecipeError, match=r"evals\.shift\.path - no such file - given 'no/such'"):
        load(drawings, ["evals.shift=no/such"])


def test_domains_are_refused_with_the_command_that_works(
    drawings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, domain in enumerate(("ink", "my photos", "test")):
        draw_folder(Path("all", domain), {"red_circle": 3, "blue_square": 3}, number)
    with pytest.raises(RecipeError) as caught:
        load("all")
    said = str(caught.value)
    assert said.startswith("all - its folders are domains, not classes - my photos, ink, test each")
    command = "adapt run 'all/my photos' evals.ink=all/ink evals.domain_3=all/test"
    assert f"{command} (if they are classes: adapt run one_folder data.train.root=all)" in said
    call = read_call(["all/my photos", "evals.ink=all/ink", "evals.domain_3=all/test"])
    loaded = load(call.recipe, call.overrides, photos=call.photos)
    assert list(evals_of(loaded)) == ["test", "ink", "domain_3"]
    assert loaded.recipe.name == "my_photos"
    assert load("one_folder", ["data.train.root=all"]).recipe.data.train.kind == "folder"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["quickstart"], Call("quickstart")),
        (["drawings"], Call("one_folder", "drawings")),
        (["seed=1", "quickstart", "drawings", "~evals.shift"],
         Call("quickstart", "drawings", ["seed=1", "~evals.shift"])),
        (["a=b"], Call("one_folder", "a=b")),  # a folder of this name
        (["photos-{0..9}.tar"], Call("one_folder", "photos-{0..9}.tar")),
        (["own.yaml", "model.arch=x"], Call("own.yaml", None, ["model.arch=x"])),
    ],
)  # fmt: skip
def test_words_of_a_command(words: list[str], expected: Call, drawings: Path) -> None:
    Path("a=b").mkdir()
    assert read_call(words) == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["seed=1"], "nothing to read"),
        (["quickstart", "drawings", "drawings"], "too many words .* quote a pattern"),
    ],
)
def test_words_that_cannot_be_meant(words: list[str], said: str, drawings: Path) -> None:
    with pytest.raises(RecipeError, match=said):
        read_call(words)


def test_photos_that_are_not_there(drawings: Path) -> None:
    for photos, said in (("drwings", "not found"), ("drawings/red_circle/0.png", "one image")):
        with pytest.raises(DataError, match=said):
            put_photos({}, photos)
    with pytest.raises(RecipeError, match="no such recipe"):
        load("drwings")


def test_home_means_the_same_when_checked_and_read(
    drawings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(Path.cwd()))
    monkeypatch.setenv("PLACE", "drawings")
    data = build_data(load("one_folder", ["data.train.root=~/drawings"]).recipe)
    assert Path(data.fit.train.root) == resolve_path("~/drawings") == Path.cwd() / "drawings"
    with pytest.raises(RecipeError, match="no such folder"):
        load("one_folder", ["data.train.root=$PLACE"])


def test_a_block_is_taken_out(here: Path) -> None:
    text = Path("blocks.yaml")
    recipe = (
        "name: x\nmodel: {arch: a, pretrained: b}\ndata: {train: {kind: folder, root: photos}}\n"
        "method: {name: lora}\nevals:\n  test: {from: train}\n  shift: {kind: folder, root: ???}\n"
    )
    text.write_text(recipe)
    for override in ("~evals.shift", "evals.shift=null", "evals.shift="):
        assert list(evals_of(load(text, [override], SCHEMAS))) == ["test"]
    without = load(text, ["~evals"], SCHEMAS)
    assert evals_of(without) == {"test": {"from": "train", "fraction": 0.2}}
    assert evals_of(load(text, ["evals={}"], SCHEMAS)) == {}
    assert load(text, ["~evals.shift", "evals.shift=tests"], SCHEMAS).recipe.evals["shift"]
    for override, said in (
        ("~evals.shft", "evals.shft - not there to take out, did you mean 'shift'?"),
        ("~seed.x", "seed.x - not there to take out"),
        ("~", "command line - not an override"),
    ):
        with pytest.raises(AdaptError) as caught:
            load(text, ["~evals.shift", "evals.shift=tests", override], SCHEMAS)
        assert said in str(caught.value)


def test_one_set_is_set_aside_from_train(here: Path, drawings: Path) -> None:
    with pytest.raises(RecipeError, match=r"evals\.more - images of train are set aside already"):
        load(drawings, ["evals.more={from: train}"])


@pytest.mark.parametrize("name", ["pairs/lit", "pairs/lit_few", "pairs/clip"])
def test_recipes_on_captions_read_photos_with_theirs(name: str, drawings: Path) -> None:
    for path in drawings.rglob("*.png"):
        path.with_suffix(".txt").write_text("eine schöne Fläche\n", encoding="utf-8")
    loaded = load(name, photos=drawings)
    assert loaded.resolved["data"]["train"] == {"kind": "pairs", "path": "drawings"}
    assert evals_of(loaded) == {"test": {"from": "train", "fraction": 0.2}}
    table = drawings / "captions.csv"
    rows = [f"red_circle/{n}.png,ein Kreis,{'train' if n < 4 else 'Test'}" for n in range(6)]
    table.write_text("\n".join(["image,caption,split", *rows]), encoding="utf-8")
    split = load(name, photos=table).resolved
    assert split["data"]["train"] == {"kind": "pairs", "path": str(table), "split": "train"}
    assert split["evals"] == {"test": {"kind": "pairs", "path": str(table), "split": "Test"}}
    (drawings / "red_circle").rename(drawings / "training")
    (drawings / "blue_square").rename(drawings / "test")
    folders = load(name, photos=drawings).resolved
    assert folders["data"]["train"] == {"kind": "pairs", "path": "drawings/training"}
    assert folders["evals"] == {"test": {"kind": "pairs", "path": "drawings/test"}}
