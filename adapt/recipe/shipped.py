"""The recipes that ship with `adapt`: where they are, what they are called, what each is for."""

from pathlib import Path

from adapt.common.typed import FILE, FOLDER, leads
from adapt.common.words import listed
from adapt.errors import RecipeError, did_you_mean


def recipes_folder() -> Path:
    """Folder of the shipped recipes: inside the installed package, or of the repository."""
    package = Path(__file__).parents[1]
    installed = package / "recipes"
    return installed if installed.is_dir() else package.parent / "recipes"


def recipe_names() -> list[str]:
    """Names of the shipped recipes, sorted: paths in the recipes folder, without `.yaml`."""
    folder = recipes_folder()
    names = (file.relative_to(folder).with_suffix("") for file in folder.rglob("*.yaml"))
    return sorted(name.as_posix() for name in names)


def find_recipe(name_or_path: str | Path) -> Path:
    """The file of a recipe, given as a path or as the name of a shipped one.

    Raises:
        RecipeError: When there is neither; suggests the nearest name.
    """
    path = Path(name_or_path)
    if leads(str(path), FILE):
        return path
    names = recipe_names()
    asked = str(name_or_path)
    if asked in names:
        return recipes_folder() / f"{asked}.yaml"
    what = "is a folder" if leads(asked, FOLDER) else "no such recipe"
    known = [*names, *_folders_beside(path)]
    hint = did_you_mean(path.stem if path.suffix else asked, known)
    raise RecipeError(
        f"recipe - {what}{hint} - given {asked!r} - "
        f"give a YAML file or one of: {listed(names) or 'none is shipped'}"
    )


def _folders_beside(path: Path) -> list[str]:
    """Folders that may have been meant by a path, as it would name them."""
    try:
        return [str(path.with_name(own.name)) for own in path.parent.iterdir() if own.is_dir()]
    except (OSError, ValueError):
        return []


def recipe_summary(path: str | Path) -> str:
    """What a recipe says about itself: its first comment line, or nothing."""
    for line in Path(path).read_text(encoding="utf-8-sig").splitlines():
        if line.startswith("#") and line.strip("# "):
            return line.strip("# ")
        if line.strip() and not line.startswith("#"):
            break
    return ""
