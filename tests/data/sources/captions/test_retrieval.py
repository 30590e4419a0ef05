"""A source of evals, read as pairs are."""

from pathlib import Path

from PIL import Image

from adapt.data.sources.base import source_kinds
from adapt.data.sources.captions.pairs import captions_of
from adapt.data.sources.captions.retrieval import RetrievalSource


def test_it_reads_what_pairs_read(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    table = tmp_path / "captions.csv"
    table.write_text("path,caption,split\na.png,a bus,test\na.png,a car,test\n")
    kinds = source_kinds()
    assert kinds["retrieval"] is RetrievalSource
    read = [kinds[kind](path=str(table), split="test").read(None, "test")
            for kind in ("pairs", "retrieval")]  # fmt: skip
    assert read[0] == read[1]
    assert captions_of(read[1]) == [["a bus", "a car"]]
