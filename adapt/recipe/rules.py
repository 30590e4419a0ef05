"""Rules that no section can check alone: shifts of other evals, what alpha is chosen on, files."""

from dataclasses import fields
from typing import Any

from adapt.common.typed import FOLDER, leads
from adapt.common.words import is_file_name, listed
from adapt.data.augmentation.policies import Step
from adapt.data.settings import FromTrain
from adapt.ensembling.rules.base import needs_corruptions
from adapt.ensembling.settings import MIXED, WITHOUT_PROBE
from adapt.errors import did_you_mean
from adapt.models.settings import ZPE
from adapt.recipe.build import Builder, to_plain
from adapt.recipe.schema import RESERVED_EVALS, Recipe, eval_names
from adapt.recipe.text import join
from adapt.training.settings import OF_WHOLE_WEIGHTS

PAIRS_WITHOUT: dict[str, Any] = {
    "data.val.folds": None,
    "data.balance": "none",
    "ensemble.members": 1,
    "ensemble.groups": "",
    "few_shot.shots": [],
    "model.beside": [],
    "model.prompts.file": None,
    "model.prompts.search": False,
    "model.prompts.weights": "uniform",
    "robustness.groups": [],
    "uncertainty.unknown": None,
}
"""Settings that have no meaning for images with captions, and what turns them off."""
TIMM = "timm/"
WITHOUT_TEXT: dict[str, Any] = {
    "data.val.folds": None,
    "few_shot.shots": [],
    "method.optim.car_ft": 0.0,
    "method.optim.lipsum_ft": 0.0,
    "model.prompts.file": None,
    "model.prompts.search": False,
    "model.prompts.weights": "uniform",
}
"""Settings that a model without a text encoder has no use for, and what turns them off."""
NAME_RULE = "choose another name, of letters, digits, hyphens and underscores, 64 at most"


def check_evals(builder: Builder, data: dict[str, Any]) -> None:
    """Check names of evals, what is given for one that is never sampled, and synthetic shifts."""
    evals = data.get("evals")
    if not isinstance(evals, dict):
        return
    taken: dict[str, str] = {}
    aside: list[str] = []
    for name, given in evals.items():
        here = join("evals", name)
        problem = _name_problem(name)
        if problem:
            builder.problems.add(here, problem, name, NAME_RULE)
        section = builder.built.get(here)
        for full in eval_names(name, section) if section is not None else [name]:
            # Names become file names, and some file systems do not tell `Test` from `test`.
            other = taken.setdefault(full.casefold(), name)
            if other != name:
                builder.problems.add(here, f"same name as evals.{other}", full, "rename one")
        if isinstance(given, dict) and "of" in given:
            _check_shift(builder, here, evals)
            continue
        if isinstance(section, FromTrain):
            aside.append(name)
            if len(aside) > 1:
                what = f"images of train are set aside already, for evals.{aside[0]}"
                builder.problems.add(here, what, given, "keep one of them")
            continue
        for key in ("shots", "fraction", "group"):
            if f"{here}.{key}" in builder.built and given[key] is not None:
                todo = f"remove it; {key} belongs to data.train"
                builder.problems.add(f"{here}.{key}", "evals are never sampled", given[key], todo)


def _name_problem(name: str) -> str | None:
    if name.casefold() in RESERVED_EVALS:
        return f"{name.casefold()} is not a test set, the name is reserved"
    return None if is_file_name(name) else "not safe in a file name"


