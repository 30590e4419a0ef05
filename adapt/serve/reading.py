"""From the body of a request to the bytes of its images, within the limits."""

import base64
import binascii
import json
import sys
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import TypeAlias

from python_multipart.exceptions import FormParserError
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from adapt.errors import did_you_mean
from adapt.serve.answers import Refusal, busy
from adapt.serve.settings import ServerSettings

JSON, MULTIPART = "application/json", "multipart/form-data"
FIELD = "images"
"""Name of the images in JSON and in a form."""
Content: TypeAlias = bytes | Refusal
"""One image of a request: its file, or why there is none."""


class Held:
    """Bytes of all bodies that are not answered yet.

    >>> held = Held(10)
    >>> held.take(8)
    >>> held.bytes
    8
    """

    def __init__(self, most: int) -> None:
        self.most, self.bytes = most, 0

    def take(self, count: int) -> None:
        """Count some more, or some less.

        Raises:
            Refusal: When they would be too many.
        """
        if self.bytes + count > self.most:
            raise busy("too many bytes in other requests - try again in a moment")
        self.bytes += count


def _too_long(settings: ServerSettings) -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"body too large - more than {settings.max_bytes} bytes - send fewer or smaller images",
    )


async def read_body(
    headers: Headers,
    chunks: AsyncIterator[bytes],
    settings: ServerSettings,
    take: Callable[[int], None],
) -> bytes:
    """The body of a request.

    Args:
        headers: Of the request.
        chunks: Of the body.
        settings: The limits.
        take: Told of each chunk that is kept; it may refuse one.

    Raises:
        Refusal: When it is too long, or encoded.
    """
    if headers.get("content-encoding", "identity") != "identity":
        raise Refusal(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "Content-Encoding - not known - send the images as they are",
        )
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length) > settings.max_bytes:
        raise _too_long(settings)
    kept = bytearray()
    async for chunk in chunks:
        if len(kept) + len(chunk) > settings.max_bytes:
            raise _too_long(settings)
        take(len(chunk))
        kept += chunk
    return bytes(kept)


async def read_images(headers: Headers, body: bytes, settings: ServerSettings) -> list[Content]:
    """The images of a request: JSON, a form, or one image as it is.

    Args:
        headers: Of the request; `Content-Type` says how it is written.
        body: All of it.
        settings: The limits.

    Raises:
        Refusal: When it cannot be read, holds no image or too many, or its type is another.
    """
    kind = _media_type(headers.get("content-type", ""))
    if kind == JSON:
        images = _from_json(body)
    elif kind == MULTIPART:
        images = await _from_form(headers, body, settings.max_images)
    elif _may_be_image(kind):
        return [body]
    else:
        raise _not_taken(kind)
    if not images:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"{FIELD} - empty - give at least one image")
    if len(images) > settings.max_images:
        raise _too_many(settings.max_images)
    return images


def _too_many(most: int) -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"{FIELD} - too many - send at most {most} images in a request",
    )


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _may_be_image(kind: str) -> bool:
    return kind.startswith("image/") or kind == "application/octet-stream"


def _not_taken(kind: str) -> Refusal:
    return Refusal(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"Content-Type - not one that is read - {kind[:80]!r} - send image/..., "
        f"application/octet-stream, {MULTIPART} or {JSON}",
    )


def _from_json(body: bytes) -> list[Content]:
    wanted = f'{{"{FIELD}": ["<base64>", ...]}}'
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(HTTPStatus.BAD_REQUEST, f"body - not JSON - send {wanted}") from None
    if not isinstance(content, dict) or not isinstance(content.get(FIELD), list):
        raise Refusal(HTTPStatus.BAD_REQUEST, f"body - no list of {FIELD} - send {wanted}")
    for name in content:
        if name != FIELD:
            hint = did_you_mean(name, [FIELD])
            reason = f"body - key not known{hint} - {name[:80]!r} - send {wanted}"
            raise Refusal(HTTPStatus.BAD_REQUEST, reason)
    return [_from_base64(text) for text in content[FIELD]]


def _from_base64(text: object) -> Content:
    if isinstance(text, str):
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            pass
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "not base64 - encode the bytes of the file")


class _InMemory(MultiPartParser):
    """Writes no temporary file: the body is in memory already, and its length is limited."""

    spool_max_size = sys.maxsize


async def _from_form(headers: Headers, body: bytes, most: int) -> list[Content]:
    async def chunks() -> AsyncIterator[bytes]:
        yield body

    try:
        form = await _InMemory(headers, chunks(), max_files=most + 1, max_fields=1).parse()  # type: ignore[arg-type]
    except (MultiPartException, FormParserError) as error:
        problem = getattr(error, "message", "not as its Content-Type says")
        raise Refusal(HTTPStatus.BAD_REQUEST, f"form - cannot be read - {problem}") from error
    images: list[Content] = []
    for name, part in form.multi_items():
        if name != FIELD or not isinstance(part, UploadFile):
            kind = "file" if isinstance(part, UploadFile) else "text"
            reason = f"form - not an image - {kind} {name[:80]!r} - send files named {FIELD!r}"
            raise Refusal(HTTPStatus.BAD_REQUEST, reason)
        # Its file name is not looked at: nothing is opened, written or shown by it.
        kind = _media_type(part.content_type or "application/octet-stream")
        images.append(part.file.read() if _may_be_image(kind) else _not_taken(kind))
    await form.close()
    return images
