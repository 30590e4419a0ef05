"""What `adapt serve` refuses before it opens a model, and what it says."""

import socket
from pathlib import Path
from typing import Any

import pytest

from adapt.cli.commands import serve as command
from adapt.serve import process
from adapt.serve.access import VARIABLE
from tests.cli.test_app import call
from tests.helpers.bundles import smallest


def test_what_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "too-short")
    assert call(monkeypatch, "serve", tmp_path) == 2
    assert f"${VARIABLE} - not a token" in capsys.readouterr().err
    monkeypatch.delenv(VARIABLE)
    assert call(monkeypatch, "serve", tmp_path, "time=3") == 2
    assert "time=3 - not a setting, did you mean 'timeout'" in capsys.readouterr().err
    assert call(monkeypatch, "serve", tmp_path, "--port", "0") == 4
    assert "not a bundle" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert call(monkeypatch, "serve", tmp_path, "--port", port) == 2
    assert "in use" in capsys.readouterr().err
    monkeypatch.setattr(command, "NEEDS", ("no_such_package",))
    assert call(monkeypatch, "serve", tmp_path) == 2
    assert "pip install 'adapt-clip[serve]'" in capsys.readouterr().err


def test_what_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = smallest(tmp_path).save(tmp_path / "model")
    token = tmp_path / "token"
    token.write_text("0123456789abcdef")
    served: list[Any] = []

    def run(server: process.Server, sockets: list[socket.socket]) -> None:
        served.append(server)
        server._told()

    monkeypatch.setattr(process.Server, "run", run)
    words = ("serve", folder, "timeout=7", "--port", "0", "--device", "cpu", "--host", "0.0.0.0")
    assert call(monkeypatch, *words) == 0
    said = capsys.readouterr()
    name = served[0]._service.host.model.name
    assert f"model {name} on cpu: http://0.0.0.0:" in said.out
    assert "no token: whoever reaches http://0.0.0.0:" in said.err
    assert served[0]._service.settings.timeout == 7
    assert call(monkeypatch, *words, "--token-file", token) == 0
    assert capsys.readouterr().err == ""
    assert [command._is_local(host) for host in ("localhost", "::1", "127.0.0.2", "x")] == [
        True, True, True, False,
    ]  # fmt: skip
