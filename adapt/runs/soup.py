"""New bundles from finished runs, without training: soups of several, and points on the line."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from adapt.common.files import write_json
from adapt.data.settings import FromTrain
from adapt.data.sources.image_list import ImageList
from adapt.ensembling.depth import scale_by_depth
from adapt.ensembling.line import (
    Refresh,
    check_fraction,
    mix,
    refresh_of,
    same_encoders,
    unchanged,
)
from adapt.ensembling.soups import MEASURED, WITHOUT_START, SoupReport, soup
from adapt.errors import DataError, RecipeError, RunError, WeightsError
from adapt.evaluation.evaluate import Split
from adapt.evaluation.metrics.calibration import fit_temperature
from adapt.models.backbones import load_backbone
from adapt.models.bundle.manifest import MANIFEST, PROMPT_WEIGHTS, read_manifest
from adapt.models.classifier import Classifier
from adapt.models.heads import linear_head, text_weights
from adapt.recipe.data import RunData, build_data
from adapt.recipe.load import Loaded, load
from adapt.training.features.encode import predict_logits

ADAPTED = "adapted"
"""Bundle of a run's tuned model, before it was averaged with the start."""


@dataclass(frozen=True)
class RunFolder:
    """What a finished run left that a new model can be made from."""

    folder: Path
    loaded: Loaded
    splits: dict[str, list[dict[str, str]]]
    """Path, hash and label of every image, by split; from `split.json`."""

    @classmethod
    def read(cls, folder: str | Path) -> "RunFolder":
        """Read recipe and splits of a run, and check that its tuned model is there.

        Raises:
            RecipeError: When it is not a run folder, or its recipe can no longer be loaded.
            RunError: When the run did not get as far as its tuned model.
        """
        folder = Path(folder)
        if not (folder / "recipe.yaml").is_file():
            raise RecipeError(
                f"{folder} - not a run folder - no recipe.yaml in it - "
                "give a folder that `adapt run` wrote"
            )
        if not (folder / ADAPTED / MANIFEST).is_file():
            raise RunError(
                f"{folder} - no tuned model - there is no {ADAPTED}/{MANIFEST} - finish the "
                "run with --resume, or run its recipe again with this version of adapt"
            )
        try:
            splits = json.loads((folder / "split.json").read_text(encoding="utf-8"))["splits"]
        except (OSError, ValueError, KeyError) as error:
            raise RunError(
                f"{folder / 'split.json'} - cannot be read - {error} - run the recipe again"
            ) from error
        return cls(folder, load(folder / "recipe.yaml"), splits)

    @property
    def adapted(self) -> Path:
        """Bundle of the tuned model."""
        return self.folder / ADAPTED

    def content(self, split: str) -> Counter[tuple[str, str]]:
        """Hash and label of each image of a split; empty when there is no such split."""
        return Counter((row["sha256"], row["label"]) for row in self.splits.get(split, []))


@dataclass
class NewModel:
    """A new bundle, and how it was made."""

    folder: Path
    """The bundle."""
    classifier: Classifier
    """The model in it."""
    notes: list[str] = field(default_factory=list)
    """Notes, one sentence each."""
    report: SoupReport | None = None
    """Of a soup."""


