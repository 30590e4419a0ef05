"""The CSV of models from elsewhere, and what is refused in it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adapt.data.sources.embedded import from_embedded
from adapt.data.splits.stored import split_manifest
from adapt.errors import DataError
from adapt.evaluation.robustness.reference_models import (
    ReferenceModel,
    read_reference_models,
    shipped_reference_models,
)
from adapt.runs.folder.ledger import eval_hashes


def test_reference_models(tmp_path: Path) -> None:
    file = tmp_path / "models.csv"
    text = 'name,id,sketch,id:sketch,art\nRN50, 0.7 ,0.4,0.75,\n\n"RN, 101",0.72,,,1\n'
    file.write_text("\ufeff" + text, encoding="utf-8")
    models = read_reference_models(file, ["sketch", "art", "photo"])
    assert models == [
        ReferenceModel("RN50", 0.7, {"sketch": 0.4}, {"sketch": 0.75}),
        ReferenceModel("RN, 101", 0.72, {"art": 1.0}),
    ]
    assert models[0].point("sketch", lacks_classes=False) == (0.7, 0.4)
    assert models[0].point("sketch", lacks_classes=True) == (0.75, 0.4)
    assert models[0].point("art", lacks_classes=False) is None
    assert models[1].point("art", lacks_classes=True) is None
    file.write_text("name;id;art\na;0.5;0.25\n")
    assert read_reference_models(file, ["art"])[0].evals == {"art": 0.25}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no reference models - 0 lines"),
        ("name,id,art\n", "no reference models - 1 lines"),
        (
            "name,id,arts\na,0.5,0.4\n",
            "column 'arts' - not an eval of this run, did you mean 'art'",
        ),
        ("name,id,art,art\na,0.5,0.4,0.4\n", "column 'art' - is listed twice"),
        ("id,art\n0.5,0.4\n", "no column 'name'"),
        ("name,art\na,0.4\n", "no column 'id'"),
        ("name,id\na,0.4\n", "no column of an eval"),
        ("name,id,art\na,0.5\n", "line 2 - wrong number of cells - 2 for 3"),
        ("name,id,art\na,0.5,0.4\n\na,0.5,0.4\n", "line 4 - name missing or given before - 'a'"),
        ("name,id,art\n,0.5,0.4\n", "line 2 - name missing"),
        ("name,id,art\na,71.2,0.4\n", "line 2, column 'id' - not an accuracy - '71.2'"),
        ("name,id,art\na,0.5,nan\n", "line 2, column 'art' - not an accuracy"),
        ("name,id,art\na,0.5,half\n", "not an accuracy - 'half'"),
        ("name,id,art\na,,0.4\n", "line 2, column 'id' - no value"),
        ('name,id,art\na,0.5,"0.4\n', "cannot be read as CSV"),
    ],
)
def test_reference_models_that_are_refused(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "models.csv"
    file.write_text(text)
    with pytest.raises(DataError) as caught:
        read_reference_models(file, ["art"])
    assert expected in str(caught.value)
    assert str(caught.value).startswith(str(file))


def test_reference_models_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read as CSV"):
        read_reference_models(tmp_path / "none.csv", ["art"])
    (tmp_path / "latin.csv").write_bytes(b"name,id,art\n\xe9,0.5,0.5\n")
    with pytest.raises(DataError, match="cannot be read as CSV"):
        read_reference_models(tmp_path / "latin.csv", ["art"])


def embedded_hashes() -> dict[str, str]:
    """The test sets of the quickstart, by the names of its recipe."""
    domains = {"test": "emoji", "outline": "outline", "silhouette": "silhouette"}
    evals = {name: from_embedded("pictograms", own, "test") for name, own in domains.items()}
    return eval_hashes(split_manifest(evals), evals)


def test_the_embedded_benchmark_has_reference_models() -> None:
    hashes = embedded_hashes()
    models = shipped_reference_models(hashes | {"own": "0" * 64}, "test")
    assert len(models) >= 30
    for model in models:
        assert set(model.evals) == {"test", "outline", "silhouette"}
        assert model.evals["test"] == model.id
    assert min(model.id for model in models) < 0.2
    assert max(model.id for model in models) > 0.6
    # They were trained on emoji: another domain in distribution, or a part of the set, has none.
    assert shipped_reference_models(hashes, "outline") == []
    assert shipped_reference_models(hashes | {"test": "0" * 64}, "test") == []
    assert shipped_reference_models(hashes, None) == []


def test_a_stored_accuracy_is_that_of_a_slow_nearest_neighbour() -> None:
    def grey(split: str) -> tuple[np.ndarray, list[str]]:
        images = from_embedded("pictograms", "emoji", split)
        rows = []
        for path in images.paths:
            picture = Image.open(path).convert("RGBA")
            paper = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
            pixels = np.asarray(paper.convert("RGB").resize((32, 32)), np.float64) / 255
            rows.append([pixels[i : i + 2, j : j + 2].mean() for i in range(0, 32, 2)
                         for j in range(0, 32, 2)])  # fmt: skip
        return np.array(rows), images.labels

    (train, labels), (test, truth) = grey("train"), grey("test")
    nearest = [labels[int(((train - row) ** 2).sum(axis=1).argmin())] for row in test]
    right = np.mean([a == b for a, b in zip(nearest, truth, strict=True)])
    stored = {one.name: one for one in shipped_reference_models(embedded_hashes(), "test")}
    assert stored["nearest on grey, 100%"].id == pytest.approx(right, abs=0.005)
