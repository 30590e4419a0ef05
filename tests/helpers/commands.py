"""Commands as a user gives them, in this process or in one of their own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from adapt.cli.app import main

ROOT = Path(__file__).parents[2]


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Run a command here; returns its exit code."""
    with monkeypatch.context() as patch:
        for name in ("stdout", "stderr"):  # the command may put others in their place
            patch.setattr(sys, name, getattr(sys, name))
        patch.setattr(sys, "argv", ["adapt", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
    return int(ended.value.code or 0)


def start(
    *words: object, environment: Mapping[str, str] | None = None, code: str | None = None
) -> "subprocess.Popen[str]":
    """Start a command in a process of its own, or some Python code in its place."""
    inside = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    how = ["-m", "adapt"] if code is None else ["-c", code]
    return subprocess.Popen(
        [sys.executable, *how, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**inside, **(environment or {})},
    )