def _check_shift(builder: Builder, here: str, evals: dict[str, Any]) -> None:
    target = builder.built.get(f"{here}.of")
    kind = builder.built.get(f"{here}.shift")
    natural = [
        name
        for name, given in evals.items()
        if not isinstance(given, dict)
        or ("of" not in given and not given.get("retention") and given.get("kind") != "retrieval")
    ]
    if target is not None and target not in natural:
        what = "not an eval" + did_you_mean(target, natural)
        if target in evals:
            stacked = f"{join('evals', target)}.of" in builder.built
            other = "retrieval" if evals[target].get("kind") == "retrieval" else "retention"
            kind_of = "shift, and shifts" if stacked else f"{other} set, and these"
            what = f"is itself a {kind_of} are not {'stacked' if stacked else 'shifted'}"
        todo = f"choose one of {listed(natural)}" if natural else "add a natural eval first"
        builder.problems.add(f"{here}.of", what, target, todo)
    if kind is not None:
        _check_kind(builder, f"{here}.shift", kind)


def _check_kind(builder: Builder, here: str, kind: str) -> None:
    from adapt.data.shifts.shift import SHIFTS

    if kind not in SHIFTS:
        what = f"not a shift{did_you_mean(kind, SHIFTS)}"
        builder.problems.add(here, what, kind, f"choose one of {listed(sorted(SHIFTS))}")


def check_candidates(builder: Builder, data: dict[str, Any]) -> None:
    """Check that the run fits a linear probe where nothing else may ship."""
    ship, method = builder.built.get("ship"), data.get("method")
    name = method.get("name") if isinstance(method, dict) else None
    if ship and MIXED not in ship and name in WITHOUT_PROBE:
        todo = f"add {MIXED}"
        builder.problems.add("ship", f"{name} has no linear probe beside it", ship, todo)


def check_corruptions(builder: Builder) -> None:
    """Check the kinds of corruption that the rule for alpha looks at."""
    for place, kind in enumerate(builder.built.get("ensemble.corruptions") or []):
        _check_kind(builder, f"ensemble.corruptions[{place}]", kind)


def check_choices(builder: Builder, data: dict[str, Any]) -> None:
    """Test data cannot leak: whatever is chosen is chosen on val."""
    here = "ensemble.select"
    select = builder.built.get(here, "val")
    if select == "val":
        return
    evals = data.get("evals")
    if isinstance(evals, dict) and select in evals:
        what = "evals are test data, and nothing may be chosen on test data"
    elif select == "train":
        what = "the model has learned these images, alpha 1 would always win"
    else:
        what = "not a split to choose on"
    builder.problems.add(here, what, select, "write val, the only split alpha may be chosen on")


def check_line(builder: Builder) -> None:
    """Refuse to mix with zero-shot a head on features that zero-shot has no head for."""
    features, kind = (
        builder.built.get(key, default)
        for key, default in (("method.features", "projected"), ("ensemble.kind", "wise_ft"))
    )
    if features == "penultimate" and kind != "none":
        todo = "set ensemble.kind=none, or features=projected"
        what = "has no line to zero-shot, whose head is behind the projection"
        builder.problems.add("method.features", what, features, todo)


def check_holdout(builder: Builder, data: dict[str, Any]) -> None:
    """Refuse a fraction beside what says otherwise which images val holds."""
    section = data.get("data")
    val = section.get("val") if isinstance(section, dict) else None
    if isinstance(val, dict) and val.get("folds") is not None and "fraction" in val:
        here = "data.val.folds"
        builder.problems.add(here, "does not go with fraction", val["folds"], "keep one of them")
    if isinstance(val, dict) and val.get("by") in ("split", "stored") and "fraction" in val:
        problem, todo = f"does not go with by {val['by']}", "remove it: the images are named"
        builder.problems.add("data.val.fraction", problem, val["fraction"], todo)


def check_files(builder: Builder) -> None:
    """Folders and files that are named must be there, relative to the current folder."""
    for here, (what, path) in builder.paths.items():
        if here not in builder.problems and not leads(path, what):
            kind = "folder" if what == FOLDER else "file"
            builder.problems.add(here, f"no such {kind}", path, f"correct it, or {here}=PATH")


