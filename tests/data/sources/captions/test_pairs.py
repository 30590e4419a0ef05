"""The same pairs from a table, a folder and shards; what is refused."""

import io
import json
import tarfile
from pathlib import Path

import pandas as pd
import pytest

from adapt.data.sources.base import source_kinds
from adapt.data.sources.captions.pairs import (
    UNLABELLED,
    PairsSource,
    captions_of,
    from_pairs,
    lines_of,
    splits_of,
)
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError
from tests.helpers.packed import image_bytes

CAPTIONS = {"a": ["a red kite", "a kite, high up"], "b": ["two dogs"], "c": ["a boat at sea"]}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with a caption file beside each image."""
    root = tmp_path / "photos"
    root.mkdir()
    for number, (name, captions) in enumerate(CAPTIONS.items()):
        (root / f"{name}.png").write_bytes(image_bytes(number))
        (root / f"{name}.txt").write_text("\n".join(captions) + "\n", encoding="utf-8")
    return root


def read(images: ImageList) -> dict[str, list[str]]:
    names = [Path(path).stem for path in images.paths]
    return dict(zip(names, captions_of(images), strict=True))


def rows() -> pd.DataFrame:
    pairs = [(f"{name}.png", text) for name, own in CAPTIONS.items() for text in own]
    return pd.DataFrame(pairs, columns=["image", "caption"])


def test_one_set_in_every_form(photos: Path, tmp_path: Path) -> None:
    rows().to_csv(photos / "pairs.csv", index=False)
    rows().to_parquet(photos / "pairs.parquet")
    lists = pd.DataFrame({"path": [f"{n}.png" for n in CAPTIONS], "caption": CAPTIONS.values()})
    lists.to_parquet(photos / "lists.parquet")
    shard = tmp_path / "shards" / "pairs-0.tar"
    shard.parent.mkdir()
    with tarfile.open(shard, "w") as tar:
        for name, captions in CAPTIONS.items():
            text = "\n".join(captions).encode()
            if name == "c":
                text = json.dumps({"caption": captions}).encode()
            content = (photos / f"{name}.png").read_bytes()
            for suffix, data in (("png", content), ("json" if name == "c" else "txt", text)):
                member = tarfile.TarInfo(f"{name}.{suffix}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    for given in ("pairs.csv", "pairs.parquet", "lists.parquet"):
        images = from_pairs(photos / given)
        assert read(images) == CAPTIONS, given
        assert images.labels == [UNLABELLED] * 3
    assert read(from_pairs(photos)) == CAPTIONS
    assert read(from_pairs(shard)) == read(from_pairs(shard.parent)) == CAPTIONS
    assert source_kinds()["pairs"] is PairsSource
    images = PairsSource(path=str(photos)).read(None, "train")
    assert "3 images with 4 captions" in images.notes


def test_splits_and_columns(photos: Path) -> None:
    table = rows().assign(split=["train", "train", "test", "train"], source=["x", "y", "x", "x"])
    table["label"], table["place"] = "word", ["north", "north", "south", "south"]
    table.to_csv(photos / "pairs.csv", index=False)
    images = from_pairs(photos / "pairs.csv", split="train")
    assert read(images) == {name: CAPTIONS[name] for name in ("a", "c")}
    assert images.columns["place"] == ["north", "south"]
    assert images.columns["given_label"] == ["word"] * 2
    assert "source" not in images.columns
    assert "columns that differ between captions of an image: source" in images.notes
    table.loc[1, "split"] = "test"
    table.to_csv(photos / "pairs.csv", index=False)
    with pytest.raises(DataError, match=r"line 3 - one image in two splits - 'train' and 'test'"):
        from_pairs(photos / "pairs.csv")


def test_what_is_refused(photos: Path) -> None:
    (photos / "bad.csv").write_text("image,caption\na.png,\n")
    with pytest.raises(DataError, match=r"bad.csv, line 2, column 'caption' - no value"):
        from_pairs(photos / "bad.csv")
    (photos / "bad.csv").write_text("image,captoin\na.png,x\n")
    with pytest.raises(DataError, match=r"no column 'caption' .* did you mean 'captoin'"):
        from_pairs(photos / "bad.csv")
    (photos / "bad.csv").write_text("image,path,caption\na.png,a.png,x\n")
    with pytest.raises(DataError, match=r"two columns for 'image'"):
        from_pairs(photos / "bad.csv")
    with pytest.raises(DataError, match=r"a folder of images - split 'train'"):
        from_pairs(photos, split="train")
    with pytest.raises(DataError, match=r"no table - root"):
        from_pairs(photos, root=photos)
    with pytest.raises(DataError, match=r"not a source of pairs - no such file"):
        from_pairs(photos / "none")
    with pytest.raises(ValueError, match="retention - pairs have no classes"):
        PairsSource(path=str(photos), retention=True)
    for name in CAPTIONS:
        (photos / f"{name}.txt").unlink()
    with pytest.raises(DataError, match=r"no pairs - 3 images, none with a .txt"):
        from_pairs(photos)
    plain = ImageList([str(photos / "a.png")], ["x"], None, None, str(photos), {})
    with pytest.raises(DataError, match="no captions - further columns: none"):
        captions_of(plain)


def test_images_without_a_caption_are_left_out_with_a_note(photos: Path) -> None:
    (photos / "b.txt").unlink()
    images = from_pairs(photos)
    assert sorted(read(images)) == ["a", "c"]
    assert "1 image without a .txt left out: b.png" in images.notes
    assert lines_of("a\r\n b\tc \n") == ["a", "b c"]


def test_messages_name_the_table(photos: Path, tmp_path: Path) -> None:
    rows().to_csv(tmp_path / "elsewhere.csv", index=False)
    with pytest.raises(DataError, match=r"elsewhere\.csv - not one of its images is there"):
        from_pairs(tmp_path / "elsewhere.csv")


def test_the_splits_that_a_source_names(photos: Path, tmp_path: Path) -> None:
    table = photos / "split.csv"
    rows().assign(split=["train", "train", "test", "train"]).to_csv(table, index=False)
    assert splits_of(table) == ["test", "train"]
    rows().to_csv(table, index=False)
    assert splits_of(table) == []
    assert splits_of(tmp_path) == ["photos"]
    assert splits_of(tmp_path / "pairs-{0..3}.tar") == []
