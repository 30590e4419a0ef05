"""A fitted `FewShotClassifier` as a folder of safetensors and JSON.

folder/estimator.json       parameters, labels, temperature, ranking, hash of each file and itself
folder/fitted.safetensors   support features and their labels, directions of the classes, head
folder/start/               the CLIP as a bundle; not there when it was fitted on features
"""

import json
import math
import os
import re
import shutil
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from adapt.common.arrays import IntArray
from adapt.common.content import content_hash
from adapt.common.files import json_text, not_written
from adapt.common.typed import misfit
from adapt.errors import AdaptError, BundleError, one_line
from adapt.methods.auto.ranking import Ranked, Ranking
from adapt.models.bundle.manifest import COPY, OWN_HASH, manifest_hash, read_mapping
from adapt.models.bundle.read import UNFINISHED
from adapt.models.bundle.tensors import load_tensors, save_tensors
from adapt.models.cache_head import CacheHead, head_from_state
from adapt.models.classifier import Classifier
from adapt.version import __version__

FORMAT = 1
ESTIMATOR, FITTED, START = "estimator.json", "fitted.safetensors", "start"
PARAMETERS = (
    "arch",
    "pretrained",
    "method",
    "settings",
    "class_names",
    "templates",
    "text_features",
    "seed",
)
KEYS: dict[str, Any] = {
    "format": int,
    "adapt": str,
    "parameters": dict[str, Any],
    "classes": list[Any],
    "classes_type": str,
    "temperature": float,
    "ranking": Any,
    "on_features": bool,
    "files": dict[str, str],
    OWN_HASH: str,
}
LABEL_TYPES = re.compile(r"[<>|=]?[UifubO]\d*")
TEXT_FEATURES, SUPPORT, TARGETS, ZERO_SHOT = "text_features", "support", "targets", "zero_shot"
HEAD, ANSWERS = "head.", ("answers.logits", "answers.targets")


@dataclass(frozen=True)
class Fitted:
    """What a fitted estimator is made of."""

    parameters: dict[str, Any]
    """What the estimator was made with."""
    classes: npt.NDArray[Any]
    """Sorted labels."""
    ranking: Ranking | None
    temperature: float
    start: Classifier | None
    """The CLIP; None when it was fitted on features."""
    zero_shot: Tensor
    """Directions of the classes (K, D), with their scale."""
    features: Tensor
    """Of the support images, (N, D)."""
    targets: IntArray
    """Class number of each, (N,)."""
    head: nn.Linear | CacheHead


def write_fitted(folder: Path, fitted: Fitted) -> Path:
    """Write a folder at once or not at all, after it was read back and compared.

    Raises:
        BundleError: When it cannot be written, or does not come back as it is.
    """
    part = folder / f".{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _clear(folder)
        part.mkdir()
        _write(part, fitted)
        _compare(fitted, read_fitted(part))
        for name in (START, FITTED, ESTIMATOR):
            if (folder / name).is_dir():
                shutil.rmtree(folder / name)
            if (part / name).exists():
                (part / name).replace(folder / name)
    except AdaptError as error:
        raise BundleError(str(error).replace(str(part), str(folder))) from error
    except (OSError, SafetensorError) as error:
        raise BundleError(not_written(folder, error, "choose another folder")) from error
    except (TypeError, ValueError) as error:
        raise BundleError(
            f"{folder} - cannot be written - {one_line(error)} - use settings and labels that are "
            "numbers and texts"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if UNFINISHED.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)
        elif path.name not in (ESTIMATOR, FITTED, START):
            raise BundleError(
                f"{folder} - holds other files - {path.name} - choose an empty folder"
            )


def _write(part: Path, fitted: Fitted) -> None:
    tensors = {
        SUPPORT: fitted.features,
        TARGETS: torch.from_numpy(fitted.targets),
        ZERO_SHOT: fitted.zero_shot,
        **{HEAD + name: value for name, value in fitted.head.state_dict().items()},
    }
    parameters = dict(fitted.parameters)
    if (text := parameters.pop(TEXT_FEATURES)) is not None:
        tensors[TEXT_FEATURES] = torch.from_numpy(np.asarray(text, dtype=np.float64))
    if words := parameters["class_names"]:
        parameters["class_names"] = [[_plain(label), word] for label, word in words.items()]
    if fitted.ranking is not None and fitted.ranking.answers is not None:
        tensors |= dict(zip(ANSWERS, fitted.ranking.answers, strict=True))
    save_tensors(tensors, part / FITTED)
    if fitted.start is not None:
        fitted.start.save(part / START)
    hashes = {FITTED: content_hash(part / FITTED)}
    content = {
        "format": FORMAT,
        "adapt": __version__,
        "parameters": parameters,
        "classes": [_plain(label) for label in fitted.classes],
        "classes_type": fitted.classes.dtype.str,
        "temperature": float(fitted.temperature),
        "ranking": _ranking_facts(fitted.ranking),
        "on_features": fitted.start is None,
        "files": hashes,
    }
    content = json.loads(json_text(content))
    content[OWN_HASH] = manifest_hash(content)
    (part / ESTIMATOR).write_text(json_text(content), encoding="utf-8")


