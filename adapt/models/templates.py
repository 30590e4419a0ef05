"""Prompt templates: named sets, and the prompts a class gets from them."""

from adapt.data.labels.classes import ClassName
from adapt.errors import RecipeError, did_you_mean
from adapt.models.backbones import named_templates


def template_sets() -> dict[str, list[str]]:
    """The named sets: `plain` (1), `simple` (7 of OpenAI's), `openai` (OpenAI's 80 for ImageNet).

    >>> {name: len(templates) for name, templates in template_sets().items()}
    {'plain': 1, 'simple': 7, 'openai': 80}
    """
    known = named_templates()
    return {"plain": ["a photo of a {}."], "simple": known["simple"], "openai": known["openai"]}


def resolve_templates(templates: list[str]) -> list[str]:
    """Replace names of sets by their templates.

    Args:
        templates: Set names and templates with exactly one `{}`, in any mix.

    Raises:
        RecipeError: When an entry is neither, or one text is given in place of a list.

    >>> resolve_templates(["plain", "a drawing of a {}"])
    ['a photo of a {}.', 'a drawing of a {}']
    """
    single: object = templates  # who does not check types may give one text
    if isinstance(single, str):
        given = f"{single!r} is one text"
        raise RecipeError(f"model.templates - not a list - {given} - give [{single!r}]")
    sets, resolved = template_sets(), []
    for entry in templates:
        if entry in sets:
            resolved += sets[entry]
        elif isinstance(entry, str) and entry.count("{}") == 1:
            resolved.append(entry)
        else:
            raise RecipeError(
                "model.templates - neither a set nor a template - "
                f"{entry!r}{did_you_mean(str(entry), sets)} "
                f"- choose from {', '.join(sets)} or write one `{{}}`"
            )
    if not resolved:
        raise RecipeError("model.templates - empty - [] - give a set name or a template")
    return resolved


def class_prompts(names: list[ClassName], templates: list[str]) -> list[list[str]]:
    """Every prompt of every class: its own ones if it has any, else its words in each template.

    >>> class_prompts([ClassName("alarm_clock", "alarm clock")], ["a {}"])
    [['a alarm clock']]
    """
    return [
        [text.replace("{}", name.words) for text in name.prompts or templates] for name in names
    ]
