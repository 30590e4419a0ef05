"""A dataclass of settings becomes options of a command."""

from dataclasses import dataclass

import pytest
import typer
from typer.testing import CliRunner

from adapt.cli.shared.options import with_settings
from adapt.errors import RecipeError


@dataclass(frozen=True)
class Cooking:
    minutes_left: int = 5
    sauce: str | None = None
    hot: bool = False

    def __post_init__(self) -> None:
        if self.minutes_left < 1:
            raise ValueError(f"minutes_left - out of range - {self.minutes_left} - give 1 or more")


def made() -> tuple[typer.Typer, list[object]]:
    app, seen = typer.Typer(), list[object]()
    options = {
        "minutes_left": typer.Option(help="Time."), "sauce": typer.Option(help="Which."),
        "hot": typer.Option("-h", "--hot", help="Whether."),
    }  # fmt: skip

    @app.command()
    @with_settings(Cooking, options)
    def cook(dish: str, settings: Cooking, often: int = 1) -> None:
        """Cook a dish."""
        seen.append((dish, settings, often))

    return app, seen


@pytest.mark.parametrize(("words", "expected"), [
    (["soup"], ("soup", Cooking(), 1)),
    (["soup", "--minutes-left", "9", "-h", "--often", "2"], ("soup", Cooking(9, None, True), 2)),
    (["--sauce", "red", "soup"], ("soup", Cooking(5, "red", False), 1)),
])  # fmt: skip
def test_options_fill_the_settings(words: list[str], expected: object) -> None:
    app, seen = made()
    assert CliRunner().invoke(app, words).exit_code == 0
    assert seen == [expected]


def test_help_and_mistakes() -> None:
    app, seen = made()
    shown = CliRunner().invoke(app, ["--help"]).output
    for text in ("Cook a dish.", "--minutes-left", "Time.", "--sauce", "--often"):
        assert text in shown
    failed = CliRunner().invoke(app, ["soup", "--minutes-left", "0"])
    assert isinstance(failed.exception, RecipeError)
    assert str(failed.exception) == "--minutes-left - out of range - 0 - give 1 or more"
    assert seen == []
