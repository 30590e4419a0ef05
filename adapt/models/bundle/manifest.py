"""Names of a bundle's files, and `classifier.json`, which lists them."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from adapt.common.typed import misfit
from adapt.common.words import listed
from adapt.errors import BundleError, one_line
from adapt.version import __version__

FORMAT = 3
READABLE = (1, 2, 3)
"""Version 1 has neither `ADAPTER` nor `DELTA`, 2 no `REFERENCE`; both are read for ever."""
MANIFEST = "classifier.json"
CONFIG = "open_clip_config.json"
ENCODERS = "open_clip_model.safetensors"
HEAD = "head.safetensors"
PROBE = "probe.safetensors"
TEXT_MODEL = "text_model.json"
"""In place of the name of a Hugging Face model: its settings are this file, beside the config."""
TOKENIZER = "tokenizer.json"
"""In place of the name of a tokenizer: it is this file, beside the config."""
FILES = (CONFIG, HEAD, PROBE)
"""What every bundle has beside the manifest, and the encoders, whole or as a change."""
CARD = "MODEL_CARD.md"
ADAPTER = "adapter.safetensors"
"""What LoRA added, where nothing else changed the encoders; it is in the weights already."""
DELTA = "delta.safetensors"
"""In place of the encoders: how they differ from the pretrained weights."""
REFERENCE = "reference.safetensors"
"""Statistics of held-out images, which new ones are compared with."""
SIGNATURE = "signature.json"
"""Beside the files that the manifest lists, since it signs the manifest."""
OPTIONAL = (ENCODERS, DELTA, TEXT_MODEL, TOKENIZER, CARD, ADAPTER, REFERENCE)
"""What a bundle has or has not."""
SINCE = {ADAPTER: 2, DELTA: 2, REFERENCE: 3}
"""The first version that knows a file, where that is not 1."""
UNCERTAINTY = "uncertainty"
PROMPT_WEIGHTS = "prompt_weights"
"""Present where not all prompts of a class count the same."""
REFERENCE_FACTS = "reference"
"""Present with a `REFERENCE`: what its numbers are."""
SEVERAL_LABELS = "several_labels"
"""Present where an image may have several labels, or none."""
WEIGHTS = "weights"
"""SHA-256 of the encoders' weights, by name and bytes, which a `DELTA` must restore."""
OWN_HASH = "sha256"
"""Key of the manifest's hash of all its other keys."""
KEYS: dict[str, Any] = {
    "format": int,
    "adapt": str,
    "arch": str,
    "pretrained": str,
    "base_hash": str,
    "class_names": list[str],
    "prompts": list[list[str]],
    "head_from_text": bool,
    "features": str,
    "temperature": float,
    "info": dict[str, Any],
    "files": dict[str, str],
    OWN_HASH: str,
}
SOMETIMES: dict[str, Any] = {
    PROMPT_WEIGHTS: list[list[float]],
    WEIGHTS: str,
    REFERENCE_FACTS: dict[str, Any],
    SEVERAL_LABELS: dict[str, Any],
}
FACTS_OF = ("class_names", "prompts", "head_from_text", "features", "temperature", UNCERTAINTY)
DIGEST = re.compile("[0-9a-f]{64}")
COPY = "copy the whole folder again"


def format_needed(manifest: Mapping[str, Any], files: Iterable[str]) -> int:
    """The oldest version that knows all of a bundle: what it is written as.

    Args:
        manifest: Its facts.
        files: Names of its files, the manifest left out.

    >>> format_needed({}, [CONFIG, HEAD]), format_needed({}, [CONFIG, REFERENCE])
    (2, 3)
    """
    several = manifest.get(SEVERAL_LABELS) is not None
    return max(FORMAT if several else 2, *(SINCE.get(name, 1) for name in files))


def manifest_hash(content: dict[str, Any]) -> str:
    """SHA-256 of a manifest without its own hash, whatever the order and spacing of its JSON.

    >>> manifest_hash({"a": 1}) == manifest_hash({"a": 1, "sha256": "0"})
    True
    """
    rest = {name: value for name, value in content.items() if name != OWN_HASH}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def facts_of(manifest: dict[str, Any]) -> dict[str, Any]:
    """What of a manifest decides about predictions; the probe holds the hash of it."""
    facts = {name: manifest.get(name) for name in FACTS_OF}
    sometimes = (PROMPT_WEIGHTS, SEVERAL_LABELS)
    return facts | {name: manifest[name] for name in sometimes if name in manifest}


