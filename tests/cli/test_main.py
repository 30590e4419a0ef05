"""The entry point imports little, and Ctrl-C while it does is no traceback."""

import builtins
import subprocess
import sys
from typing import Any

import pytest

from adapt.cli import main


def test_the_entry_point_is_light() -> None:
    heavy = "{'typer', 'torch', 'rich'}"
    code = f"import adapt.cli.main, sys; print(*sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    ("moment", "code"), [("adapt.cli.shared.endings", 130), ("adapt.cli.app", 130)]
)
def test_ctrl_c_while_importing(
    moment: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = builtins.__import__

    def stopped(name: str, *given: Any, **named: Any) -> Any:
        if name == moment:
            raise KeyboardInterrupt
        return original(name, *given, **named)

    monkeypatch.setattr(sys, "argv", ["adapt", "list", "recipes"])
    monkeypatch.setattr(builtins, "__import__", stopped)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == code
    assert capsys.readouterr().err.startswith("stopped by Ctrl-C")
