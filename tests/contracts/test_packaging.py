"""What setup.cfg says must fit what is there."""

import configparser
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from adapt.training.settings import Runtime

ROOT = Path(__file__).parents[2]

if not (ROOT / "setup.cfg").is_file():
    pytest.skip("needs the repository", allow_module_level=True)

config = configparser.ConfigParser()
config.read(ROOT / "setup.cfg", encoding="utf-8")


def requirements(text: str) -> dict[str, str]:
    """Names, in lower case with dashes, and version conditions."""
    found = {}
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            name, condition = re.fullmatch(r"([A-Za-z0-9_-]+)(.*)", line.strip()).groups()  # type: ignore[union-attr]
            found[name.lower().replace("_", "-")] = condition
    return found


def test_all_packages_are_listed() -> None:
    there = {
        ".".join(file.parent.relative_to(ROOT).parts) for file in ROOT.glob("adapt/**/__init__.py")
    }
    listed = set(config["options"]["packages"].split()) - {"#"}
    listed = {word for word in listed if word.startswith("adapt")}
    assert there | {"adapt.recipes"} == listed


def test_every_dependency_says_why_and_has_a_floor() -> None:
    lines = (ROOT / "setup.cfg").read_text(encoding="utf-8").splitlines()
    wanted = requirements(config["options"]["install_requires"])
    assert all(condition.startswith(">=") for condition in wanted.values()), wanted
    for number, line in enumerate(lines):
        name = re.match(r"    ([A-Za-z0-9_-]+)(>=|$)", line)
        if name and name[1].lower().replace("_", "-") in wanted:
            assert lines[number - 1].startswith("    # why: "), line


def test_minimum_pins_are_the_floors() -> None:
    pins = requirements((ROOT / "tests" / "minimum.txt").read_text(encoding="utf-8"))
    wanted = requirements(config["options"]["install_requires"])
    extras = {}
    for text in config["options.extras_require"].values():
        extras |= requirements(text)
    assert wanted.keys() <= pins.keys() <= wanted.keys() | extras.keys()
    for name, pin in pins.items():
        condition = (wanted | extras)[name]
        floor = condition.removeprefix(">=").split(",")[0]
        assert pin.removeprefix("==").startswith(floor), (name, condition, pin)


def test_every_extra_that_users_install_has_a_floor() -> None:
    for extra, text in config["options.extras_require"].items():
        for name, condition in requirements(text).items():
            assert condition.startswith(">=") or extra == "test", (extra, name)


def test_every_logger_is_an_extra_of_its_name() -> None:
    extras = config["options.extras_require"]
    for name in ("tensorboard", "wandb", "mlflow"):
        Runtime(loggers=[name])
        assert name in requirements(extras[name])
        assert name not in requirements(config["options"]["install_requires"])


@pytest.mark.slow
def test_wheel_holds_what_it_needs(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    # A copy, since setuptools writes build/ beside setup.cfg and reads old files back from it.
    for name in ("adapt", "recipes"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, source)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet",
         "--wheel-dir", str(tmp_path), str(source)],
        check=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder, patterns in {
        "adapt": ["py.typed", "**/*.py", "models/configs/*.json", "report/templates/*",
                  "models/embedded/**/*", "data/embedded/**/*"],
        "recipes": ["**/*.yaml"],
    }.items():  # fmt: skip
        for pattern in patterns:
            for file in (ROOT / folder).glob(pattern):
                if file.is_file():
                    inside = file.relative_to(ROOT).as_posix()
                    assert (inside if folder == "adapt" else f"adapt/{inside}") in names, inside
    assert not any(name.startswith(("tests", "recipes", "tools")) for name in names)
