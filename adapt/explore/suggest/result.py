"""What is written: the list to fill in, the same as data, a page, and a folder of links."""

import csv
import io
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.checks.record import SIDE, picture_uri
from adapt.common.files import check_new, safe_cell, write_json, write_text
from adapt.common.progress import track
from adapt.data.decoding.open import open_image
from adapt.errors import DataError, RecipeError
from adapt.models.prediction.inputs import ImageLike
from adapt.predictions.inputs.base import Reading
from adapt.report.explore.suggest import render_suggestion

COLUMNS = ("path", "rank", "predicted", "confidence", "why", "label")
LIST, DATA, PAGE = "suggest.csv", "suggest.json", "suggest.html"
FORMULA = ("=", "+", "-", "@")


def result_files(folder: str | Path) -> tuple[Path, Path, Path]:
    """The list, the data and the page in a folder."""
    return Path(folder) / LIST, Path(folder) / DATA, Path(folder) / PAGE


@dataclass
class Suggestion:
    """What to label next."""

    content: dict[str, Any]
    """The content of `suggest.json`; see `docs/suggest.md`."""

    @property
    def paths(self) -> list[str]:
        """The images to label, the first one first, as the source names them."""
        return [pick["path"] for pick in self.content["picks"]]

    def write(self, folder: str | Path, overwrite: bool = False) -> Path:
        """Write the list, the data and the page; returns the path of the list.

        Args:
            folder: May hold other files.
            overwrite: Whether earlier ones are replaced: a list that was filled in is one of them.

        Raises:
            RecipeError: When they are there and are not to be replaced.
            RunError: When they cannot be written.
        """
        files = result_files(folder)
        check_new(*files, overwrite=overwrite)
        write_json(files[1], self.content)
        pictures = {pick["rank"]: uri for pick, image in self._images() if (uri := _picture(image))}
        write_text(files[2], render_suggestion(self.content, pictures))
        return write_text(files[0], self.csv_text())

    def csv_text(self) -> str:
        """The list, its column `label` empty; paths start from the pool where it is a folder."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for pick in self.content["picks"]:
            cells = self._predicted(pick), f"{pick['confidence']:.4f}", pick["why"]
            row = [self._listed(pick["path"]), pick["rank"], *map(safe_cell, cells), ""]
            writer.writerow(row)
        return text.getvalue()

    def link(self, folder: str | Path) -> Path:
        """Make a folder of links to the images, one folder inside for each predicted class.

        Move a link into the folder of its true class: then the folder is a labelled set. They are
        hard links, since a source of images does not follow symbolic ones out of its folder; on
        another file system, and for images in archives, there are copies.

        Args:
            folder: Where to; not there yet, or empty.

        Raises:
            RecipeError: When it holds something.
        """
        target = Path(folder)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise RecipeError(f"{target} - not empty - links would mix - give another folder")
        for pick, image in self._images():
            inside = target / folder_name(self._predicted(pick))
            inside.mkdir(parents=True, exist_ok=True)
            place = inside / f"{pick['rank']:04d}-{_file_name(pick['path'])}"
            if isinstance(image, bytes):
                place.write_bytes(image)
                continue
            source = Path(str(image)).resolve()
            try:
                os.link(source, place)
            except OSError:
                shutil.copyfile(source, place)
        return target

    def _predicted(self, pick: dict[str, Any]) -> str:
        return str(self.content["classes"][pick["predicted"]])

    def _listed(self, path: str) -> str:
        pool = self.content["pool"]
        listed = os.path.relpath(path, pool) if Path(pool).is_dir() else path
        return f"./{listed}" if listed.startswith(FORMULA) else listed

    def _images(self) -> Iterator[tuple[dict[str, Any], ImageLike]]:
        """Each image to label, as the source holds it: a path, or the bytes of a file."""
        wanted = {pick["path"]: pick for pick in self.content["picks"]}
        for item in track(Reading(self.content["pool"]).items(), "drawing pictures", 0):
            if (pick := wanted.pop(item.name, None)) is not None:
                image = item.load()
                if image.problem is None:
                    yield pick, image.image
            if not wanted:
                return


def folder_name(text: str) -> str:
    """A name for a folder of a class.

    >>> folder_name("sea lion"), folder_name("a/b"), folder_name("..")
    ('sea lion', 'a_b', '_')
    """
    return re.sub(r"[^\w \-.]", "_", text).strip(" .") or "_"


def _file_name(path: str) -> str:
    return re.sub(r"[^\w\-.]", "_", re.split(r"[/\\]", path)[-1])


def _picture(image: ImageLike) -> str | None:
    with suppress(DataError):
        return picture_uri(open_image(image, at_least=SIDE))
    return None
