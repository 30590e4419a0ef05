"""Retrieval by models equals a slow direct computation from their features."""

from pathlib import Path

import numpy as np
import pytest
import torch

from adapt.data.sources.captions.pairs import captions_of, from_pairs
from adapt.data.sources.embedded import EMBEDDED
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError
from adapt.evaluation.retrieval import retrieval
from adapt.models.classifier import Classifier
from adapt.training.settings import Runtime

CLASSES = ("clock", "flower", "heart", "boat")
WAYS = ("image_to_text", "text_to_image")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageList:
    """Drawings with their class names, which several share, and with captions of their own."""
    table = tmp_path_factory.mktemp("captions") / "captions.csv"
    root, rows = EMBEDDED / "pictograms/emoji/test", ["image,caption"]
    for label in CLASSES:
        for path in sorted((root / label).iterdir())[:5]:
            words = path.stem.split("--")[1].replace("-", " ")
            name = path.relative_to(root).as_posix()
            rows += [f"{name},a {label}", f"{name},a drawing of {words}"]
    table.write_text("\n".join(rows))
    return from_pairs(table, root)


@pytest.fixture(scope="module")
def start() -> Classifier:
    return Classifier.from_clip("adapt-icons-xs", "embedded", ["cat", "dog"])


def direct(model: Classifier, images: ImageList, place: int) -> tuple[float, float]:
    """Both recalls, question by question; a wrong answer that is as good comes first."""
    given = captions_of(images)
    with torch.inference_mode():
        pixels = [model.backbone.preprocessing(images.open(row)) for row in range(len(images))]
        seen = model.eval().features(torch.stack(pixels)).numpy()
        read = {
            text: model.backbone.encode_text([text])[0].numpy() for own in given for text in own
        }
    by_image, by_text = [], []
    for row, own in enumerate(given):
        scored = [(seen[row] @ read[text], other == row) for other, texts in enumerate(given)
                  for text in texts]  # fmt: skip
        best = max(score for score, right in scored if right)
        by_image.append(sum(score >= best - 1e-6 for score, right in scored if not right) < place)
        for text in own:
            scores = [feature @ read[text] for feature in seen]
            before = sum(s >= scores[row] - 1e-6 for n, s in enumerate(scores) if n != row)
            by_text.append(before < place)
    return float(np.mean(by_image)), float(np.mean(by_text))


def test_recall_is_what_counting_gives(images: ImageList, start: Classifier) -> None:
    scores = retrieval({"zero_shot": start}, images, Runtime(accelerator="cpu", batch_size=8))
    assert (scores["images"], scores["captions"], scores["cut"]) == (20, 40, 0)
    own = scores["models"]["zero_shot"]
    for place in (1, 5, 10):
        for way, value in zip(WAYS, direct(start, images, place), strict=True):
            assert own[way][f"recall@{place}"] == pytest.approx(value)
    assert own["text_to_image"]["recall@10"] > own["text_to_image"]["chance@10"]
    assert "difference" not in own["image_to_text"]


def test_models_are_compared_image_by_image(images: ImageList, start: Classifier) -> None:
    images = images.subset(range(len(images)))
    images.columns["caption"][0] += (
        "\na tree\na tall tree\na tree at night"  # more than others have
    )
    other = start.clone()
    with torch.no_grad():
        for value in other.backbone.image_encoder.parameters():
            value.add_(0.1 * torch.randn(value.shape, generator=torch.Generator().manual_seed(0)))
    models = {"zero_shot": start, "adapted": other, "same": start}
    scores = retrieval(models, images)["models"]
    for way in WAYS:
        first, second = (scores[name][way] for name in ("zero_shot", "adapted"))
        change = second["difference"]["recall@5"]
        assert change["difference"] == pytest.approx(second["recall@5"] - first["recall@5"])
        assert change["ci"][0] <= change["difference"] <= change["ci"][1]
        same = scores["same"][way]["difference"]["recall@1"]
        assert same == {"difference": 0.0, "ci": [0.0, 0.0]}


def test_captions_that_are_cut_are_counted(
    images: ImageList, start: Classifier, tmp_path: Path
) -> None:
    few = images.subset([0, 1])
    few.columns["caption"][0] = "word " * 40
    assert retrieval({"zero_shot": start}, few)["cut"] == 1
    with pytest.raises(DataError, match="too few images - 1 image"):
        retrieval({"zero_shot": start}, few.subset([0]))
