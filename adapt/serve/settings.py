"""How much a server takes and for how long, and how it makes batches."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import ClassVar

from adapt.common.ranges import Ranges, at_least, within
from adapt.errors import RecipeError, did_you_mean


@dataclass(frozen=True)
class ServerSettings:
    """Limits and batching; what is beyond a limit is refused with a status of its own.

    Raises:
        ValueError: When a value is out of range.

    >>> ServerSettings(max_images=4).max_images
    4
    """

    ranges: ClassVar[Ranges] = Ranges(
        batch_size=within(1, 4096, "images"),
        batch_wait_ms=within(0, 1000, "milliseconds"),
        readers=within(1, 64, "threads"),
        max_megabytes=within(0.001, 1024, "megabytes"),
        max_pixels=at_least(1, most=1_000_000_000),
        max_images=within(1, 4096, "images"),
        max_classes=within(2, 1000, "classes"),
        max_waiting=within(1, 100_000, "images"),
        max_held_megabytes=within(0.001, 100_000, "megabytes"),
        timeout=within(0.1, 3600, "seconds"),
        drain=within(0, 600, "seconds"),
    )

    batch_size: int = 32
    """Most images that the model computes at once."""
    batch_wait_ms: float = 5.0
    """Longest wait of a decoded image for others that are being decoded."""
    readers: int = 2
    """Threads that decode and resize images while the model computes."""
    max_megabytes: float = 32.0
    """Of the body of a request; a megabyte is 1,000,000 bytes."""
    max_pixels: int = 64_000_000
    """Of an image, by its header, before it is decoded."""
    max_images: int = 64
    """Of a request."""
    max_classes: int = 20
    """Other class names of a request."""
    max_waiting: int = 256
    """Images that are decoded, wait or are computed, over all requests."""
    max_held_megabytes: float = 256.0
    """Of the bodies of all requests that are not answered yet."""
    timeout: float = 30.0
    """Seconds to receive a request, and seconds to answer it then."""
    drain: float = 1.0
    """Seconds after SIGTERM in which new requests are still taken and connections closed after
    each answer, so that whoever distributes requests can go elsewhere."""

    def __post_init__(self) -> None:
        self.ranges.check(self)

    @property
    def max_bytes(self) -> int:
        """Of the body of a request."""
        return int(self.max_megabytes * 1_000_000)

    @property
    def max_held_bytes(self) -> int:
        """Of the bodies of all requests."""
        return int(self.max_held_megabytes * 1_000_000)


def read_settings(words: Iterable[str]) -> ServerSettings:
    """Settings from words such as `timeout=10`.

    Raises:
        RecipeError: When a word is no setting, is given twice, or its value is out of range.

    >>> read_settings(["timeout=10", "max_images=4"]).timeout
    10.0
    """
    kinds = {field.name: field.type for field in fields(ServerSettings)}
    given: dict[str, int | float] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in kinds:
            hint = did_you_mean(name, kinds)
            raise RecipeError(
                f"{word:.80} - not a setting{hint} - give NAME=NUMBER, a name of {', '.join(kinds)}"
            )
        if name in given:
            raise RecipeError(f"{name} - given twice - {value:.80} - give it once")
        try:
            given[name] = int(value) if kinds[name] is int else float(value)
        except ValueError:
            whole = "a whole number" if kinds[name] is int else "a number"
            raise RecipeError(f"{name} - not {whole} - {value!r:.80} - give {whole}") from None
    try:
        return ServerSettings(**given)  # type: ignore[arg-type]
    except ValueError as error:
        raise RecipeError(str(error)) from error
