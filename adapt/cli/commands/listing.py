"""What `adapt list` shows: names, and what each is."""

from collections.abc import Callable

from adapt.errors import RecipeError, did_you_mean


def names_of(kind: str) -> list[tuple[str, str]]:
    """Names of one kind, each with a few words.

    Args:
        kind: recipes, methods, models, shifts, templates, formats, limits or
            strategies.

    Raises:
        RecipeError: When there is no such kind.
    """
    kinds: dict[str, Callable[[], list[tuple[str, str]]]] = {
        "recipes": _recipes,
        "methods": _methods,
        "models": _models,
        "shifts": _shifts,
        "templates": _templates,
        "formats": _formats,
        "limits": _limits,
        "strategies": _strategies,
    }
    if kind not in kinds:
        raise RecipeError(
            f"list - not known - {kind!r}{did_you_mean(kind, kinds)} - choose one of "
            f"{', '.join(kinds)}"
        )
    return kinds[kind]()


def _recipes() -> list[tuple[str, str]]:
    from adapt.recipe.shipped import find_recipe, recipe_names, recipe_summary

    return [(name, recipe_summary(find_recipe(name))) for name in recipe_names()]


def _methods() -> list[tuple[str, str]]:
    from adapt.methods import schemas

    return [(name, (schema.__doc__ or "").split("\n")[0]) for name, schema in schemas().items()]


def _models() -> list[tuple[str, str]]:
    from adapt.models.backbones import architectures, pretrained_tags

    return [(arch, ", ".join(tags)) for arch in architectures() if (tags := pretrained_tags(arch))]


def _shifts() -> list[tuple[str, str]]:
    from adapt.data.shifts.shift import SHIFTS

    return [(name, (shift.__doc__ or "").split("\n")[0]) for name, shift in sorted(SHIFTS.items())]


def _templates() -> list[tuple[str, str]]:
    from adapt.models.templates import template_sets

    return [
        (name, f"{len(templates)}: {templates[0]}") for name, templates in template_sets().items()
    ]


def _formats() -> list[tuple[str, str]]:
    from adapt.export.base import FORMATS

    return [(name, own.what) for name, own in FORMATS.table().items()]


def _limits() -> list[tuple[str, str]]:
    from adapt.comparison.limits import QUANTITIES, UNITS
    from adapt.explore.audit.limits import QUANTITIES as OF_GROUPS

    commands = {"diff": QUANTITIES, "audit": OF_GROUPS}
    return [
        (name, f"adapt {command}: {own.what}; {UNITS[own.unit][1]}")
        for command, quantities in commands.items()
        for name, own in quantities.items()
    ]


def _strategies() -> list[tuple[str, str]]:
    from adapt.explore.suggest.strategies.base import STRATEGIES

    return [(name, own.sentence) for name, own in STRATEGIES.table().items()]
