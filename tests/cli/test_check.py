"""`adapt check`: exit codes and where the page goes."""

import json
import sys
from pathlib import Path

import pytest

from adapt.cli import app as cli
from tests.helpers.planted import clean, planted


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ADAPT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["adapt", "check", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("plant", "fail_on", "code"),
    [
        (True, "error", 3), (True, "warning", 3), (True, "never", 0),
        (False, "warning", 0), (False, "sometimes", 2),
    ],
)  # fmt: skip
def test_exit_codes(
    plant: bool, fail_on: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    root = (planted if plant else clean)(tmp_path / "photos")
    out, listed = tmp_path / "out", tmp_path / "list.txt"
    given = [root, "--model", "none", "--out", out, "--fix", listed, "--fail-on", fail_on]
    assert call(monkeypatch, *given) == code
    said = capsys.readouterr()
    if code != 2:
        assert str(out / "check.html") in said.out
        assert (out / "check.json").is_file()
        assert "\x1b" not in said.out
        assert ("Clean: " in said.out) != plant
        assert said.out.count("fix: ") == len(
            json.loads((out / "check.json").read_text())["findings"]
        )


def test_the_page_goes_beside_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, clean(tmp_path / "my photos"), "--model", "none") == 0
    assert (tmp_path / "check-my-photos" / "check.html").is_file()


def test_names_in_words_are_written_and_a_second_check_finds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root, names = clean(tmp_path / "photos"), tmp_path / "classes.yaml"
    for split in root.iterdir():
        first, second = sorted(split.iterdir())[:2]
        first.rename(split / "GoldenRetriever")
        second.rename(split / "n01440764")
    given = ["--model", "none", "--out", tmp_path / "out", "--fail-on", "never"]
    assert call(monkeypatch, root, *given, "--fix", names) == 0
    said = capsys.readouterr().out
    assert f"{names}: 1 class; use it in a recipe as `data.classes: {names}`" in said
    assert "1 class only you can name" in said
    assert names.read_text().startswith("GoldenRetriever: golden retriever\n# n01440764: ")
    assert "joined_name" in (tmp_path / "out" / "check.json").read_text()
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"{{version: 1, name: x, model: {{arch: adapt-icons-xs, pretrained: embedded}}, data: "
        f"{{train: {root / 'train'}, classes: {names}}}, method: {{name: zero_shot}}}}"
    )
    assert call(monkeypatch, recipe, *given) == 0
    assert "joined_name" not in (tmp_path / "out" / "check.json").read_text()
