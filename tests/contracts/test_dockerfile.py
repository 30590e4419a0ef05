"""The Dockerfile: what it copies is there, what it installs is declared, and nobody is root."""

import configparser
import json
import re
from pathlib import Path

from adapt.cli.commands.serve import NEEDS

ROOT = Path(__file__).parents[2]


def instructions() -> list[tuple[str, str]]:
    """Name and rest of every instruction, in order."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in kept)]


def test_what_is_copied_is_there_and_in_the_context() -> None:
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [rest.split()[:-1] for name, rest in instructions() if name == "COPY"]
    sources = [word for words in copied if not words[0].startswith("--") for word in words]
    assert "adapt" in sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in allowed


def test_it_serves_without_rights() -> None:
    rest = dict(instructions())  # the last of each name counts
    assert rest["USER"] == "10001"
    assert json.loads(rest["ENTRYPOINT"])[:2] == ["adapt", "serve"]  # a list: signals arrive
    assert "/ready" in json.loads(rest["HEALTHCHECK"].partition("CMD ")[2])[2]
    names = [name for name, _ in instructions()]
    assert names.index("USER") > max(at for at, name in enumerate(names) if name == "RUN")
    arguments = dict(value.split("=") for name, value in instructions() if name == "ARG")
    assert (arguments["TORCH"], arguments["EXTRAS"]) == ("cpu", "serve")


def test_the_extra_holds_what_the_command_needs() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    extra = setup["options.extras_require"]["serve"].splitlines()
    named = {re.split("[<>=]", line)[0].replace("-", "_") for line in extra if ">=" in line}
    assert named == set(NEEDS)
