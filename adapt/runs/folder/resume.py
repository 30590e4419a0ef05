"""What must be the same for a run to go on: recipe, code and images; and what may differ."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from adapt.common.files import write_json
from adapt.data.splits.stored import SplitError, check_unchanged
from adapt.errors import DataError, RecipeError, RunError
from adapt.runs.folder.lock import RUN

MAY_CHANGE = (
    "runtime.accelerator",
    "runtime.devices",
    "runtime.strategy",
    "runtime.workers",
    "runtime.batch_size",
    "runtime.loggers",
    "report.*",
    "data.train.root",
    "data.train.path",
    "data.val.root",
    "data.val.path",
    "evals.*.root",
    "evals.*.path",
)
"""Keys of a recipe that may differ at a resume: where and how fast it is computed, what is written
for people, and where the images are, which are compared by their content."""
RECIPE, ENVIRONMENT, SPLIT = "recipe.yaml", "environment.json", "split.json"
NOTHING = "nothing"


@dataclass(frozen=True)
class Resume:
    """How a run goes on in a folder that holds the beginning of it."""

    accept_changed_data: bool = False
    """Although the images are no longer the same."""
    from_previous: bool = False
    """From the checkpoint before the last, where the last is damaged."""
    auto: bool = False
    """Begin where there is nothing to go on with: one command for a job that is queued again."""

    def check(self, folder: Path) -> None:
        """Refuse a folder in which no run has begun, unless it may begin there.

        Raises:
            RecipeError: Naming the folder.
        """
        if not self.auto and not any((folder / mark).is_file() for mark in RUN.marks):
            raise RecipeError(
                f"{folder} - nothing to go on with - no run was begun there - check --out, or give "
                "--resume auto to begin one"
            )

    @classmethod
    def read(cls, given: "bool | Resume", **words: bool) -> "Resume | None":
        """None for a run that begins.

        Args:
            given: Whether to go on, or how.
            words: Fields, where `given` does not say how.

        Raises:
            RecipeError: When a run that begins is told how to go on.
        """
        if isinstance(given, Resume):
            return given
        if given:
            return cls(**words)
        if words.pop("auto", False):
            return cls(auto=True, **words)
        for name, there in words.items():
            if there:
                word = f"--{name.replace('_', '-')}"
                raise RecipeError(
                    f"{word} - only for a run that goes on - no --resume given - add --resume"
                )
        return None


def settled(recipe: Any, path: str = "") -> dict[str, Any]:
    """The settings that may not differ at a resume, by key path.

    >>> settled({"seed": 1, "runtime": {"workers": "2", "precision": "32"}})
    {'seed': 1, 'runtime.precision': '32'}
    """
    if any(fnmatchcase(path, pattern) for pattern in MAY_CHANGE):
        return {}
    if not isinstance(recipe, Mapping) or not recipe:
        return {path: recipe}
    return {
        inner: value
        for key, part in recipe.items()
        for inner, value in settled(part, f"{path}.{key}" if path else str(key)).items()
    }


def compare(folder: Path, recipe: Mapping[str, Any], environment: Mapping[str, Any]) -> list[str]:
    """Compare a run that is to go on with its beginning.

    Args:
        folder: Run folder.
        recipe: All settings as they are now, defaults included.
        environment: What `adapt.runs.folder.files.environment` says now.

    Returns:
        A sentence for each difference that may be.

    Raises:
        RecipeError: Lists every setting that may not differ, and the version of adapt.
        RunError: When the files of the beginning cannot be read.
    """
    if not (folder / RECIPE).is_file():
        return []
    old, was = _read_recipe(folder), read_environment(folder)
    allowed: list[str] = []
    refused: list[str] = []
    for key, before, after in differences(old, recipe):
        sentence = f"{key} was {before}, is {after}"
        may = any(fnmatchcase(key, pattern) for pattern in MAY_CHANGE)
        (allowed if may else refused).append(sentence)
    if was.get("adapt") != environment["adapt"]:
        refused.append(f"adapt was {was.get('adapt')}, is {environment['adapt']}")
    if refused:
        lines = "\n  ".join(refused)
        differ = "1 differs" if len(refused) == 1 else f"{len(refused)} differ"
        raise RecipeError(
            f"{folder} - cannot go on with other settings - {differ} from the beginning of the "
            f"run - set them back, or begin again with --overwrite:\n  {lines}"
        )
    if was.get("code") != environment["code"]:
        allowed.append("the source code of adapt has changed, its version has not")
    for key, before, after in differences(was.get("packages", {}), environment["packages"]):
        allowed.append(f"package {key} was {before}, is {after}")
    return [f"resumed with a change: {sentence}" for sentence in allowed]


def compare_images(folder: Path, manifest: dict[str, Any], accept: bool) -> list[str]:
    """Compare the images with those that the run began with.

    Args:
        folder: Run folder.
        manifest: Splits as they are now.
        accept: Go on all the same, if the classes are still the same.

    Returns:
        A sentence when they differ and that is accepted.

    Raises:
        SplitError: When they differ.
    """
    try:
        check_unchanged(folder / SPLIT, manifest)
    except SplitError as error:
        parts = str(error).split(" - ")
        told = " - ".join(parts[1:-1])
        if not accept:
            raise SplitError(
                f"{folder / SPLIT} - {told} - bring the images back, add --accept-changed-data, or "
                "begin again with --overwrite"
            ) from error
        before = json.loads((folder / SPLIT).read_text(encoding="utf-8"))
        if _classes(before) != _classes(manifest):
            raise DataError(
                f"{folder / SPLIT} - the classes have changed - {told} - begin again with "
                "--overwrite: the model has an output for each class"
            ) from error
        return [f"resumed with changed data, accepted: {told}"]
    return []


def record(folder: Path, environment: Mapping[str, Any], notes: list[str], resumed: bool) -> None:
    """Write `environment.json`; each resume adds when it was and what had changed."""
    was = read_environment(folder).get("resumed", []) if resumed else []
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    added = [*was, {"time": now, "changes": notes}] if resumed else []
    write_json(folder / ENVIRONMENT, {**environment, "resumed": added})


def differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Key paths whose values differ, with both values as text.

    >>> list(differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}))
    [('a.c', '2', '3')]
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(key for key in after if key not in before)]:
            inner = f"{path}.{key}" if path else str(key)
            yield from differences(before.get(key, NOTHING), after.get(key, NOTHING), inner)
    elif before != after:
        yield path, _shown(before), _shown(after)


def read_environment(folder: Path) -> dict[str, Any]:
    """`environment.json` of a run; empty when there is none.

    Raises:
        RunError: When it cannot be read.
    """
    path = folder / ENVIRONMENT
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise _unreadable(path, error) from error


def _read_recipe(folder: Path) -> dict[str, Any]:
    path = folder / RECIPE
    try:
        return dict(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> RunError:
    reason = " ".join(str(error).split())
    return RunError(f"{path} - cannot be read - {reason} - begin again with --overwrite")


def _classes(manifest: Mapping[str, Any]) -> set[str]:
    return {row["label"] for name in ("train", "val") for row in manifest["splits"].get(name, [])}


def _shown(value: Any) -> str:
    return NOTHING if value is None else str(value)