def soup_runs(
    folders: Sequence[str | Path],
    out: str | Path,
    select: str = "greedy",
    allow_other_splits: bool = False,
) -> NewModel:
    """Average the tuned models of several runs, on the val images of the first.

    Args:
        folders: Two or more run folders.
        out: New folder for `model/` (the bundle) and `soup.json` (scores, and why a model was
            left out).
        select: How they are averaged; see `adapt.ensembling.soups.soup`.
        allow_other_splits: Continue although a run trained on val images of the first, which makes
            the scores too good; a note says so.

    Raises:
        RecipeError: With fewer than two runs, a run given twice, a folder that is not a run folder,
            or `out` in use.
        RunError: When a run has no tuned model.
        DataError: When the val images of the first run have changed, or another run was trained on
            some of them; when the training images of a run have changed and `select` needs them.
        WeightsError: When the models do not have the same classes and the same start.
    """
    target = _new_folder(out)
    paths = [Path(folder).resolve() for folder in folders]
    if twice := [path for path, count in Counter(paths).items() if count > 1]:
        raise RecipeError(f"{twice[0]} - given twice - it would count twice - give it once")
    if len(paths) < 2:
        raise RecipeError(
            f"soup - too few runs - {len(paths)} - give two or more: the mean of one model is "
            "that model"
        )
    runs = [RunFolder.read(folder) for folder in folders]
    notes = check_splits(runs, allow_other_splits)
    recipe, val = runs[0].loaded.recipe, val_images(runs[0])
    start = None if select in WITHOUT_START else start_of(runs[0])
    models = {str(run.folder): run.adapted for run in runs}
    train = {str(run.folder): train_images(run) for run in runs} if select in MEASURED else None
    refresh = _refresh(runs[0])
    mixed, report = soup(models, val, select, start, recipe.runtime, refresh, train)
    if recipe.calibration.kind == "none":
        mixed.temperature = report.temperature = 1.0
    report.notes = notes + report.notes
    info = {"made_by": "adapt soup", "runs": list(models), "soup": report.to_dict()}
    folder = mixed.save(target / "model", info, another_process=True)
    write_json(target / "soup.json", {**report.to_dict(), "runs": list(models)})
    return NewModel(folder, mixed, report.notes, report)


def mix_run(
    folder: str | Path,
    alpha: float,
    out: str | Path,
    recalibrate: bool = False,
    shallow: float = 1.0,
) -> NewModel:
    """The model at another alpha between a run's start and its tuned model.

    Args:
        folder: A run folder.
        alpha: From 0 (the start) to 1 (the tuned model).
        out: New folder for `model/`, the bundle.
        recalibrate: Read the val images of the run again and fit the temperature on them. Otherwise
            the temperature is 1: that of the run was fitted for another alpha.
        shallow: See `adapt.ensembling.depth.scale_by_depth`; 1 scales nothing.

    Raises:
        RecipeError: When alpha or shallow is not between 0 and 1, `folder` is not a run folder, or
            `out` is in use.
        RunError: When the run has no tuned model.
        WeightsError: When the pretrained weights are no longer those the run started from.
        DataError: When the val images are no longer those of the run.
    """
    check_fraction("alpha", alpha)
    check_fraction("shallow", shallow)
    target, run = _new_folder(out), RunFolder.read(folder)
    val = val_images(run) if recalibrate else None
    start, tuned = start_of(run), Classifier.load(run.adapted)
    refresh = _refresh(run)
    scaled = scale_by_depth(start, tuned, shallow)
    mixed = mix(start, scaled, alpha, refresh=refresh)
    if alpha == 1 and shallow != 1 and not same_encoders(start, scaled):
        mixed = refresh(mixed)
    mixed = mixed.with_temperature(1.0).with_uncertainty(None)
    note = "temperature is 1, not calibrated; --recalibrate fits it on the val images"
    if val is not None:
        runtime = run.loaded.recipe.runtime
        split = Split.read("val", val, mixed, runtime)
        logits = predict_logits(mixed, split.pixels, runtime)
        mixed.temperature = fit_temperature(logits, split.targets)
        accuracy = float((logits.argmax(1) == split.targets).mean())
        note = (
            f"temperature {mixed.temperature:.3f} fitted on {len(val)} val images; "
            f"accuracy there {accuracy:.3f}"
        )
    info: dict[str, Any] = {"made_by": "adapt mix", "run": str(run.folder), "alpha": alpha}
    info["shallow"] = shallow
    info |= {"temperature": note, "recipe": run.loaded.resolved}
    return NewModel(mixed.save(target / "model", info, another_process=True), mixed, [note])


def _refresh(run: RunFolder) -> Refresh:
    """What the run did with averages; training images are read again where that needs them."""
    recipe = run.loaded.recipe
    if recipe.ensemble.batch_norm == "average":
        return unchanged
    train = train_images(run)
    return refresh_of(recipe.ensemble.batch_norm, start_of(run), train, recipe.runtime)