def check_steps(builder: Builder, data: dict[str, Any]) -> list[Step] | None:
    """Check a custom list of augmentation steps, argument by argument.

    Args:
        builder: Has read the recipe; notes what is wrong.
        data: The whole recipe as plain containers.

    Returns:
        The steps with all their arguments; None when there is no such list or it is wrong.
    """
    section = data.get("data")
    steps = section.get("augmentation") if isinstance(section, dict) else None
    if not isinstance(steps, list):
        return None
    # Here, because it loads albumentations.
    from adapt.data.augmentation.steps import full_step, step_problems

    if wrong := step_problems(steps):
        builder.explain("\n".join(wrong), "data")
        return None
    return [full_step(step) for step in steps]


def check_members(builder: Builder, schema: type | None) -> None:
    """Refuse checkpoints of a method that does not train by steps.

    Args:
        builder: Has read the members; notes what is wrong.
        schema: Dataclass of the method, if that is known.
    """
    here = "ensemble.members.checkpoints"
    wanted = builder.built.get(here, 1)
    if wanted > 1 and schema is not None and "optim" not in {f.name for f in fields(schema)}:
        todo = "remove it, or choose a method with settings named `optim`"
        builder.problems.add(here, "has no effect on this method", wanted, todo)


def check_strategy(builder: Builder, method: Any) -> None:
    """Refuse what needs whole weights where each process has a part of them.

    Args:
        builder: Has read the runtime; notes what is wrong.
        method: With all its settings; None when it could not be read.
    """
    if builder.built.get("runtime.strategy") != "fsdp":
        return
    optim = getattr(method, "optim", None)
    for name in OF_WHOLE_WEIGHTS:
        if value := getattr(optim, name, 0):
            here = f"method.optim.{name}"
            todo = f"set {here}=0, or runtime.strategy=ddp: no device has the whole weights"
            builder.problems.add(here, "does not go with fsdp", value, todo)


def check_balance(builder: Builder, schema: type | None) -> None:
    """Refuse to balance classes where the method has no setting to do so.

    Args:
        builder: Has read `data.balance`; notes what is wrong.
        schema: Dataclass of the method, if that is known.
    """
    balance = builder.built.get("data.balance", "none")
    if balance == "none" or schema is None:
        return
    from adapt.methods.base import BALANCES_BY

    if not {field.name for field in fields(schema)} & BALANCES_BY:
        todo = "remove it, or choose a method with settings named `optim`"
        builder.problems.add("data.balance", "has no effect on this method", balance, todo)


def check_pairs(builder: Builder, data: dict[str, Any], schema: type | None) -> None:
    """Refuse what a run on images with captions has no use for, and captions without such a run.

    Args:
        builder: Has read the recipe; notes what is wrong.
        data: The whole recipe as plain containers.
        schema: Dataclass of the method, if that is known.
    """
    train = builder.built.get("data.train")
    if not getattr(train, "has_captions", False):
        for here, section in list(builder.built.items()):
            if getattr(section, "has_captions", False) and not hasattr(section, "for_evals"):
                todo = "write kind: retrieval, or give data.train captions too"
                what = "captions, and train has classes"
                builder.problems.add(here, what, section.kind, todo)
        return
    if schema is not None and not getattr(schema, "learns_pairs", False):
        name = data["method"]["name"]
        todo = "choose contrastive or lit"
        builder.problems.add("method.name", "does not learn from captions", name, todo)
    if builder.built.get("method.captions", "column") != "column":
        todo = "remove it: the captions are those of the pairs"
        builder.problems.add("method.captions", "no class has a prompt here", "prompts", todo)
    rule = builder.built.get("ensemble.rule")
    if rule is not None and needs_corruptions(rule):
        todo = "choose likelihood_gain, likelihood or val"
        builder.problems.add("ensemble.rule", "looks at no captions", rule, todo)
    for here, nothing in PAIRS_WITHOUT.items():
        given = builder.built.get(here, nothing)
        if given != nothing and given is not None:
            builder.problems.add(here, "has no meaning for captions", given, "remove it")


