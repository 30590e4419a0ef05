"""Plain containers become dataclasses; every mistake is noted with its path."""

from dataclasses import dataclass, field

from adapt.data.sources.base import Source
from adapt.data.sources.folders import FolderSource
from adapt.recipe.build import Builder, to_plain
from adapt.recipe.text import Problems


@dataclass
class Inner:
    """A section in a section."""

    size: int = 3
    from_: str = "train"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size - out of range - {self.size} - give 1 or more")


@dataclass
class Outer:
    """A section with a source, a list and a needed value."""

    name: str
    source: Source = field(default_factory=Source)
    inner: Inner = field(default_factory=lambda: Inner(size=8))
    many: list[Inner] = field(default_factory=list)


def test_values_defaults_and_the_way_back() -> None:
    problems = Problems()
    given = {"name": 7, "source": {"kind": "folder", "root": "x", "shots": 2},
             "inner": {"from": "val"}, "many": [{"size": 1}]}  # fmt: skip
    built = Builder(problems).section(Outer, given, "")
    assert problems.lines() == []
    assert built == Outer("7", FolderSource("x", shots=2), Inner(8, "val"), [Inner(1)])
    again = to_plain(built)
    assert again == {
        "name": "7", "source": {"kind": "folder", "root": "x", "shots": 2},
        "inner": {"size": 8, "from": "val"}, "many": [{"size": 1, "from": "train"}],
    }  # fmt: skip
    assert next(iter(again["source"])) == "kind"
    assert Builder(Problems()).section(Outer, again, "") == built


def test_mistakes_are_noted_where_they_are() -> None:
    problems = Problems()
    given = {"source": {"kind": "folder", "path": "x"}, "innr": {}, "many": [{"size": 0}, 3]}
    builder = Builder(problems)
    assert builder.section(Outer, given, "top") is None
    assert [line.split(" - ")[:2] for line in problems.lines()] == [
        ["top.innr", "unknown key, did you mean 'inner'?"],
        ["top.name", "missing"],
        ["top.source.path", "does not go with kind folder"],
        ["top.source.root", "missing"],
        ["top.many[0].size", "out of range"],
        ["top.many[1]", "wrong type"],
    ]


def test_a_key_that_stands_in_another_section_is_found() -> None:
    problems = Problems()
    given = {"name": "a", "source": "x", "size": 3, "made": {"size": 1}, "epochs": 2}
    Builder(problems).section(Outer, given, "")
    assert [line.split(" - ")[:2] for line in problems.lines()] == [
        ["size", "unknown key, did you mean inner.size?"],
        ["made", "unknown key, did you mean inner.size?"],
        ["epochs", "unknown key, did you mean method.optim.epochs?"],
    ]
