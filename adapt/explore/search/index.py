"""`adapt.Index`: embeddings that are searched, and captions that are ranked, by one model."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from adapt.common.content import content_hash
from adapt.common.typed import resolve_path
from adapt.common.words import check_choice
from adapt.errors import BundleError, DataError, RecipeError
from adapt.explore.search.approximate import Approximate, library
from adapt.explore.search.encoder import QueryEncoder
from adapt.explore.search.exact import Nearest, nearest
from adapt.explore.search.query import Query, QueryWeights, as_tuple
from adapt.explore.search.settings import AS_GIVEN, AUTO, EXACT, FAISS, METHODS
from adapt.explore.search.vectors import Vectors, mapped
from adapt.export.load import listing_path
from adapt.models.prediction.inputs import ImageLike
from adapt.predictions.opening import open_model
from adapt.scale.collection import MODEL, STATS, EmbeddingSet

MOST_EXACT = 1_000_000
"""Rows up to which `auto` searches exactly."""
TOP = 10


@dataclass(frozen=True)
class Hit:
    """One image of an answer."""

    path: str
    """As the index names it."""
    score: float
    """Cosine of the angle between the image and the question, from -1 to 1."""
    row: int
    """Its position among the images of the index that could be read, from 0."""


@dataclass(frozen=True)
class RankedCaption:
    """One caption of an answer."""

    caption: str
    score: float
    """Cosine of the angle between the image and the caption, from -1 to 1."""
    row: int
    """Its position among the captions that were given, from 0."""


class Index:
    """The output of `adapt embed`, to be searched with the model that made it.

    Args:
        vectors: The features.
        model: The folder of the model; it is opened when the first question is asked.
        settings: `precision` that the features were computed in, `device`, `trust`, `method`.

    Example:
        >>> import tempfile
        >>> from adapt.data.images import Images
        >>> from adapt.models.classifier import Classifier
        >>> from adapt.scale.embed import embed_files
        >>> folder = Path(tempfile.mkdtemp())
        >>> clock = Images.from_embedded("pictograms", "emoji", "test").subset([120])
        >>> start = Classifier.from_clip("adapt-icons-xs", "embedded", ["clock", "boat"])
        >>> made = embed_files(clock.paths[0], start.save(folder / "start"), folder / "index")
        >>> index = Index.open(folder / "index")
        >>> [round(hit.score, 1) for hit in index.search(image=clock.paths[0])]
        [1.0]
    """

    def __init__(self, vectors: Vectors, model: Path, settings: dict[str, Any]) -> None:
        self.vectors, self.model, self._settings = vectors, model, settings
        count, method = len(vectors), settings["method"]
        self.method = (EXACT if count <= MOST_EXACT else FAISS) if method == AUTO else method
        """`exact` or `faiss`."""

    @classmethod
    def open(
        cls,
        *folders: str | Path,
        model: str | Path | None = None,
        device: str = AUTO,
        method: str = AUTO,
        trust: bool = False,
    ) -> "Index":
        """Open embeddings for search.

        Args:
            folders: What `adapt embed` wrote; several of one model are one index.
            model: The model that made them; where it lay then if not given.
            device: Where questions are encoded: `auto` (a GPU where there is one), `cpu`, `cuda` or
                `mps`.
            method: `exact`, `faiss` (approximate, extra `faiss`), or `auto`: exact up to a million
                images.
            trust: Whether to open a model of the format `torch`, which can run code.

        Raises:
            DataError: When a folder is not finished, nothing is in it, or models are mixed.
            BundleError: When the model is another than the one that made the index.
            RecipeError: When it is not known where the model is, or a word is not known.
            MissingExtraError: When faiss is needed and not installed.
            RunError: When a part of the index was altered.
        """
        if wrong := check_choice("--method", method, METHODS):
            raise RecipeError(wrong[0])
        if not folders:
            raise RecipeError(
                "index - no folder - nothing is given - give what `adapt embed` wrote"
            )
        embeddings = EmbeddingSet.open(*folders)
        place = _model_of(resolve_path(folders[0]), model)
        made = embeddings.made
        _check_model(place, str(made["model"]), folders[0])
        settings = {"method": method, "device": device, "trust": trust}
        index = cls(mapped(embeddings), place, {**settings, "precision": made["precision"]})
        if index.method == FAISS:
            library()  # now, not at the first question
        return index

    def __len__(self) -> int:
        return len(self.vectors)

    def search(
        self,
        text: str | Sequence[str] | None = None,
        image: ImageLike | Sequence[ImageLike] | None = None,
        minus: str | Sequence[str] | None = None,
        class_name: str | Sequence[str] | None = None,
        top: int = TOP,
        weights: QueryWeights | None = None,
        templates: Sequence[str] = (AS_GIVEN,),
    ) -> list[Hit]:
        """The images that are most similar to a question, best first.

        Args:
            text: What they show, in words; one text or several.
            image: What they look like; a path, bytes, an image, an array, or several of them.
            minus: What they show less.
            class_name: Classes of the model, which stand for their prompts.
            top: How many images; fewer where the index has fewer.
            weights: How much each part counts.
            templates: Sentences with one `{}`, into which texts are put.

        Raises:
            RecipeError: When nothing is asked, a class is not known, or the model reads no texts.
            DataError: When an image cannot be read.
        """
        parts = as_tuple(text), as_tuple(image), as_tuple(minus), as_tuple(class_name)
        return self.answer(Query(*parts, tuple(templates), weights or QueryWeights()), top)

    def answer(self, query: Query, top: int = TOP) -> list[Hit]:
        """The images that are most similar to a question; see `search`."""
        best = self.nearest(query, _checked(top))
        paths = self.vectors.paths(best.rows[0].tolist())
        scored = zip(paths, best.scores[0].tolist(), best.rows[0].tolist(), strict=True)
        return [Hit(*values) for values in scored]

    def nearest(self, query: Query, top: int) -> Nearest:
        """Rows and scores of the images that are most similar to a question, shape (1, K)."""
        direction = self.encoder.query(query)[None]
        if self._approximate is None:
            return nearest(self.vectors.features, direction, top)
        return self._approximate.nearest(direction, top)

    def rank_captions(
        self, image: ImageLike, captions: Sequence[str], top: int | None = None
    ) -> list[RankedCaption]:
        """Captions from the most to the least similar to an image.

        All captions go through the text encoder in one pass. What it says is kept by content, so
        that other images, and other processes, encode none of them again.

        Args:
            image: A path, bytes, an image, an array or a tensor.
            captions: The candidates.
            top: How many are given; all if None.

        Raises:
            RecipeError: When there is no caption, or the model reads no texts.
            DataError: When the image cannot be read.
        """
        given = list(captions)
        if not given:
            raise RecipeError("captions - nothing to rank - 0 given - give one text or more")
        texts = self.encoder.captions(given)
        count = len(given) if top is None else _checked(top)
        best = nearest(texts, self.encoder.images([image]), count)
        scored = zip(best.rows[0].tolist(), best.scores[0].tolist(), strict=True)
        return [RankedCaption(given[row], score, row) for row, score in scored]

    @cached_property
    def encoder(self) -> QueryEncoder:
        """The model that made the index, opened."""
        own = self._settings
        opened = open_model(self.model, own["device"], own["precision"], own["trust"])
        return QueryEncoder(opened, str(self.model))

    @cached_property
    def _approximate(self) -> Approximate | None:
        return Approximate.of(self.vectors) if self.method == FAISS else None


def _checked(top: int) -> int:
    if isinstance(top, bool) or not isinstance(top, int) or top < 1:
        raise RecipeError(f"--top - out of range - {top!r} - give an integer of 1 or more")
    return top


def _model_of(folder: Path, given: str | Path | None) -> Path:
    """The folder of the model that made an index."""
    if given is not None:
        return resolve_path(given)
    try:
        named = json.loads((folder / STATS).read_text(encoding="utf-8")).get(MODEL)
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(f"{folder / STATS} - cannot be read - {error} - embed again") from error
    if named is None or not listing_path(Path(named)).is_file():
        where = "it does not say where its model is" if named is None else f"none is in {named}"
        raise RecipeError(f"{folder} - the model is not there - {where} - give --model FOLDER")
    return Path(named)


def _check_model(model: Path, expected: str, folder: str | Path) -> None:
    """Features of two models cannot be compared, whatever the two have in common."""
    if not listing_path(model).is_file():
        raise BundleError(f"{model} - not a model - there is no {listing_path(model).name} - give "
                          "the `model` folder of a run, or an export")  # fmt: skip
    given = content_hash(listing_path(model))
    if given != expected:
        raise BundleError(
            f"{folder} - made by another model - its hash is {expected[:12]}, that of {model} is "
            f"{given[:12]} - give --model with the one that made it, or embed the images again"
        )
