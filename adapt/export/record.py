"""`export.json`: what an exported model is, and hashes of all its files."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from adapt.common.content import content_hash
from adapt.common.files import json_text, write_text
from adapt.common.typed import misfit
from adapt.data.decoding.preprocessing import Preprocessing
from adapt.errors import AdaptError, BundleError
from adapt.models.bundle.manifest import (
    COPY,
    OWN_HASH,
    SEVERAL_LABELS,
    manifest_hash,
    read_mapping,
)
from adapt.models.bundle.read import check_files
from adapt.models.classifier import Classifier
from adapt.models.prediction.labelling import Labelling, labelling_of
from adapt.models.prediction.uncertainty import Uncertainty
from adapt.version import __version__

RECORD = "export.json"
VERSION, OF_SEVERAL = 1, 2
"""Of this file's fields: models of one label per image are written as ever, so that every version
reads them; those of several labels have one field more."""


@dataclass(frozen=True)
class Record:
    """What a reader must know beside the files of the format itself.

    Attributes:
        format: Version of these fields.
        to: Name of the format.
        adapt: Version that wrote it.
        class_names: The K classes, in the order of the probabilities.
        preprocessing: Fields of `Preprocessing`.
        temperature: Of the probabilities.
        uncertainty: Fields of `Uncertainty`, or null without thresholds.
        base: Architecture, pretrained weights and their hash.
        info: What travelled with the model: method, alpha, scores.
        several_labels: Of several labels per image: negations, offsets and thresholds of the K
            classes; null, and not written, of one label.
    """

    format: int
    to: str
    adapt: str
    class_names: list[str]
    preprocessing: dict[str, Any]
    temperature: float
    uncertainty: dict[str, Any] | None
    base: dict[str, Any]
    info: dict[str, Any]
    several_labels: dict[str, Any] | None = None

    @classmethod
    def of(cls, classifier: Classifier, to: str, info: dict[str, Any]) -> "Record":
        """The record of a model."""
        spec, own = classifier.backbone.spec, classifier.uncertainty
        base = {"arch": spec.arch, "pretrained": spec.pretrained, "base_hash": spec.base_hash}
        facts = classifier.labelling.facts()
        return cls(
            VERSION if facts is None else OF_SEVERAL,
            to,
            __version__,
            list(classifier.class_names),
            classifier.backbone.preprocessing.to_dict(),
            float(classifier.temperature),
            None if own is None else own.to_dict(),
            base,
            info,
            facts,
        )

    def write(self, folder: Path) -> None:
        """Write it, with the hash of every file in the folder and one of itself."""
        files = {
            path.relative_to(folder).as_posix(): content_hash(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        own = asdict(self)
        if self.several_labels is None:
            del own[SEVERAL_LABELS]
        content: dict[str, Any] = json.loads(json_text({**own, "files": files}))
        content[OWN_HASH] = manifest_hash(content)
        write_text(folder / RECORD, json_text(content))

    @classmethod
    def read(cls, folder: Path) -> "Record":
        """Read and check it, and all files by their hashes.

        Raises:
            BundleError: When it is missing, altered or from another version, a field is wrong, or
                a file is missing, altered, a link, or none of its own.
        """
        path = folder / RECORD
        content = read_mapping(path)
        version = content.get("format")
        if version not in (VERSION, OF_SEVERAL):
            raise BundleError(
                f"{path} - format not known - {version!r}, this version reads {VERSION} and "
                f"{OF_SEVERAL} - install the version of adapt that wrote it"
            )
        if content.pop(OWN_HASH, None) != manifest_hash(content):
            raise BundleError(f"{path} - altered - its hash is another - {COPY}")
        files = content.pop("files", None)
        left_out = {SEVERAL_LABELS} if version == VERSION else set()
        names = [field.name for field in fields(cls) if field.name not in left_out]
        hints: dict[str, Any] = {name: _HINTS[name] for name in names}
        if set(content) != set(hints):
            given = ", ".join(sorted(set(content) ^ set(hints)))
            raise BundleError(f"{path} - fields missing or not known - {given} - {COPY}")
        for key, hint in (*hints.items(), ("files", dict[str, str])):
            value = files if key == "files" else content[key]
            if problem := misfit(hint, value, key):
                raise BundleError(f"{path} - {problem} - {COPY}")
        if strange := [name for name in files if Path(name).name != name]:
            raise BundleError(f"{path} - files - outside of the folder - {strange[0]!r} - {COPY}")
        check_files(folder, files, RECORD)
        record = cls(**content)
        try:
            record.parts()
            record.labelling.check_classes(len(record.class_names))
        except AdaptError as error:
            raise BundleError(f"{path} - a value is wrong - {error} - {COPY}") from error
        return record

    @property
    def labelling(self) -> Labelling:
        """One label of each image, or several.

        Raises:
            DataError: When a value is out of range.
        """
        return labelling_of(self.several_labels)

    def parts(self) -> tuple[Preprocessing, Uncertainty]:
        """Preprocessing and thresholds, checked.

        Raises:
            AdaptError: When a value is out of range.
        """
        own = Uncertainty()
        if self.uncertainty is not None:
            own = Uncertainty.from_dict(self.uncertainty, len(self.class_names))
        return Preprocessing.from_dict(self.preprocessing), own


_HINTS: dict[str, Any] = {
    "format": int,
    "to": str,
    "adapt": str,
    "class_names": list[str],
    "preprocessing": dict[str, Any],
    "temperature": float,
    "uncertainty": Any,  # `Uncertainty` checks it itself
    "base": dict[str, Any],
    "info": dict[str, Any],
    "several_labels": dict[str, Any],
}
