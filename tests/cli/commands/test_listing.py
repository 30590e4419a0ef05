"""`adapt list`: every kind of name, and a hint for another."""

import pytest

from tests.cli.test_app import call

KINDS = ["recipes", "methods", "models", "shifts", "templates", "formats", "limits", "strategies"]


@pytest.mark.parametrize("kind", KINDS)
def test_list(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "list", kind) == 0
    expected = {
        "recipes": "quickstart",
        "methods": "lora",
        "models": "adapt-icons-xs",
        "shifts": "fog",
        "templates": "openai",
        "formats": "onnx",
        "limits": "adapt audit: lowest accuracy of a group; percent, such as 80",
        "strategies": "k_centre",
    }
    assert expected[kind] in capsys.readouterr().out


def test_list_of_something_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "list", "method") == 2
    assert "did you mean 'methods'?" in capsys.readouterr().err
