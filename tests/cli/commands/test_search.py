"""The command: what it prints, and how it ends."""

import json
from pathlib import Path

import pytest

from adapt.cli.commands.search import OPTIONS
from adapt.models.classifier import Classifier
from tests.helpers.commands import ROOT, call
from tests.helpers.embedding import embedded, photos


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an index of 19 drawings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADAPT_CACHE", str(tmp_path / "cache"))
    model = Classifier.from_clip("adapt-icons-xs", "random", ["cat"]).save("model")
    return embedded(model, photos(tmp_path / "photos"), tmp_path / "out").path


@pytest.mark.usefixtures("work")
def test_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("search", "out", "a", "red", "circle", "--top", "2", "--csv", "t.csv", "--page")
    assert call(monkeypatch, *words, "p.html") == 0
    shown = capsys.readouterr().out
    assert "a red circle" in shown
    assert "page    p.html" in shown
    assert (tmp_path / "t.csv").read_text().startswith("rank,path,score\n1,")
    assert call(monkeypatch, *words, "p.html") == 2
    assert "t.csv - exists" in capsys.readouterr().err
    assert call(monkeypatch, *words, "p.html", "--overwrite", "--json", "--not", "blue") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["query"]["minus"] == ["blue"]
    assert len(content["answers"]) == 2
    assert call(monkeypatch, "search", "out", "a", "circle", "-blue", "--json") == 0
    query = json.loads(capsys.readouterr().out)["query"]
    assert (query["texts"], query["minus"]) == (["a circle"], ["blue"])


@pytest.mark.usefixtures("work")
def test_mistakes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "search", "out") == 2
    assert "nothing to look for" in capsys.readouterr().err
    assert call(monkeypatch, "search", "out", "a", "--jsn") == 2
    assert "no such option, did you mean '--json'? - '--jsn'" in capsys.readouterr().err
    assert call(monkeypatch, "search", "out", "a", "--not-weight", "-1") == 2
    assert "--not-weight - out of range - -1" in capsys.readouterr().err
    assert call(monkeypatch, "search", "photos", "a") == 3
    assert "no finished set of them" in capsys.readouterr().err
    assert call(monkeypatch, "search", "out", "a", "--model", "photos") == 4


def test_the_page_names_every_option() -> None:
    page = (ROOT / "docs" / "search.md").read_text(encoding="utf-8")
    named = {"minus": "not", "class_name": "class"}
    names = [named.get(name, name) for name in [*OPTIONS, "json", "csv", "page", "overwrite"]]
    assert [name for name in names if f"--{name.replace('_', '-')}" not in page] == []
