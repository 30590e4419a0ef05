"""An answer as data, as a table in a file, and as a page with pictures."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from adapt.checks.record import small_picture
from adapt.common.files import check_new, plain, safe_cell, write_text, write_whole
from adapt.common.typed import resolve_path
from adapt.errors import DataError, RecipeError
from adapt.explore.search.index import Hit, Index, RankedCaption
from adapt.explore.search.query import Query, QueryWeights, as_tuple, read_words
from adapt.explore.search.settings import AS_GIVEN, SearchSettings
from adapt.report.explore.search import render_search
from adapt.version import __version__

CAPTION = "caption"


@dataclass(frozen=True)
class SearchResult:
    """What a search gave."""

    content: dict[str, Any]
    """As `--json` prints it; see `docs/search.md`."""
    pictures: list[str] = field(default_factory=list)
    """Paths of the images that a page shows."""

    def write_csv(self, path: str | Path, overwrite: bool = False) -> Path:
        """Write `rank,path,score`, or `rank,caption,score`.

        Args:
            path: The file.
            overwrite: Whether an earlier one is replaced.

        Raises:
            RecipeError: When it is there and is not to be replaced.
            RunError: When it cannot be written.
        """
        check_new(Path(path), overwrite=overwrite)

        def write(place: Path) -> None:
            with place.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(self.columns)
                writer.writerows(
                    [safe_cell(answer[name]) for name in self.columns]
                    for answer in self.content["answers"]
                )

        return write_whole(path, write)

    def write_page(self, path: str | Path, overwrite: bool = False) -> Path:
        """Write a page with a small picture of each image; it needs no other file.

        Args:
            path: The file.
            overwrite: Whether an earlier one is replaced.

        Raises:
            RecipeError: When it is there and is not to be replaced.
            RunError: When it cannot be written.
        """
        check_new(Path(path), overwrite=overwrite)
        drawn = {picture: small_picture(picture) for picture in self.pictures}
        thumbnails = {name: uri for name, uri in drawn.items() if uri is not None}
        return write_text(path, render_search(self.content, thumbnails))

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the table."""
        return "rank", "path" if self.content["captions"] is None else CAPTION, "score"


def ask(
    index: Index, folder: str | Path, words: Sequence[str], settings: SearchSettings
) -> SearchResult:
    """Search in an index, or rank captions, as the command line asks for it.

    Args:
        index: What is searched.
        folder: Its name in the answer.
        words: The text; words with a minus before them are wanted less.
        settings: Everything else.

    Raises:
        RecipeError: When nothing is asked, or what is asked does not go together.
        DataError: When an image or the captions cannot be read.
    """
    text, less = read_words(" ".join(words))
    images = [str(resolve_path(image)) for image in settings.image or []]
    weights = QueryWeights(1.0, settings.image_weight, settings.not_weight)
    query: dict[str, Any] = {"images": images}
    answers: Sequence[Hit] | Sequence[RankedCaption]
    if settings.captions is not None:
        others = (text, *less, *as_tuple(settings.minus), *as_tuple(settings.class_name))
        if len(images) != 1 or any(others):
            raise RecipeError(
                f"--captions - not for one image - {len(images)} images and {len(others) - 1} "
                "texts - give one --image and no text"
            )
        answers = index.rank_captions(images[0], read_captions(settings.captions), settings.top)
    else:
        asked = Query(
            as_tuple(text or None),
            tuple(images),
            (*less, *as_tuple(settings.minus)),
            as_tuple(settings.class_name),
            tuple(settings.template or [AS_GIVEN]),
            weights,
        )
        query = asked.to_dict() | {"said": asked.said()}
        answers = index.answer(asked, settings.top)
    content = {
        "format": 1,
        "adapt": __version__,
        "index": str(folder),
        "images": len(index),
        "model": str(index.model),
        "method": index.method,
        "query": query,
        "captions": settings.captions,
        "answers": [{"rank": place + 1, **asdict(answers[place])} for place in range(len(answers))],
    }
    found = [answer.path for answer in answers if isinstance(answer, Hit)]
    return SearchResult(plain(content), [*images, *found])


def read_captions(path: str | Path) -> list[str]:
    """Captions of a file: the column `caption` of a CSV table, or one in each line of a text.

    Args:
        path: The file, in UTF-8.

    Raises:
        DataError: When it cannot be read, or holds none.
    """
    place = resolve_path(path)
    try:
        with place.open(encoding="utf-8-sig", newline="") as file:
            if place.suffix.lower() == ".csv":
                table = csv.DictReader(file)
                if CAPTION not in (table.fieldnames or ()):
                    given = f"columns {', '.join(table.fieldnames or ()) or 'none'}"
                    raise DataError(
                        f"{path} - no column 'caption' - {given} - name the column of captions so"
                    )
                captions = [row[CAPTION] or "" for row in table]
            else:
                captions = file.read().splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} - not UTF-8 - byte {error.start} - save it as UTF-8") from error
    except (OSError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path} - cannot be read - {reason} - give a text or CSV file") from error
    kept = [caption.strip() for caption in captions if caption.strip()]
    if not kept:
        raise DataError(f"{path} - no captions - nothing is in it - write one in each line")
    return kept
