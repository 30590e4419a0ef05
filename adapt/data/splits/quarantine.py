"""Which images can be read: those that cannot are set aside, with the reason."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat

from PIL import Image

from adapt.common.progress import track
from adapt.common.words import first_few
from adapt.data.decoding.open import Facts, ImageError, inspect_image
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError

FIT_SPLITS = ("train", "val")
CHUNK = 4096
ImageCallback = Callable[[str, Image.Image, Facts], None]


@dataclass(frozen=True)
class Quarantined:
    """One image that cannot be read."""

    path: str
    reason: str


def _threads() -> int:
    return min(os.cpu_count() or 1, 8)


def _reason(path: str, also: ImageCallback | None) -> str | None:
    try:
        image, facts = inspect_image(path)
    except ImageError as error:
        return error.reason
    if also is not None:
        also(path, image, facts)
    image.close()
    return None


def _reasons(paths: list[str], also: ImageCallback | None) -> Iterator[str | None]:
    with ThreadPoolExecutor(_threads()) as pool:
        # In pieces, so that a million images do not wait in memory as a million tasks.
        for start in range(0, len(paths), CHUNK):
            yield from pool.map(_reason, paths[start : start + CHUNK], repeat(also))


def quarantine(
    images: ImageList, limit: float = 0.01, also: ImageCallback | None = None
) -> tuple[ImageList, list[Quarantined]]:
    """Open every image to its last pixel and set aside those that cannot be read.

    Args:
        images: Images; a shift is not applied here.
        limit: Largest fraction that may be unreadable.
        also: Called with path, pixels and facts of each readable image, from several threads.

    Returns:
        The readable images (with a note when some are missing) and the others with reasons.

    Raises:
        DataError: When more than `limit`, or all, are unreadable: with counts and the first ten.
    """
    reasons = list(track(_reasons(images.paths, also), "reading images", len(images)))
    bad = [index for index, reason in enumerate(reasons) if reason is not None]
    if not bad:
        return images, []
    counted = f"{len(bad)} of {len(images)}"
    if len(bad) > limit * len(images) or len(bad) == len(images):
        named = [f"{images.relative(index)} ({reasons[index]})" for index in bad]
        first = first_few(named, 10, "; ")
        raise DataError(
            f"{images.root} - too many unreadable images - {counted} (limit {100 * limit:g} %): "
            f"{first} - repair or remove them, or raise the limit"
        )
    kept = images.subset(index for index, reason in enumerate(reasons) if reason is None)
    notes = [f"{counted} images cannot be read and were left out"]
    lost = sorted(set(images.class_names) - set(kept.class_names))
    if lost:
        notes.append(f"classes without a readable image: {', '.join(lost)}")
    listed = [Quarantined(images.paths[index], reasons[index] or "") for index in bad]
    return replace(kept, notes=kept.notes + notes), listed
