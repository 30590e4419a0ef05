"""Accuracies of models from elsewhere, which tell what robustness is usual at a given accuracy."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapt.common.typed import resolve_path
from adapt.errors import DataError, did_you_mean

FORM = "write the header name,id,<eval>,... and one model per line"
MATCHED = "id:"
SHIPPED = Path(__file__).parent / "references"


@dataclass(frozen=True)
class ReferenceModel:
    """One line of the file: accuracies from 0 to 1.

    >>> ReferenceModel("RN50", 0.7, {"sketch": 0.4}).point("sketch", lacks_classes=False)
    (0.7, 0.4)
    """

    name: str
    id: float
    """Accuracy on the eval of the training distribution."""
    evals: dict[str, float]
    """Accuracy by eval; evals that were not measured are left out."""
    matched: dict[str, float] = field(default_factory=dict)
    """By eval, accuracy on the images of the training distribution that have this eval's classes,
    with only these to choose from."""

    def point(self, name: str, lacks_classes: bool) -> tuple[float, float] | None:
        """Accuracy on the training distribution and on an eval, on the same classes.

        Args:
            name: Of the eval.
            lacks_classes: Whether the eval has only some of the classes.

        Returns:
            ``(id, ood)``, or None where one of them is not known.
        """
        matched = self.matched.get(name) if lacks_classes else self.id
        if name not in self.evals or matched is None:
            return None
        return matched, self.evals[name]


def read_reference_models(path: str | Path, evals: Sequence[str]) -> list[ReferenceModel]:
    r"""Read a CSV file of reference models: ``name,id,<eval>,...``, accuracies from 0 to 1.

    The line of effective robustness should go through standard models, trained on one distribution
    without any measure for robustness (Taori et al. 2020, arXiv:2007.00644), on these very images.
    An empty cell means not measured. For an eval that lacks classes, the accuracy on the training
    distribution must be on its classes too: it is in a column ``id:<eval>``, and without it
    the model is left out for that eval.

    Args:
        path: A CSV file, UTF-8 with or without BOM, its cells separated by `,`, `;` or tab.
        evals: Names of the run's test sets.

    Returns:
        The models in the order of the file.

    Raises:
        DataError: Naming the line of the first problem: a column that is no eval, a name or column
            that is listed twice, a cell that is not an accuracy.
    """
    lines = _lines(path)
    header = [cell.strip() for cell in lines[0][1]]
    _check_header(path, header, evals)
    models, seen = [], set()
    for number, record in lines[1:]:
        where = f"{path}, line {number}"
        if len(record) != len(header):
            given = f"{len(record)} for {len(header)} columns"
            raise DataError(f"{where} - wrong number of cells - {given} - {FORM}")
        cells = dict(zip(header, (cell.strip() for cell in record), strict=True))
        name = cells.pop("name")
        if not name or name in seen:
            raise DataError(f"{where} - name missing or given before - {name!r} - {FORM}")
        seen.add(name)
        accuracies = {key: _accuracy(where, key, cell) for key, cell in cells.items() if cell}
        if "id" not in accuracies:
            raise DataError(f"{where}, column 'id' - no value - '' - give an accuracy from 0 to 1")
        matched = {
            key.removeprefix(MATCHED): value
            for key, value in accuracies.items()
            if key.startswith(MATCHED)
        }
        measured = {key: value for key, value in accuracies.items() if key in evals}
        models.append(ReferenceModel(name, accuracies["id"], measured, matched))
    return models


def shipped_reference_models(
    hashes: Mapping[str, str], id_name: str | None
) -> list[ReferenceModel]:
    """The reference models that ship with `adapt`, where the test sets are an embedded benchmark.

    Args:
        hashes: Hash of the files and labels of each test set, by name. Sets are known by their
            content: other images, or a part of them, get no models.
        id_name: The test set like the training images; the models were trained on such images.

    Returns:
        The models with the sets that they were measured on, by the names given; none where the
        sets are not known.

    >>> shipped_reference_models({"test": "0" * 64}, "test")
    []
    """
    for path in sorted(SHIPPED.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if hashes.get(id_name or "") != content["sets"][content["trained_on"]]:
            continue
        known = {digest: domain for domain, digest in content["sets"].items()}
        domains = {name: known[own] for name, own in hashes.items() if own in known}
        return [
            ReferenceModel(
                model["name"],
                model["accuracy"][content["trained_on"]],
                {name: model["accuracy"][domain] for name, domain in domains.items()},
            )
            for model in content["models"]
        ]
    return []


def _lines(path: str | Path) -> list[tuple[int, list[str]]]:
    """Line number and cells of every line that is not empty, the header first."""
    try:
        text = resolve_path(path).read_text(encoding="utf-8-sig")
        separator = max(",;\t", key=text.partition("\n")[0].count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        lines = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} - cannot be read as CSV - {error} - {FORM}") from error
    if len(lines) < 2:
        raise DataError(f"{path} - no reference models - {len(lines)} lines - {FORM}")
    return lines


def _check_header(path: str | Path, header: list[str], evals: Sequence[str]) -> None:
    known = ["name", "id", *evals, *(MATCHED + name for name in evals)]
    for column in header:
        if header.count(column) > 1:
            raise DataError(f"{path}, column {column!r} - is listed twice - {header} - keep one")
        if column not in known:
            hint = did_you_mean(column, known)
            raise DataError(
                f"{path}, column {column!r} - not an eval of this run{hint} - the evals are: "
                f"{', '.join(evals) or 'none'} - {FORM}"
            )
    missing = [column for column in ("name", "id") if column not in header]
    if missing or not set(header) & set(evals):
        lacking = repr(missing[0]) if missing else "of an eval"
        raise DataError(f"{path} - no column {lacking} - given {header} - {FORM}")


def _accuracy(where: str, column: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise DataError(
            f"{where}, column {column!r} - not an accuracy - {cell!r} - give a number from 0 to 1, "
            "0.71 for 71 %"
        )
    return value
