"""A server in a thread of the test's process, and a client that shows all that came back."""

import http.client
import io
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from adapt.serve.app import Service
from adapt.serve.hosting import Host
from adapt.serve.process import Server, bound
from adapt.serve.settings import ServerSettings

TOKEN = "a-token-of-these-tests"
BAD = {
    b"": (422, "empty file"),
    b"no image at all": (415, "not an image - text"),
    b"%PDF-1.7 and so on": (415, "not an image that is read - a PDF"),
}
"""Files that are no images, with the status and the beginning of the reason."""


@dataclass
class Reply:
    """A response; `content` is its JSON, or its text where it is none."""

    status: int
    headers: dict[str, str]
    content: Any

    @property
    def results(self) -> list[dict[str, Any]]:
        return list(self.content["results"])


@dataclass
class Running:
    """A server that runs, and how to talk to it."""

    port: int
    service: Service
    server: Server

    def ask(self, verb: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        return ask(self.port, verb, path, body, **headers)

    def predict(self, body: bytes, kind: str = "image/png", query: str = "") -> Reply:
        return self.ask("POST", f"/predict{query}", body, Content_Type=kind)


def ask(port: int, verb: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
    """One request on a connection of its own; `Content_Type` is the header `Content-Type`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(verb, path, body, named)
        response = connection.getresponse()
        text = response.read()
        kind = response.headers.get("content-type", "")
        content = json.loads(text) if kind == "application/json" else text.decode()
        given = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, given, content)
    finally:
        connection.close()


@contextmanager
def running(model: Path, token: str | None = None, **settings: Any) -> Iterator[Running]:
    """Serve a bundle or export on a free port."""
    started = threading.Event()
    service = Service(Host(model, "cpu"), ServerSettings(**settings), token)
    server = Server(service, started.set)
    with bound("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        port = listener.getsockname()[1]
        thread.start()
        assert started.wait(30)
        try:
            yield Running(port, service, server)
        finally:
            server.stop()
            thread.join(30)
            assert not thread.is_alive()


def png(image: Image.Image) -> bytes:
    """An image as a PNG file."""
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def pictures(count: int, seed: int = 0) -> list[bytes]:
    """PNG files of noise, each of another size."""
    random = np.random.default_rng(seed)
    return [
        png(Image.fromarray(random.integers(0, 255, (30 + number % 7, 41, 3), dtype=np.uint8)))
        for number in range(count)
    ]


def form(*files: tuple[str, str, bytes], field: str = "images") -> tuple[bytes, str]:
    """A multipart body of (file name, type, content), and its content type."""
    parts = [
        f'--edge\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
        f"Content-Type: {kind}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, kind, content in files
    ]
    return b"".join(parts) + b"--edge--\r\n", "multipart/form-data; boundary=edge"


def at_once(port: int, bodies: list[bytes], threads: int) -> list[Reply]:
    """One request per body, so many at a time."""

    def send(body: bytes) -> Reply:
        return ask(port, "POST", "/predict", body, Content_Type="application/octet-stream")

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(send, bodies))
