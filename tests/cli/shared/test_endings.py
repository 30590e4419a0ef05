"""One sentence and one exit code for everything that can go wrong, and never a raw traceback."""

import errno
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from adapt.cli.shared.endings import plain_warnings, resumed, run_command
from adapt.errors import DataError, Interrupted
from tests.helpers.commands import call, start


def ended(error: BaseException | None = None, result: Any = None) -> int:
    """The exit code of a command that raises, or returns."""

    def command() -> Any:
        if error is not None:
            raise error
        return result

    return run_command(command)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ADAPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "argv", ["adapt", "run", "a recipe", "--out", "x"])
    return tmp_path / "cache"


def deep(level: int = 0) -> int:
    return deep(level + 1)


def too_deep() -> RecursionError:
    try:
        deep()
    except RecursionError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    "error",
    [
        KeyError("x"),
        ValueError("two\nlines"),
        MemoryError(),
        too_deep(),
        OSError("odd"),
        EOFError(),
    ],
)
def test_an_unexpected_error_is_one_line_and_a_file(
    error: Exception, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(error) == 1
    (line,) = capsys.readouterr().err.splitlines()
    shown = re.fullmatch(r"unexpected error - (\w+).* - the traceback is in (.+); please.*", line)
    assert shown is not None, line
    assert shown[1] == type(error).__name__
    kept = Path(shown[2])
    assert kept.parent == cache / "errors"
    text = kept.read_text(encoding="utf-8")
    assert text.startswith("adapt run 'a recipe' --out x")
    assert "Traceback" in text


def test_without_a_place_for_the_traceback(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache.write_text("a file in the place of the folder")
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/proc")
    assert ended(KeyError("x")) == 1
    assert "could not be written anywhere" in capsys.readouterr().err


def test_errors_on_purpose_keep_their_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(DataError("a - b - c - d")) == 3
    assert capsys.readouterr().err == "DataError: a - b - c - d\n"
    from_a_worker = (
        "Caught ImageError in DataLoader worker process 0.\nOriginal Traceback (most recent call "
        'last):\n  File "x.py", line 1\nadapt.errors.DataError: a.png - truncated\n'
    )
    assert ended(DataError(from_a_worker)) == 3
    assert capsys.readouterr().err == "DataError: a.png - truncated\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EFBIG])
def test_a_full_disk_can_be_resumed(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(OSError(number, "No space left on device", "out/log.txt")) == 5
    assert capsys.readouterr().err.startswith(
        "RunError: out/log.txt - cannot be written - No space"
    )


def test_a_path_that_no_system_takes(capsys: pytest.CaptureFixture[str]) -> None:
    for number in (errno.ENAMETOOLONG, errno.EACCES):
        assert ended(OSError(number, "not so", "x" * 5000)) == 2
        shown = capsys.readouterr().err
        assert shown.startswith("RecipeError: xxx")
        assert shown.endswith("x ... - not so - check the path\n")
        assert len(shown) < 500


def test_exit_codes_that_are_not_errors() -> None:
    assert [ended(), ended(result=3)] == [0, 3]
    assert [ended(SystemExit()), ended(SystemExit(4)), ended(SystemExit("text"))] == [0, 4, 1]


@pytest.mark.parametrize(("command", "code"), [
    ("validate", 130), ("check", 130), ("plan", 130), ("list", 130), ("verify", 130),
    ("run", 5), ("predict", 5), ("soup", 5), ("mix", 5), ("copy", 5),
])  # fmt: skip
def test_a_stopped_command_says_how_to_go_on(
    command: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/adapt", command, "a b"])
    assert ended(KeyboardInterrupt()) == code
    assert capsys.readouterr().err == (
        "stopped by Ctrl-C: nothing was left half written; begin again with: "
        f"adapt {command} 'a b'\n"
    )


def test_a_stopped_run_names_its_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(Interrupted("step 2 is saved", Path("runs/a b"))) == 5
    assert capsys.readouterr().err == (
        "stopped by Ctrl-C: step 2 is saved; resume with: adapt run 'a recipe' --resume --out "
        "'runs/a b'\n"
    )


@pytest.mark.parametrize("given", [
    ["--out", "x"], ["--out=x"], [], ["--overwrite", "--out", "x"], ["--resume", "--out", "x"],
])  # fmt: skip
def test_the_words_of_a_resume(given: list[str]) -> None:
    words = ["adapt", "run", "r", *given, "seed=1"]
    expected = ["adapt", "run", "r", "seed=1", "--resume", "--out", "x"]
    assert resumed(words, Path("x")) == expected


def test_mistakes_in_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["lis"], ["list"], ["list", "a", "b"], ["list", "--nope"], ["plan", "--json="]):
        assert call(monkeypatch, *words) == 2, words
        assert "Traceback" not in capsys.readouterr().err


@pytest.mark.slow
def test_every_character_is_shown_and_a_reader_may_go(tmp_path: Path) -> None:
    name = str(tmp_path / "n\u00e9\u4e2d\udcff.yaml")
    process = start("validate", name, environment={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"})
    _, shown = process.communicate(timeout=60)
    assert process.returncode == 2
    assert r"n\xe9\u4e2d\udcff.yaml" in shown.encode("ascii").decode()
    for unbuffered in ("", "1"):
        process = start("list", "recipes", environment={"PYTHONUNBUFFERED": unbuffered})
        assert process.stdout is not None
        process.stdout.close()  # as `| head` does
        assert process.wait(timeout=60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


FULL = """
import os, sys
os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
sys.argv = ["adapt", "list", "recipes"]
from adapt.cli.main import main
main()
"""


def test_output_to_a_full_disk() -> None:
    _, shown = (process := start(code=FULL)).communicate(timeout=60)
    assert process.returncode == 5
    assert shown == (
        "RunError: standard output - cannot be written - No space left on device - free some space "
        "there, or choose another place; what was finished is kept\n"
    )


def test_a_warning_is_a_sentence() -> None:
    outside = warnings.formatwarning
    with plain_warnings():
        assert warnings.formatwarning(UserWarning("a caption is cut"), UserWarning, "a.py", 1) == (
            "Warning: a caption is cut\n"
        )
        other = warnings.formatwarning(RuntimeWarning("overflow"), RuntimeWarning, "a.py", 1)
        assert "a.py:1: RuntimeWarning: overflow" in other
    assert warnings.formatwarning is outside
