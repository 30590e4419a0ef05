"""The generated parts of the site hold every name there is."""

import doctest
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import adapt
from adapt.cli.commands.monitor import ALARM
from adapt.cli.diff import LIMIT_FAILED
from adapt.cli.shared.endings import PREEMPTED, STOPPED, UNEXPECTED, USAGE
from adapt.errors import AdaptError
from adapt.methods.base import schemas
from adapt.recipe.build import fields_of
from tools.site import pages, recipes

DOCS = Path(__file__).parents[2] / "docs"
MODULES = ("commands", "recipes", "notebooks", "numbers", "methods", "pages")


@cache
def generated() -> dict[str, str]:
    return dict(pages.generated())


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name: str) -> None:
    assert not doctest.testmod(importlib.import_module(f"tools.site.{name}")).failed


def test_every_command_and_option_has_its_place() -> None:
    from adapt.cli.app import app

    typed = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    paths = {Path(path).stem for path in generated() if path.startswith(pages.COMMANDS)}
    assert {name.replace("-", "_") for name in typed} <= {path.replace("-", "_") for path in paths}
    assert {"cache_info", "cache_clear", "cache_path"} <= paths
    page = generated()[f"{pages.COMMANDS}/run.md"]
    for option in ("--out", "--resume", "--overwrite", "--quiet", "--from-previous"):
        assert f"`{option}" in page
    assert "--resume-auto" not in page  # hidden


def test_every_key_of_a_recipe_is_there() -> None:
    page = generated()[pages.KEYS]
    for name, schema in recipes.classes().items():
        if not name.startswith(recipes.METHOD) and name != "Source":  # the base of all kinds
            part = page.partition(f"{{ #{name.lower()} }}")[2].partition("\n## ")[0]
            missing = [key for key in fields_of(schema) if f"| `{key}` |" not in part]
            assert not missing, (name, missing)


def test_links_between_sections_lead_somewhere() -> None:
    page = generated()[pages.KEYS]
    anchors = set(re.findall(r"\{ #([\w-]+) \}", page)) | {"sources"}
    assert set(re.findall(r"\]\(#([\w-]+)\)", page)) <= anchors


@pytest.mark.parametrize("name", sorted(schemas()))
def test_every_setting_of_a_method_is_there(name: str) -> None:
    page = pages.written(f"methods/{name}.md", f"# {name}\n")
    missing = [key for key in fields_of(schemas()[name]) if f"| `{key}` |" not in page]
    assert not missing


PARTS = ("The idea", "When to take it", "Cost", "Differences from the authors' code")


@pytest.mark.parametrize("name", sorted(schemas()))
def test_every_method_has_a_written_page(name: str) -> None:
    page = (DOCS / "methods" / f"{name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {name}: ")
    assert "\n```math\n" in page
    for part in PARTS:
        text = page.partition(f"\n## {part}\n")[2].partition("\n## ")[0]
        assert text.strip(), part


def test_numbers_are_those_of_the_benchmarks() -> None:
    page = pages.written("methods/gda.md", "# gda\n")
    line = next(line for line in page.splitlines() if line.startswith("| gda | 57"))
    source = (DOCS / "benchmarks" / "few_shot.md").read_text(encoding="utf-8")
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert any(all(f" {cell} " in row for cell in cells) for row in source.splitlines())
    table = generated()["methods/all_numbers.md"]
    assert "| 70.5 | 57.1 | 67.2 | 30.0 |" in next(
        row for row in table.splitlines() if "`lp_ft`" in row
    )


def test_every_public_name_has_a_page() -> None:
    for name in adapt.__all__:
        module = importlib.import_module(pages.home(name))
        assert getattr(module, name) is getattr(adapt, name)
        assert f"::: {module.__name__}.{name}\n" in generated()[f"{pages.API}/{name}.md"]