def _plain(label: Any) -> Any:
    own = label.item() if isinstance(label, np.generic) else label
    if not isinstance(own, (str, int, float)):
        raise TypeError(f"a label is a {type(own).__name__}")
    return own


def _ranking_facts(ranking: Ranking | None) -> dict[str, Any] | None:
    if ranking is None:
        return None
    return {
        "methods": [vars(ranked) for ranked in ranking.methods],
        "images": ranking.images,
        "curve": list(ranking.curve.items()),
        "recall": list(ranking.recall.items()),
        "mixture": ranking.mixture,
    }


def _compare(fitted: Fitted, again: Fitted) -> None:
    before, after = fitted.head.state_dict(), again.head.state_dict()
    same = before.keys() == after.keys() and all(torch.equal(before[n], after[n]) for n in before)
    same &= torch.equal(fitted.features, again.features)
    if not same or not np.array_equal(fitted.classes, again.classes):
        raise BundleError(f"{ESTIMATOR} - does not come back - head or labels - report this")


def read_fitted(folder: Path) -> Fitted:
    """Read what `write_fitted` wrote; every file is checked against its hash.

    Raises:
        BundleError: When it is not such a folder, or a file is missing, altered or damaged.
    """
    content = _read_json(folder)
    if content["files"].get(FITTED) != content_hash(folder / FITTED):
        raise BundleError(f"{folder / FITTED} - altered - its hash is not the one stored - {COPY}")
    tensors = load_tensors(folder / FITTED)
    try:
        return _fitted(folder, content, tensors)
    except (LookupError, TypeError, ValueError, OverflowError, AttributeError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(
            f"{folder} - parts do not match each other - {one_line(error)} - {COPY}"
        ) from error


def _read_json(folder: Path) -> dict[str, Any]:
    path = folder / ESTIMATOR
    if not path.is_file() or not (folder / FITTED).is_file():
        raise BundleError(
            f"{folder} - not a saved estimator - there is no {ESTIMATOR} with {FITTED} - give the "
            "folder that `save` wrote"
        )
    content = read_mapping(path)
    if content.get("format") != FORMAT:
        raise BundleError(
            f"{path} - format not known - {content.get('format')!r}, this version reads {FORMAT} - "
            "install the version of adapt that wrote it"
        )
    if set(content) != set(KEYS):
        given = ", ".join(sorted(set(content) ^ set(KEYS)))[:60]
        raise BundleError(f"{path} - other keys - {given} - {COPY}")
    for key, hint in KEYS.items():
        if problem := misfit(hint, content[key], key):
            raise BundleError(f"{path} - {problem} - {COPY}")
    if content[OWN_HASH] != manifest_hash(content):
        raise BundleError(f"{path} - altered - its hash is not the one stored - {COPY}")
    own = {ESTIMATOR, FITTED, *([] if content["on_features"] else [START])}
    for entry in folder.iterdir():
        if entry.is_symlink() or not (entry.name in own or UNFINISHED.fullmatch(entry.name)):
            raise BundleError(
                f"{entry} - not a file of this folder - a link or an extra - remove it"
            )
    return content


def _fitted(folder: Path, content: dict[str, Any], tensors: dict[str, Tensor]) -> Fitted:
    kind, parameters = content["classes_type"], dict(content["parameters"])
    if LABEL_TYPES.fullmatch(kind) is None or not content["temperature"] > 0:
        raise BundleError(f"{folder / ESTIMATOR} - labels or temperature - {kind} - {COPY}")
    classes = np.array(content["classes"], dtype=np.dtype(kind))
    zero_shot, features, targets = tensors[ZERO_SHOT], tensors[SUPPORT], tensors[TARGETS].numpy()
    if not (targets.min() >= 0 and targets.max() < len(classes) and len(targets) == len(features)):
        raise ValueError("the support labels are not class numbers")
    if words := parameters["class_names"]:
        parameters["class_names"] = dict(words)
    text = tensors.get(TEXT_FEATURES)
    parameters[TEXT_FEATURES] = None if text is None else text.numpy()
    state = {n.removeprefix(HEAD): value for n, value in tensors.items() if n.startswith(HEAD)}
    return Fitted(
        {name: parameters[name] for name in PARAMETERS},
        classes,
        _ranking(content["ranking"], tensors),
        float(content["temperature"]),
        None if content["on_features"] else Classifier.load(folder / START),
        zero_shot.clone(),
        features.clone(),  # tensors of a file are mapped, and their place in memory is odd
        targets.copy(),
        head_from_state(state, len(classes), features.shape[1]),
    )


def _ranking(facts: Any, tensors: dict[str, Tensor]) -> Ranking | None:
    """The ranking; what JSON held as null was not a number."""
    if facts is None:
        return None
    names = [field.name for field in fields(Ranked)]
    methods = tuple(
        Ranked(**{name: _number(ranked[name]) for name in names}) for ranked in facts["methods"]
    )
    answers = tuple(tensors[name] for name in ANSWERS) if ANSWERS[0] in tensors else None
    return Ranking(
        methods,
        facts["images"],
        {place: _number(value) for place, value in facts["curve"]},
        {place: _number(value) for place, value in facts["recall"]},
        answers,  # type: ignore[arg-type]
        facts["mixture"],
    )


def _number(value: Any) -> Any:
    return math.nan if value is None else value