def described(model: Any, info: dict[str, Any]) -> dict[str, Any]:
    """What a manifest says of a classifier, before its files are listed.

    Args:
        model: A `Classifier`.
        info: What travels with it.
    """
    spec = model.backbone.spec
    manifest = {
        "adapt": __version__,
        "arch": spec.arch,
        "pretrained": spec.pretrained,
        "base_hash": spec.base_hash,
        "class_names": model.class_names,
        "prompts": model.prompts,
        "head_from_text": model.head_from_text,
        "features": model.backbone.features,
        "temperature": float(model.temperature),
        "info": info,
    }
    sometimes = {
        UNCERTAINTY: None if model.uncertainty is None else model.uncertainty.to_dict(),
        PROMPT_WEIGHTS: model.prompt_weights,
        SEVERAL_LABELS: model.labelling.facts(),
    }
    return manifest | {name: value for name, value in sometimes.items() if value is not None}


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read and check `classifier.json`, field by field; the files that it lists are not opened.

    Raises:
        BundleError: Not a bundle, from another version, altered, or a field is wrong.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(_no_bundle(folder))
    manifest = read_mapping(path)
    if type(manifest.get("format")) is not int or manifest["format"] not in READABLE:
        raise BundleError(
            f"{path} - format not known - {manifest.get('format')!r} by adapt "
            f"{str(manifest.get('adapt'))[:40]}, this version reads {listed(READABLE)} - install "
            "the version of adapt that wrote it"
        )
    _check_fields(path, manifest)
    try:
        own = manifest_hash(manifest)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} - damaged - {one_line(error)} - {COPY}") from error
    if manifest[OWN_HASH] != own:
        raise BundleError(
            f"{path} - altered - its hash is not the one it was written with - {COPY}, or make "
            "the change in Python and save the model again"
        )
    return manifest


def _no_bundle(folder: Path) -> str:
    if not folder.exists():
        return f"{folder} - not found - given as a model - check the path"
    model = folder / "model"
    if (model / MANIFEST).is_file():
        return f"{folder} - a run folder - the model is in {model} - give {model}"
    advice = "give the `model` folder of a run"
    return f"{folder} - not a bundle - there is no {MANIFEST} - {advice}"


def _check_fields(path: Path, manifest: dict[str, Any]) -> None:
    missing = [key for key in KEYS if key not in manifest]
    if missing:
        raise BundleError(f"{path} - incomplete - {', '.join(missing)} missing - {COPY}")
    unknown = sorted(set(manifest) - {*KEYS, UNCERTAINTY, *SOMETIMES})
    if unknown:
        raise BundleError(f"{path} - a field not known - {unknown[0]!r} - {COPY}")
    kinds = KEYS | {key: hint for key, hint in SOMETIMES.items() if key in manifest}
    for key, hint in kinds.items():
        if problem := misfit(hint, manifest[key], key):
            raise BundleError(f"{path} - {problem} - {COPY}")
    names, files = manifest["class_names"], manifest["files"]
    problems = {
        "base_hash - not a hash": DIGEST.fullmatch(manifest["base_hash"]) is None,
        "class_names - empty or twice": not names or len(set(names)) < len(names) or "" in names,
        "prompts - not one list per class": len(manifest["prompts"]) != len(names),
        "prompts - an empty list": not all(manifest["prompts"]),
        "prompt_weights - not one for each prompt": not _weighted(manifest),
        "temperature - not above 0": not manifest["temperature"] > 0,
        "files - not those of a bundle": not _whole(manifest["format"], set(files)),
        "reference - not with its file": (REFERENCE in files) != (REFERENCE_FACTS in manifest),
        "weights - not a hash": (DELTA in files) != bool(DIGEST.fullmatch(_weights(manifest))),
        "files - not hashes": not all(map(DIGEST.fullmatch, files.values())),
    }
    for problem, wrong in problems.items():
        if wrong:
            given = str(manifest.get(problem.partition(" ")[0]))[:60]
            raise BundleError(f"{path} - {problem} - {given} - {COPY}")


def _whole(version: int, files: set[str]) -> bool:
    """Whether these are the files of one bundle of that version."""
    known = {*FILES, *OPTIONAL} - {name for name, since in SINCE.items() if version < since}
    return set(FILES) <= files <= known and (ENCODERS in files) != (DELTA in files)


def _weights(manifest: dict[str, Any]) -> str:
    """The hash of the weights to restore; empty without one."""
    return str(manifest.get(WEIGHTS, ""))


def _weighted(manifest: dict[str, Any]) -> bool:
    """Whether every prompt has a weight, and those of a class sum to 1; also without weights."""
    given, prompts = manifest.get(PROMPT_WEIGHTS), manifest["prompts"]
    return given is None or (
        [len(own) for own in given] == [len(own) for own in prompts]
        and all(min(own) >= 0 and abs(sum(own) - 1) < 1e-6 for own in given)
    )


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a JSON file of a bundle.

    Raises:
        BundleError: When it does not hold a JSON mapping, or a number that is none.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError, OSError) as error:
        raise BundleError(f"{path} - not JSON - {one_line(error)} - {COPY}") from error
    if not isinstance(content, dict):
        raise BundleError(f"{path} - not a mapping - {type(content).__name__} - {COPY}")
    return content


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number of JSON")