@pytest.mark.parametrize("name", sorted(set(adapt.__all__) - {"__version__"}))
def test_every_public_name_has_an_example(name: str) -> None:
    thing = getattr(adapt, name)
    members = vars(thing).values() if isinstance(thing, type) else ()
    said = [thing.__doc__, *(getattr(member, "__doc__", "") for member in members)]
    assert any(">>> " in (text or "") for text in said) or "```python" in pages.example_of(name)


def errors(kind: type[AdaptError] = AdaptError) -> Iterator[type[AdaptError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from errors(child)


def test_every_exit_code_is_there() -> None:
    """Those of errors, with the name of the error, and those of commands."""
    rows = (DOCS / "reference" / "exit_codes.md").read_text(encoding="utf-8").splitlines()
    by_code = {int(row.split("|")[1]): row for row in rows if re.match(r"\| \d", row)}
    assert {0, ALARM, LIMIT_FAILED, PREEMPTED, STOPPED, UNEXPECTED, USAGE, 3} <= by_code.keys()
    for kind in errors():
        if kind.__module__.startswith("adapt."):
            assert f"`{kind.__name__}`" in by_code[kind.exit_code], kind


ROOT = DOCS.parent
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/promises.md"])
def test_every_promise_names_a_test_that_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for file, test in NAMED.findall(text):
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), (file, test)
    items = [
        line for line in text.splitlines() if line.startswith(("- ", "| ")) and "tests/" in line
    ]
    assert len(items) >= 14
    if page.startswith("docs"):
        assert len(items) == sum(line.startswith("- ") for line in text.splitlines())


def test_every_message_is_one_of_the_program() -> None:
    source = " ".join(
        re.sub(r'"\s*\n\s*f?"', "", path.read_text(encoding="utf-8"))
        for path in (ROOT / "adapt").rglob("*.py")
    )
    rows = (DOCS / "messages.md").read_text(encoding="utf-8").splitlines()
    phrases = [match[1] for row in rows if (match := re.match(r"\| `([^`]+)` \|", row))]
    assert len(phrases) > 20
    missing = [phrase for phrase in phrases if phrase not in source]
    assert not missing


NUMBER = re.compile(r"(?<![\w.:])\d+\.\d+(?![\w.]*\d|\w)")
CODE = re.compile(r"```.*?```|`[^`\n]*`|\]\([^)]*\)|arXiv:[\d.]+|<!--.*?-->", re.DOTALL)
SOURCES = "\n".join(
    path.read_text(encoding="utf-8")
    for folder, ending in (("docs/benchmarks", "md"), ("recipes", "yaml"))
    for path in (ROOT / folder).rglob(f"*.{ending}")
)
OURS = sorted(
    path for part in ("concepts", "how_to", "methods", "tutorials")
    for path in (DOCS / part).glob("*.md")
)  # fmt: skip


@pytest.mark.parametrize("page", [*OURS, DOCS / "index.md"], ids=lambda page: page.stem)
def test_every_number_is_in_a_benchmark_or_a_recipe(page: Path) -> None:
    """Numbers with a decimal, code aside: those are measurements, or constants of a paper."""
    text = CODE.sub(" ", page.read_text(encoding="utf-8"))
    missing = [
        n for n in NUMBER.findall(text) if not re.search(rf"(?<!\d){re.escape(n)}(?!\d)", SOURCES)
    ]
    assert set(missing) <= CONSTANTS.get(page.stem, set())


CONSTANTS = {
    "auto": {"0.025"},  # of BY_CHANCE
    "tip_adapter": {"1.17"},  # the released code's alpha
    "uncertainty": {"0.9"},  # the default of the level
}


def test_the_citation_is_of_this_version() -> None:
    from adapt.version import __version__

    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_names_of_pages_become_links_outside_of_fences() -> None:
    text = "`docs/a.md`\n\n```\n`docs/a.md`\n```\n[`docs/a.md`](a.md)\n"
    assert pages.linked("x/b.md", text) == (
        "[a.md](../a.md)\n\n```\n`docs/a.md`\n```\n[`docs/a.md`](a.md)\n"
    )
