"""Weights & Biases: a model as an artifact of type `model`.

https://docs.wandb.ai/models/artifacts
"""

import re
from pathlib import Path
from typing import Any

from adapt.common.typed import resolve_path
from adapt.errors import AdaptError, BundleError, ModelError, RecipeError, RunError, one_line
from adapt.export.load import Loaded, verify
from adapt.export.registries.folders import (
    GB,
    MOST_BYTES,
    PLAIN,
    check_installed,
    fetched,
    files_of,
    listing_of,
)
from adapt.models.bundle.manifest import OWN_HASH

EXTRA, TYPE = "wandb", "model"
PINNED = re.compile(r"[^:]+:v[0-9]+")


def log_model(model: str | Path, name: str, run: Any = None, base: str | Path | None = None) -> Any:
    """Verify a model, and log its files as an artifact.

    Args:
        model: A bundle, a delta or an export.
        name: Of the artifact.
        run: A run of `wandb.init`; the active one by default.
        base: See `adapt.models.classifier.Classifier.load`.

    Returns:
        The artifact; `.wait()` on it ends when W&B has it.

    Raises:
        BundleError: When the model was altered, or is of a kind that could run code.
        RunError: When no run is active.
        MissingExtraError: When W&B is not installed.
    """
    check_installed("wandb", EXTRA)
    import wandb

    folder, active = resolve_path(model), run or wandb.run
    if active is None:
        raise RunError(f"{name} - no run is active - W&B logs to runs - begin one: wandb.init()")
    verify(folder, base)
    content = listing_of(folder)
    facts = {"adapt": content["adapt"], "classes": len(content["class_names"]),
             OWN_HASH: content[OWN_HASH]}  # fmt: skip
    artifact = wandb.Artifact(name, type=TYPE, metadata=facts)
    for file in files_of(folder):
        artifact.add_file(str(folder / file), name=file)
    return active.log_artifact(artifact)


def load_model(
    artifact: Any, base: str | Path | None = None, most_bytes: int = MOST_BYTES
) -> Loaded:
    """Open a model that `log_model` logged, as `adapt.load` does.

    Args:
        artifact: `entity/project/name:v3`, or what `run.use_artifact` gave.
        base: See `adapt.models.classifier.Classifier.load`.
        most_bytes: Most that is downloaded.

    Raises:
        RecipeError: When no version is given, or the artifact is larger.
        BundleError: When it holds no model, or one that was altered.
        ModelError: When W&B does not have it.
        MissingExtraError: When W&B is not installed.
    """
    check_installed("wandb", EXTRA)
    import wandb

    place = artifact if isinstance(artifact, str) else artifact.name
    if PINNED.fullmatch(place) is None:
        raise RecipeError(
            f"{place} - version not pinned - aliases move - give one: entity/project/name:v3"
        )

    def fetch(folder: Path) -> None:
        try:
            stored = wandb.Api().artifact(place, TYPE) if isinstance(artifact, str) else artifact
            _check(stored, place, most_bytes)
            stored.download(root=str(folder), skip_cache=True)
        except AdaptError:
            raise
        except (wandb.errors.Error, ValueError, OSError) as error:
            raise ModelError(
                f"{place} - cannot be had from W&B - {one_line(error)} - check the name, and that "
                "you are logged in"
            ) from error

    return fetched(fetch, base)


def _check(stored: Any, place: str, most_bytes: int) -> None:
    """Names and sizes, before anything is downloaded."""
    entries = stored.manifest.entries
    if strange := [n for n, own in entries.items() if own.ref or PLAIN.fullmatch(n) is None]:
        raise BundleError(
            f"{place} - not a model of adapt - it holds {strange[0][:80]!r} - log it with "
            "adapt.export.registries.wandb.log_model"
        )
    if stored.size > most_bytes:
        raise RecipeError(
            f"{place} - larger than allowed - {stored.size / GB:.1f} GB, at most "
            f"{most_bytes / GB:.1f} - allow more with most_bytes"
        )