def val_images(run: RunFolder) -> ImageList:
    """The val images of a run, read again from its recipe.

    Raises:
        DataError: When there are none, or they are not the ones that `split.json` lists.
    """
    data = _data_of(run)
    if data.fit.val is None:
        raise DataError(
            f"{run.folder} - no val images - its recipe holds out none - "
            "first make a run with data.val: {from: train, fraction: 0.2}"
        )
    _check_unchanged(run, data, "val")
    return data.fit.val


def train_images(run: RunFolder) -> ImageList:
    """The training images of a run, read again from its recipe.

    Raises:
        DataError: When they are not the ones that `split.json` lists.
    """
    data = _data_of(run)
    _check_unchanged(run, data, "train")
    return data.fit.train


def _data_of(run: RunFolder) -> RunData:
    """Train and val of a run; test sets are read only where they were set aside from train."""
    recipe = run.loaded.recipe
    aside = [name for name, part in recipe.evals.items() if isinstance(part, FromTrain)]
    return build_data(replace(recipe, evals={name: recipe.evals[name] for name in aside}))


def _check_unchanged(run: RunFolder, data: RunData, split: str) -> None:
    now = Counter((row["sha256"], row["label"]) for row in data.manifest["splits"][split])
    expected = run.content(split)
    if now != expected:
        lost, new = (expected - now).total(), (now - expected).total()
        raise DataError(
            f"{run.folder} - {split} images have changed - {lost} of the {expected.total()} in "
            f"split.json are missing and {new} are new - restore the images of the run"
        )


def start_of(run: RunFolder) -> Classifier:
    """The zero-shot model a run started from, with the prompts of its tuned model.

    Raises:
        WeightsError: When the pretrained weights are no longer the same.
    """
    model, manifest = run.loaded.recipe.model, read_manifest(run.adapted)
    backbone = load_backbone(model.arch, model.pretrained, run.loaded.recipe.seed)
    if backbone.spec.base_hash != manifest["base_hash"]:
        raise WeightsError(
            f"{run.folder} - other pretrained weights - {model.arch} ({model.pretrained}) has hash "
            f"{backbone.spec.base_hash[:12]} here, {manifest['base_hash'][:12]} in the run - "
            "give the weights that the run started from"
        )
    prompts, weights = manifest["prompts"], manifest.get(PROMPT_WEIGHTS)
    with torch.no_grad():
        head = linear_head(text_weights(backbone, prompts, weights))
    return Classifier(
        backbone, head, manifest["class_names"], prompts, prompt_weights=weights
    ).eval()


def check_splits(runs: list[RunFolder], allow: bool) -> list[str]:
    """Whether the val images of the first run are held out for the others too, by content.

    Args:
        runs: The first holds the val images.
        allow: Only add a note when another run was trained on some of them.

    Returns:
        One sentence for each run with another val split, or with val images in its train split.

    Raises:
        DataError: When another run was trained on some of them and that is not allowed.
    """
    first = runs[0]
    val, notes = {digest for digest, _ in first.content("val")}, []
    for run in runs:
        seen = len(val & {digest for digest, _ in run.content("train")})
        if seen:
            part = f"{seen} of the {len(val)} val images"
            if run is not first and not allow:
                raise DataError(
                    f"{run.folder} - trained on images that the soup is chosen on - {part} of "
                    f"{first.folder} - make the runs with the same val images, or add "
                    "--allow-other-splits and do not trust the val scores"
                )
            notes.append(f"{run.folder} was trained on {part}: its val scores are too good")
        elif run.content("val") != first.content("val"):
            notes.append(
                f"{run.folder} has another val split than {first.folder} and was trained on none "
                "of these images, but its alpha and settings may have been chosen on some"
            )
    return notes


def _new_folder(out: str | Path) -> Path:
    folder = Path(out)
    try:
        used = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise RunError(f"{folder} - cannot be read - {error} - choose another --out") from error
    if used:
        raise RecipeError(f"{folder} - not empty - it would be overwritten - choose another --out")
    return folder
