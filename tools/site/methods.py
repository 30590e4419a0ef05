"""What the page of a method gets from its registration: settings, paper, what it learns from."""

import inspect
import re
import sys
from dataclasses import fields

from adapt.methods.base import schemas
from adapt.recipe.json_schema import recipe_schema
from tools.site.commands import cell, first_sentence
from tools.site.numbers import measured
from tools.site.recipes import METHOD, rows

ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})|arxiv\.org/abs/(\d{4}\.\d{4,5})")
RECIPE_PAGE = "../reference/recipe_keys.md"


def names() -> list[str]:
    """Every registered method."""
    return sorted(schemas())


def papers(method: type) -> list[str]:
    """Addresses of the papers that its module and class name, in their order."""
    text = f"{sys.modules[method.__module__].__doc__}\n{method.__doc__}"
    found = [first or second for first, second in ARXIV.findall(text)]
    return [f"https://arxiv.org/abs/{number}" for number in dict.fromkeys(found)]


def head(name: str) -> str:
    """What stands under the title: one sentence, the paper, what trains, how to choose it."""
    method = schemas()[name]
    sentence = first_sentence((inspect.getdoc(method) or "").partition("\n\n")[0])
    links = ", ".join(f"[arXiv:{link.rpartition('/')[2]}]({link})" for link in papers(method))
    several = "yes" if getattr(method, "several_labels", False) else "no"
    trains = "fits a head on features" if hasattr(method, "head") else "trains with images"
    lines = [
        f"> {cell(sentence, escape=True)}",
        "",
        "| | |",
        "|---|---|",
        f"| in a recipe | `method: {{name: {name}}}` |",
        f'| from Python | `adapt.method("{name}")` |',
        f"| kind | {trains} |",
        f"| several labels per image | {several} |",
        f"| paper | {links or 'none'} |",
        "",
    ]
    return "\n".join(lines)


def tail(name: str) -> str:
    """What stands at the end: settings with defaults and ranges, and what was measured."""
    method = schemas()[name]
    part = recipe_schema()["$defs"][METHOD + name]
    base = method() if all(_has_default(field) for field in fields(method)) else None
    lines = ["## Settings", "", *rows(method, part, base, RECIPE_PAGE), ""]
    optim = getattr(base, "optim", None)
    if optim is not None:
        lines += [_optimiser(optim), ""]
    numbers = measured(name)
    none = ["No benchmark of this project has a row for it."]
    return "\n".join([*lines, "## Measured", "", *(numbers or none), ""])


def _has_default(field: object) -> bool:
    from dataclasses import MISSING

    return getattr(field, "default", MISSING) is not MISSING or (
        getattr(field, "default_factory", MISSING) is not MISSING
    )


def _optimiser(optim: object) -> str:
    """Settings of `optim` that differ from those of its class."""
    plain = type(optim)()
    changed = {
        field.name: getattr(optim, field.name)
        for field in fields(plain)  # type: ignore[arg-type]
        if getattr(optim, field.name) != getattr(plain, field.name)
    }
    told = ", ".join(f"`{name}` {value}" for name, value in changed.items())
    told = told or "the defaults of its class"
    return f"Its `optim` begins with {told}; all keys: [Optim]({RECIPE_PAGE}#optim)."