def check_towers(builder: Builder, data: dict[str, Any], schema: type | None) -> None:
    """Refuse what an image encoder without texts cannot do, and its settings for other models.

    Args:
        builder: Has read the recipe; notes what is wrong.
        data: The whole recipe as plain containers.
        schema: Dataclass of the method, if that is known.
    """
    arch, built = builder.built.get("model.arch"), builder.built
    if not isinstance(arch, str) or not arch.startswith(TIMM):
        for key in ("model.image_size", "model.text"):
            if built.get(key) is not None:
                todo = "remove it, or give arch: timm/NAME"
                builder.problems.add(key, "for image encoders of timm only", "given", todo)
        return
    if built.get("model.text") is not None:
        return
    todo = "add model.text, the text encoder of a CLIP"
    if schema is not None and not getattr(schema, "without_text", False):
        name = data["method"]["name"]
        builder.problems.add("method.name", "needs a text encoder", name, f"{todo}, or choose full")
    for here, nothing in WITHOUT_TEXT.items():
        given = built.get(here, nothing)
        if given is not None and given != nothing:
            what = "needs a start that saw no label, and zero-shot needs a text encoder"
            builder.problems.add(here, what, given, f"remove it, or {todo}")
    for here, section in list(built.items()):
        if getattr(section, "retention", False) is True or hasattr(section, "for_evals"):
            builder.problems.add(here, "such an eval needs a text encoder", "given", todo)


ONE_LABEL_ALONE = {
    "few_shot.shots": "images of a class cannot be counted off",
    "ensemble.members": "soups are chosen by accuracy",
    "ensemble.groups": "a group is a class with a value of a column",
    "model.prompts.search": "prompts are searched by accuracy",
    "robustness.groups": "groups are scored by accuracy",
    "robustness.reference": "the line of effective robustness is one of accuracies",
    "data.balance": "classes of an image cannot be drawn one by one",
    "model.beside": "other image encoders are compared by accuracy",
    "uncertainty": "thresholds per class decide instead",
    "evaluation.interval": "intervals of mAP and F1 are by the bootstrap",
}
"""Settings that know one label per image alone, and why."""


def check_several_labels(builder: Builder, schema: type | None) -> None:
    """Refuse what does not go with several labels per image, and the other way round.

    Args:
        builder: Has read the recipe; notes what is wrong.
        schema: Dataclass of the method, if that is known.
    """
    negations = builder.built.get("model.negations")
    if not getattr(builder.built.get("data.train"), "several_labels", False):
        if negations is not None:
            todo = "remove it, or declare several labels in data.train"
            builder.problems.add("model.negations", "for several labels", negations, todo)
        return
    if schema is not None and not getattr(schema, "several_labels", False):
        todo = "choose linear_probe, or a method that trains encoders, such as lora or full"
        what = "learns one label per image, and data.train declares several"
        builder.problems.add("method.name", what, schema.__name__, todo)
    plain = Recipe(name="plain")
    for key, why in ONE_LABEL_ALONE.items():
        default = plain
        for name in key.split("."):
            default = getattr(default, name)
        given = builder.built.get(key, default)
        if given != default:
            what = f"not for several labels per image: {why}"
            builder.problems.add(key, what, to_plain(given), "remove it")
    if builder.built.get("model.prompts.weights") == ZPE:
        what = "not for several labels per image: templates are weighed by a softmax over classes"
        builder.problems.add("model.prompts.weights", what, ZPE, "remove it")
    rule = builder.built.get("ensemble.rule", plain.ensemble.rule)
    if needs_corruptions(rule):
        todo = f"take {plain.ensemble.rule}"
        builder.problems.add("ensemble.rule", "looks at accuracy under corruptions", rule, todo)
    for name in builder.built.get("evals") or {}:
        if getattr(builder.built.get(f"evals.{name}"), "retention", False):
            what, todo = "not for several labels per image", "remove it"
            builder.problems.add(f"evals.{name}.retention", what, True, todo)
