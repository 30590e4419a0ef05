"""Rules that no section can check alone: shifts of other evals, what alpha is chosen on, files."""

from typing import Any

from adapt.common.words import is_file_name, listed
from adapt.errors import did_you_mean
from adapt.recipe.build import Builder
from adapt.recipe.schema import RESERVED_EVALS, eval_names
from adapt.recipe.shipped import exists
from adapt.recipe.text import join

# Kinds of source whose `path` may be a folder.
FOLDER_KINDS = ("shards", "huggingface")


NAME_RULE = "choose another name, of letters, digits, hyphens and underscores, 64 at most"


def check_evals(builder: Builder, data: dict[str, Any]) -> None:
    """Check names of evals, what is given for one that is never sampled, and synthetic shifts."""
    evals = data.get("evals")
    if not isinstance(evals, dict):
        return
    taken: dict[str, str] = {}
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
        for name, one in evals.items()
        if isinstance(one, dict) and "of" not in one and not one.get("retention")
    ]
    if target is not None and target not in natural:
        what = "not an eval" + did_you_mean(target, natural)
        if target in evals:
            stacked = f"{join('evals', target)}.of" in builder.built
            kind_of = "shift, and shifts" if stacked else "retention set, and these"
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


def check_files(builder: Builder, data: dict[str, Any]) -> None:
    """Folders and tables that are named must be there, relative to the current folder."""
    sources = ["data.train", "data.val", "uncertainty.unknown"]
    if isinstance(data.get("evals"), dict):
        sources += [join("evals", name) for name in data["evals"]]
    parts = {source: builder.built.get(f"{source}.parts") or [] for source in sources}
    sources += [f"{source}.parts[{i}]" for source in parts for i in range(len(parts[source]))]
    folders = [f"{source}.root" for source in sources]
    files = ["data.classes", "data.exclude", "data.val.file", "robustness.reference"]
    keys = ("path", "classes", "class_list")
    files += [f"{source}.{key}" for source in sources for key in keys]
    either = {f"{one}.path" for one in sources if builder.built.get(f"{one}.kind") in FOLDER_KINDS}
    for here in [*folders, *files]:
        value = builder.built.get(here)
        if not value or here in builder.problems:
            continue
        found = exists(value, folder=here in folders)
        if here in either:
            # Of shards given as a pattern, their reader says which are missing.
            found = found or exists(value, folder=True) or "{" in value
        if not found:
            kind = "folder" if here in folders else "file"
            builder.problems.add(here, f"no such {kind}", value, f"correct it, or {here}=PATH")
