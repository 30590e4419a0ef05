"""What the finished stages of a run came to, so that a run that goes on repeats none of them.

`stages/` in the run folder holds a file for each, named by a hash of all that it depends on. It is
there as long as the run is not complete.
"""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from adapt.common.content import text_hash
from adapt.common.files import json_text, part_of, write_whole
from adapt.errors import RunError, one_line
from adapt.models.bundle.low_rank import LowRank
from adapt.models.bundle.manifest import MANIFEST
from adapt.models.bundle.tensors import weights_hash
from adapt.models.cache_head import head_from_state
from adapt.models.classifier import Classifier
from adapt.models.prediction.labelling import labelling_of
from adapt.training.context import Arrays

FOLDER, RUN, SUFFIX = "stages", "run", ".safetensors"
SCORES = "scores.json"
ELSEWHERE = "choose another --out"
HEAD, BACKBONE, LOW_RANK = "head.", "backbone.", "low_rank."
CONTENT = "content"
"""Key of the metadata of a file: the rest of what a stage came to, as JSON."""


Result = tuple[dict[str, Tensor], Any]
"""Tensors of a stage, and the rest as JSON."""


class Stages:
    """The finished stages of a run, each in a file that is whole or absent.

    A stage that is asked for with the same name and the same facts is read; every other one is
    computed and written. What it told (`notes`) while it was computed is told again when it is
    read, so that a report does not depend on where a run was stopped. A file that cannot be read
    counts as none.

    Args:
        folder: Run folder.
        about: What every stage depends on: settings, images, code.
        notes: Gets the sentences of stages that are read.
    """

    def __init__(self, folder: Path, about: Any, notes: list[str] | None = None) -> None:
        self.folder = folder / FOLDER
        self.about, self.notes = text_hash(json_text(about)), [] if notes is None else notes
        self.computed: list[str] = []
        """Names of the stages that were computed by this process, in order."""
        self.read: list[str] = []
        """Names of the stages that were finished before."""
        self.seconds: dict[str, float] = {}
        """What the stages of each name took, now or before."""
        self.before = 0.0
        """What those that were finished before took."""

    def arrays(self, stage: str, about: Callable[[], Any], compute: Callable[[], Arrays]) -> Arrays:
        """Arrays by name, such as logits.

        Args:
            stage: A name for people.
            about: Gives all that the result depends on beside what every stage does, as JSON: a
                hash of weights or images, which nobody else has to compute.
            compute: Called when the stage is not finished.
        """

        def tensors() -> tuple[dict[str, Tensor], Any]:
            return {name: torch.from_numpy(v.copy()) for name, v in compute().items()}, None

        stored, _ = self._stage(stage, about(), tensors)
        return {name: value.numpy() for name, value in stored.items()}

    def content(self, stage: str, about: Any, compute: Callable[[], Any]) -> Any:
        """Anything that JSON can hold; see `arrays`, but `about` is what that gives."""
        return self._stage(stage, about, lambda: ({}, compute()))[1]

    def classifier(
        self, stage: str, about: Any, start: Classifier, compute: Callable[[], Classifier]
    ) -> Classifier:
        """A model that was made from a start: what differs from it is kept; see `arrays`.

        Args:
            stage: A name for people.
            about: See `content`; the weights of the start are added.
            start: What the model was made from, on the CPU.
            compute: Called when the stage is not finished.
        """
        made: list[Classifier] = []

        def compute_difference() -> Result:
            made.append(compute())
            return _difference(_laid_out(made[0], start), start)

        facts = {"about": about, "start": fingerprint(start)}
        try:
            stored = self._stage(stage, facts, compute_difference)
        except _OtherFormError:
            return made[0]
        return made[0] if made else _restored(start, *stored)

    def saved(self, stage: str, about: Any, folder: Path, save: Callable[[], object]) -> None:
        """A bundle that is written once; its manifest, which comes last, tells whether it is there.

        Args:
            stage: A name for people.
            about: See `content`.
            folder: Of the bundle.
            save: Writes it.
        """

        def written() -> str | None:
            path = folder / MANIFEST
            return text_hash(path.read_text(encoding="utf-8")) if path.is_file() else None

        def compute() -> str | None:
            save()
            return written()

        path = self._path(stage, about)
        stored = _read(path)
        if stored is not None and stored[1][CONTENT] != written():
            path.unlink(missing_ok=True)
        self.content(stage, about, compute)

    def identity(self) -> str:
        """A name of the run that stays the same until it is complete, however often it goes on."""
        return str(self.content(RUN, None, lambda: uuid4().hex))

    def close(self) -> None:
        """Remove all files at once: the run is complete."""
        gone = part_of(self.folder)
        try:
            if self.folder.is_dir():
                self.folder.replace(gone)
        except OSError as error:
            raise RunError(
                f"{self.folder} - cannot be deleted - {one_line(error)} - delete it: the run is "
                "complete"
            ) from error
        shutil.rmtree(gone, ignore_errors=True)

    def _path(self, stage: str, about: Any) -> Path:
        key = text_hash(f"{self.about} {stage} {json_text(about)}")
        return self.folder / f"{stage}-{key[:32]}{SUFFIX}"

    def _stage(self, stage: str, about: Any, compute: Callable[[], Result]) -> Result:
        path = self._path(stage, about)
        if (stored := _read(path)) is not None:
            tensors, facts = stored
            self.read.append(stage)
            self.notes.extend(facts["notes"])
            self.before += facts["seconds"]
            self._took(stage, facts["seconds"])
            return tensors, facts[CONTENT]
        before, began = len(self.notes), time.monotonic()
        tensors, content = compute()
        told, seconds = self.notes[before:], time.monotonic() - began
        self._took(stage, seconds)
        facts = {CONTENT: content, "notes": told, "seconds": seconds}
        write_whole(path, lambda part: _write(part, tensors, facts), elsewhere=ELSEWHERE)
        self.computed.append(stage)
        return tensors, json.loads(json_text(content))

    def _took(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds


def _write(part: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    try:
        save_file(tensors, part, {"facts": json_text(facts)})
    except SafetensorError as error:
        raise OSError(str(error)) from error
    with part.open("rb") as file:  # what is renamed must not be empty after the power failed
        os.fsync(file.fileno())


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and facts of a stage; None where there are none that can be read."""
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads(file.metadata()["facts"])
            # Copies: in a file they begin anywhere, and kernels may round otherwise there.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        return tensors, {name: facts[name] for name in (CONTENT, "notes", "seconds")}
    except (SafetensorError, OSError, ValueError, LookupError, TypeError):
        return None


def is_complete(folder: Path) -> bool:
    """Whether a run folder holds a run that has come to its end."""
    ends = (folder / SCORES, folder / "model" / MANIFEST)
    return all(path.is_file() for path in ends) and not (folder / FOLDER).exists()


def fingerprint(start: Classifier) -> str:
    """What tells one zero-shot model from another: pretrained weights, prompts and head."""
    spec, features = start.backbone.spec, start.backbone.features
    own = (spec.base_hash, features, start.prompts, start.labelling.facts())
    return text_hash(f"{own} {start.prompt_weights} {weights_hash(start.head.state_dict())}")


class _OtherFormError(Exception):
    """The encoders of a model have other tensors than those of its start: it is not kept."""


def _laid_out(model: Classifier, start: Classifier) -> Classifier:
    """The model with its numbers in memory as they lie when it comes back; returns it.

    A matrix that lies there transposed is multiplied in another order, which changes the last bits.
    """
    theirs = start.backbone.state_dict()
    for name, value in model.backbone.state_dict(keep_vars=True).items():
        if name in theirs and value.stride() != (like := theirs[name]).stride():
            value.data = torch.empty_like(like).copy_(value.data)
    for value in model.head.state_dict(keep_vars=True).values():
        value.data = value.data.contiguous()
    return model


def _difference(model: Classifier, start: Classifier) -> Result:
    """What a model differs in from its start."""
    own, theirs = model.backbone.state_dict(), start.backbone.state_dict()
    if {n: (v.shape, v.dtype) for n, v in own.items()} != {
        n: (v.shape, v.dtype) for n, v in theirs.items()
    }:
        raise _OtherFormError
    tensors = {BACKBONE + n: v for n, v in own.items() if not torch.equal(v, theirs[n])}
    tensors |= {HEAD + n: v for n, v in model.head.state_dict().items()}
    if model.low_rank is not None:
        tensors |= {LOW_RANK + n: v for n, v in model.low_rank.tensors().items()}
    facts = {
        "prompts": model.prompts,
        "prompt_weights": model.prompt_weights,
        "head_from_text": model.head_from_text,
        "temperature": model.temperature,
        "features": model.backbone.features,
        "several_labels": model.labelling.facts(),
    }
    return {n: v.detach().cpu().contiguous().clone() for n, v in tensors.items()}, facts


def _restored(start: Classifier, tensors: dict[str, Tensor], facts: dict[str, Any]) -> Classifier:
    """The model again, bit for bit."""

    def of(prefix: str) -> dict[str, Tensor]:
        return {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}

    model = start.clone()
    own = model.backbone.state_dict()
    with torch.no_grad():
        for name, value in of(BACKBONE).items():
            own[name].copy_(value)
    model.backbone = model.backbone.with_features(facts["features"])
    model.head = head_from_state(of(HEAD), len(model.class_names), model.backbone.width)
    model.prompts, model.prompt_weights = facts["prompts"], facts["prompt_weights"]
    model.head_from_text, model.temperature = facts["head_from_text"], facts["temperature"]
    model.labelling = labelling_of(facts["several_labels"])
    low_rank = of(LOW_RANK)
    model.low_rank = LowRank.from_tensors(low_rank) if low_rank else None
    return model.eval()
