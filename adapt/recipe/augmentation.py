"""Checks of own lists of augmentation steps and of balances, which need transforms and methods."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from adapt.common.words import listed
from adapt.errors import did_you_mean
from adapt.recipe.build import Builder, to_plain

BALANCES_BY = {"optim", "class_weights"}
"""Settings of methods that can give rare classes their share."""


def check_steps(builder: Builder, data: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Check an own list of augmentation steps, argument by argument.

    Args:
        builder: Has read the recipe; notes what is wrong.
        data: The whole recipe as plain containers.

    Returns:
        The steps with all their arguments, as far as they are right; None when it is no list.
    """
    path, problems, section = "data.augmentation", builder.problems, data.get("data")
    steps = section.get("augmentation") if isinstance(section, dict) else None
    if not isinstance(steps, list):
        return None
    from adapt.data.augmentation.steps import step_schemas

    transforms = step_schemas()
    if not steps:
        problems.add(path, "empty", [], "give at least one step, or `none`")
    found = []
    for place, step in enumerate(steps):
        if not isinstance(step, dict):  # noted when the type was checked
            continue
        here, name = f"{path}[{place}]", step.get("name")
        known = f"choose one of {listed(sorted(transforms))}"
        if name is None:
            problems.say(f"{here}.name", "missing", "nothing", known)
        elif not isinstance(name, str) or name not in transforms:
            hint = did_you_mean(str(name), transforms)
            problems.add(f"{here}.name", f"not a transform{hint}", name, known)
        else:
            given = {key: value for key, value in step.items() if key != "name"}
            arguments = builder.section(transforms[name], given, here)
            found.append({"name": name, **to_plain(arguments or {})})
    return found


def check_balance(builder: Builder, schema: type | None) -> None:
    """Refuse a balance where the method could not heed it.

    Args:
        builder: Has read `data.balance`; notes what is wrong.
        schema: Dataclass of the method, if that is known.
    """
    balance = builder.built.get("data.balance", "none")
    if balance == "none" or schema is None:
        return
    if not {one.name for one in dataclasses.fields(schema)} & BALANCES_BY:
        todo = "remove it, or choose a method with settings named `optim`"
        builder.problems.add("data.balance", "has no effect on this method", balance, todo)
