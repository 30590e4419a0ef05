"""Every kind of source in a recipe, and what is said of wrong ones."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapt.common.content import content_hash
from adapt.data.image_data import ImageData
from adapt.data.sources.combine import CombinedSource
from adapt.data.sources.folders import FolderSource, from_folder
from adapt.errors import RecipeError
from adapt.recipe.load import load as read_recipe
from tests.helpers.packed import (
    CLASSES,
    FEATURES,
    class_files,
    hub_table,
    save_dict,
    table_of,
    write_folder,
    write_shards,
    write_tar,
    write_zip,
)

FILES = class_files()
OTHERS = class_files(3, ("dog", "eel"), seed=1000)
KINDS = {
    "folder": "{kind: folder, root: photos}",
    "archive": "{kind: archive, path: photos.zip}",
    "archive with a table": "{kind: archive, path: listed.tar.gz, table: labels.csv, split: train}",
    "shards": "{kind: shards, path: 'shards/photos-{000..003}.tar', class_list: classes.txt}",
    "folder of shards": "{kind: shards, path: shards, class_list: classes.txt}",
    "huggingface": "{kind: huggingface, path: hub, split: train}",
    "all of it": "{kind: huggingface, path: hub, split: train, image: image, label: label}",
    "combined": """
      kind: combined
      parts:
        - {kind: archive, path: first.zip}
        - {kind: folder, root: second}""",
}


RECIPE = """
name: x
model: {arch: ViT-B-32, pretrained: openai}
data:
  train: SOURCE
method: {name: plain}
"""


@dataclass
class Plain:
    """A method without settings."""


def load(tmp_path: Path, source: str) -> Any:
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("SOURCE", source))
    return read_recipe(tmp_path / "recipe.yaml", [], {"plain": Plain})


@pytest.fixture
def everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same images in every form, in the current folder."""
    monkeypatch.chdir(tmp_path)
    write_folder(Path("photos"), FILES)
    write_zip(Path("photos.zip"), FILES)
    rows = table_of(FILES).assign(split="train").to_csv(index=False)
    write_tar(Path("listed.tar.gz"), [*FILES, ("labels.csv", rows.encode())], "w:gz")
    write_shards(Path("shards"), FILES, label="index")
    Path("classes.txt").write_text("\n".join(CLASSES))
    save_dict(Path("hub"), {"train": hub_table(FILES), "test": hub_table(FILES[:3])}, FEATURES)
    write_zip(Path("first.zip"), FILES[::2])
    write_folder(Path("second"), FILES[1::2])
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_in_a_recipe(everywhere: Path, kind: str) -> None:
    loaded = load(everywhere, KINDS[kind])
    images = loaded.recipe.data.train.read(None, "train")
    got, want = ImageData.build(images), ImageData.build(from_folder("photos"))
    for one, other in ((got.train, want.train), (got.val, want.val)):
        assert one is not None
        assert other is not None
        assert one.labels == other.labels
        assert [content_hash(p) for p in one.paths] == [content_hash(p) for p in other.paths]
    (everywhere / "again.yaml").write_text(loaded.text())
    again = read_recipe(everywhere / "again.yaml", [], {"plain": Plain})
    assert again.recipe == loaded.recipe
    assert "parts" not in yaml.safe_load(loaded.text())["data"]["train"] or kind == "combined"


WRONG = {
    "{kind: archive}": "data.train.path - missing - given nothing - write it",
    "{kind: archive, path: no.zip}": "data.train.path - no such file - given 'no.zip'",
    "{kind: shards, path: no}": "data.train.path - no such file - given 'no'",
    "{kind: shards, path: shards, table: t}": "data.train.table - does not go with kind shards",
    "{kind: shards, path: shards, class_list: no.txt}": "data.train.class_list - no such file",
    "{kind: folder, root: photos, label: x}": "data.train.label - does not go with kind folder",
    "{kind: combined}": "data.train.parts - missing - given nothing - write it",
    "{kind: combined, parts: []}": "data.train.parts - empty - given []",
    "{kind: combined, parts: photos}": "data.train.parts - wrong type - given 'photos'",
    "{kind: combined, parts: [{kind: folder, rot: x}]}": "data.train.parts[0].rot - unknown key",
    "{kind: combined, parts: [{kind: folder, root: no}]}": "data.train.parts[0].root - no such",
    "{kind: combined, parts: [{kind: folder, root: photos, shots: 3}]}":
        "data.train.parts[0].shots - not in a part - given 3",
    "{kind: combined, parts: [{kind: combined, parts: [{kind: folder, root: photos}]}]}":
        "data.train.parts[0].parts - not in a part - given a list",
    "{kind: hugginface, path: hub}":
        "data.train.kind - not known, did you mean 'huggingface'? - given 'hugginface'",
}  # fmt: skip


@pytest.mark.parametrize("source", WRONG)
def test_recipes_that_are_wrong(everywhere: Path, source: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load(everywhere, source)
    assert WRONG[source] in str(caught.value)


def test_samples_of_a_source() -> None:
    with pytest.raises(ValueError, match=r"fraction - does not go with shots - 0\.5 - keep one"):
        FolderSource("x", shots=2, fraction=0.5)
    for share in (0.0, 1.5):
        with pytest.raises(ValueError, match="fraction - out of range"):
            FolderSource("x", fraction=share)
    with pytest.raises(ValueError, match="group - empty - ''"):
        FolderSource("x", group="")
    assert FolderSource("x", fraction=1.0).fraction == 1


def test_names_of_parts(everywhere: Path) -> None:
    whole = load(everywhere, KINDS["combined"]).recipe.data.train.read(None, "train")
    assert sorted(set(whole.columns["source"])) == ["first.zip", "second"]
    write_folder(everywhere / "other" / "second", OTHERS)
    source = CombinedSource([FolderSource("second"), FolderSource("other/second")])
    assert set(source.read(None, "train").columns["source"]) == {"1 second", "2 second"}
