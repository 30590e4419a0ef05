"""Bodies of requests: what is held over all of them, and a form without temporary files."""

import asyncio
import tempfile
from collections.abc import AsyncIterator

import pytest
from starlette.datastructures import Headers

from adapt.serve.answers import Refusal
from adapt.serve.reading import Held, read_body, read_images
from adapt.serve.settings import ServerSettings
from tests.helpers.serving import form


async def chunked(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def test_a_body_is_counted_while_it_comes() -> None:
    taken: list[int] = []
    settings = ServerSettings(max_megabytes=0.01)
    whole = asyncio.run(read_body(Headers(), chunked(b"ab", b"", b"c"), settings, taken.append))
    assert (whole, taken) == (b"abc", [2, 0, 1])
    for headers, parts in [
        (Headers(), [b"x" * 6000] * 2),
        (Headers({"content-length": "10001"}), []),
    ]:
        with pytest.raises(Refusal) as caught:
            asyncio.run(read_body(headers, chunked(*parts), settings, taken.append))
        assert caught.value.status == 413


def test_bytes_of_all_bodies() -> None:
    held = Held(10)
    held.take(6)
    with pytest.raises(Refusal) as caught:
        held.take(5)
    assert (caught.value.status, held.bytes) == (503, 6)
    held.take(-6)
    held.take(10)


def test_large_files_of_a_form_stay_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file")

    monkeypatch.setattr(tempfile, "_TemporaryFileWrapper", never)
    monkeypatch.setattr(tempfile, "TemporaryFile", never)
    large = bytes(range(256)) * 20_000
    body, kind = form(("a", "image/png", large), ("b", "image/png", b"\r\n--ed"))
    headers = Headers({"content-type": kind})
    images = asyncio.run(read_images(headers, body, ServerSettings()))
    assert images == [large, b"\r\n--ed"]
