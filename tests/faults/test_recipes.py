"""Rows of faults about recipes, as the user of the command line sees them."""

import builtins
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapt.cli import app as cli

RECIPE = """version: 1
name: own
model: {arch: adapt-icons-xs, pretrained: embedded}
data:
  train: {kind: folder, root: photos}
method: {name: linear_probe}
"""
BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def validate(monkeypatch: pytest.MonkeyPatch, text: str, *words: str) -> int:
    Path("own.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["adapt", "validate", "own.yaml", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: linear_probe", "name: linear_probe, iterashuns: 5",
         ["method.iterashuns - unknown key, did you mean 'iterations'? - given 5 (line 6)"]),
        ("version: 1", "version: 1\nseed: many", ["seed - wrong type - given 'many' (line 2)"]),
        ("version: 1", "version: 1\nseed: -1\nname: again",
         ["seed - out of range - given -1 (line 2) - give 0 to 4294967295",
          "name - duplicate key - given again in line 4"]),
        ("linear_probe}", "lora, optim: {epochs: 10000000000000000000000}}",
         ["method.optim.epochs - out of range", "give 1 or more, at most 1,000,000"]),
        ("linear_probe}", "linear_prob}", ["not a method, did you mean 'linear_probe'"]),
    ],
)  # fmt: skip
def test_f22_a_recipe_with_a_wrong_key_type_or_value(
    old: str,
    new: str,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert validate(monkeypatch, RECIPE) == 0
    assert validate(monkeypatch, RECIPE.replace(old, new)) == 2
    shown = capsys.readouterr().err
    assert all(part in shown for part in said)
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("runtime.strategy=ddpp", "runtime.strategy - not known, did you mean 'ddp'?"),
        ("runtime.accelerator=gpux", "runtime.accelerator - not known, did you mean 'gpu'?"),
        ("runtime.precision=bf16", "runtime.precision - not known, did you mean 'bf16-mixed'?"),
        ("runtime.loggers=[wandbb]", "runtime.loggers[0] - not known, did you mean 'wandb'?"),
        ("runtime.workers=some", "runtime.workers - not a count - given 'some'"),
        ("runtime.batch_size=10000000", "runtime.batch_size - out of range"),
        ("ensemble.rule=vall", "ensemble.rule - not known, did you mean 'val'?"),
        ("report.formats=[htm]", "report.formats[0] - not known, did you mean 'html'?"),
        ("data.balance=uniforms", "data.balance - not known, did you mean 'uniform'?"),
        ("few_shot.shots=[1, 0]", "few_shot.shots[1] - out of range - given 0"),
        ("method.C=-1", "method.C - out of range - given -1"),
    ],
)
def test_values_are_refused_with_the_nearest_word(
    override: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert validate(monkeypatch, RECIPE, override) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: !!python/object/apply:os.mkdir [made]\n", "seed - refused - given the tag"),
        ("seed: !!python/name:antigravity.geohash\n", "seed - refused - given the tag"),
        ("method: {_target_: antigravity.geohash}\n", "method._target_ - refused"),
        ("method: {name: antigravity.geohash}\n", "method.name - not a method"),
        (BOMB, "recipe - too large - given more than 10000 values after its aliases"),
        ("evals: &loop {test: *loop}\n", "recipe - contains itself"),
        ("seed: " + "[" * 3000 + "]" * 3000 + "\n", "recipe - too large"),
    ],
)
def test_f23_a_recipe_with_code_or_an_alias_bomb(
    text: str,
    said: str,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    without = "".join(
        line
        for line in RECIPE.splitlines(keepends=True)
        if line.split(":")[0] != text.split(":")[0]
    )
    real, asked = builtins.__import__, set[str]()

    def spied(name: str, *rest: Any) -> Any:
        asked.add(name.split(".")[0])
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", spied)
    assert validate(monkeypatch, without + text) == 2
    assert said in capsys.readouterr().err
    assert "antigravity" not in asked
    assert sorted(path.name for path in here.iterdir()) == ["own.yaml", "photos"]


def test_f24_a_recipe_that_asks_for_secrets_of_the_environment(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_SECRET", "hunter2")
    for reference in ("${oc.env:AWS_SECRET}", "${oc.decode:${oc.env:AWS_SECRET}}", "${env:X}"):
        text = RECIPE.replace("pretrained: embedded", f"pretrained: '{reference}'")
        assert validate(monkeypatch, text) == 2
        shown = capsys.readouterr()
        assert "model.pretrained - refused" in shown.err
        assert "nothing of the environment" in shown.err
        assert "hunter2" not in shown.out + shown.err
    # What is not a reference is plain text, also when it is read and written again.
    monkeypatch.setenv("HOME", str(here))
    assert validate(monkeypatch, RECIPE.replace("root: photos", "root: $HOME/photos")) == 2
    assert "no such folder - given '$HOME/photos'" in capsys.readouterr().err


@pytest.mark.slow
def test_a_recipe_is_checked_in_another_language_and_place(here: Path) -> None:
    (here / "own.yaml").write_text(RECIPE.replace("photos", "'~/photos'"), encoding="utf-8")
    words = [sys.executable, "-m", "adapt", "validate", "own.yaml"]
    environment = {"HOME": str(here), "LC_ALL": "C", "PATH": "/usr/bin", "TZ": "Asia/Kathmandu"}
    environment["PYTHONPATH"] = str(Path(cli.__file__).parents[2])
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "valid: own (linear_probe)\n")
