"""Every generated page of the site, and what the hook does to written ones; needs no mkdocs."""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

import adapt
from tools.site import commands, methods, numbers, recipes

DOCS = Path(__file__).parents[2] / "docs"
COMMANDS, API, METHODS = "reference/commands", "reference/api", "methods"
KEYS, EXAMPLES = "reference/recipe_keys.md", "reference/api_examples.md"
OF_THE_REPOSITORY = {
    "security.md": "SECURITY.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "conduct.md": "CODE_OF_CONDUCT.md",
}
"""Pages that lie in the root, where people and platforms look for them."""
NAMED = re.compile(r"(?<![`\[])`docs/([\w/.-]+\.md)`(?![`\]])")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def generated() -> Iterator[tuple[str, str]]:
    """Path below docs/ and text of every page that no file holds."""
    yield f"{COMMANDS}/index.md", commands.index_page()
    for words, command, context in commands.commands():
        path = f"{COMMANDS}/{commands.file_name(words)}"
        yield path, commands.command_page(words, command, context)
    yield KEYS, recipes.recipe_page()
    yield f"{METHODS}/all_numbers.md", numbers.all_numbers(methods.names())
    for path, file in OF_THE_REPOSITORY.items():
        yield path, (DOCS.parent / file).read_text(encoding="utf-8")
    yield f"{API}/index.md", api_index()
    for name in public():
        yield f"{API}/{name}.md", api_page(name)


def public() -> list[str]:
    """Public names, without the version."""
    return sorted(adapt.__all__, key=str.lower)


def api_page(name: str) -> str:
    """A page on which mkdocstrings puts the docstring of a public name."""
    text = f"# adapt.{name}\n\n::: {home(name)}.{name}\n"
    if example := example_of(name):
        text += (
            f"\n## Example\n\n{example}\n\nWhat comes before it: [examples](../api_examples.md).\n"
        )
    return text


def example_of(name: str) -> str:
    """What the page of examples has under a name; empty where its docstrings hold some."""
    page = (DOCS / EXAMPLES).read_text(encoding="utf-8")
    return page.partition(f"\n## {name}\n")[2].partition("\n## ")[0].strip()


def home(name: str) -> str:
    """The module that defines a public name."""
    return "adapt.errors" if name == "AdaptError" else adapt._HOMES[name]


def api_index() -> str:
    """A table of the public names."""
    rows = [
        f"| [`adapt.{name}`]({name}.md) | {commands.cell(summary(name), escape=True)} |"
        for name in public()
    ]
    return "\n".join(
        [
            "# Python API",
            "",
            "These names are the public interface; each is loaded when it is first used, and "
            "`import adapt` loads no torch. "
            "Pages are generated from the docstrings, whose examples are run as tests.",
            "",
            "| name | what |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def summary(name: str) -> str:
    """The first sentence of a docstring."""
    text = getattr(adapt, name).__doc__ or ""
    return commands.first_sentence(text.strip().partition("\n\n")[0])


def written(path: str, text: str) -> str:
    """A written page as the site shows it.

    Args:
        path: Its path below docs/.
        text: Its Markdown.
    """
    folder, name = posixpath.split(path)
    if folder == METHODS and (method := name.removesuffix(".md")) in methods.names():
        title, _, rest = text.partition("\n")
        text = f"{title}\n\n{methods.head(method)}{rest.rstrip()}\n\n{methods.tail(method)}"
    return linked(path, text)


def linked(path: str, text: str) -> str:
    """Turn names of pages, such as `docs/predict.md` in backticks, into links; fences stay.

    >>> linked("concepts/a.md", "See `docs/predict.md`.")
    'See [predict.md](../predict.md).'
    """

    def link(match: re.Match[str]) -> str:
        target = posixpath.relpath(match[1], posixpath.dirname(path) or ".")
        return f"[{posixpath.basename(match[1])}]({target})"

    parts, last = [], 0
    for fence in FENCE.finditer(text):
        parts += [NAMED.sub(link, text[last : fence.start()]), fence[0]]
        last = fence.end()
    return "".join([*parts, NAMED.sub(link, text[last:])])
