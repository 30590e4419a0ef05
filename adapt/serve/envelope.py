"""Around every request: its id, the headers of its response, its count, and errors as JSON."""

import asyncio
import json
import logging
import re
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapt.serve.answers import CLOSED_BY_CLIENT, Refusal
from adapt.serve.metrics import Metrics

log = logging.getLogger(__name__)
ID = "adapt.request_id"
GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
DRAIN_SECONDS, DRAIN_BYTES = 10.0, 256_000_000
"""How much of a refused body is read and dropped, so that its sender is told why: it would lose the
answer if the connection were closed while it sends."""
HEADERS = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]


class JsonResponse(Response):
    """Strict JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """As UTF-8, in one line."""
        return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()


async def refusal_response(request: Request, error: Exception) -> Response:
    """The response to a request that is refused as a whole, by us or by the router."""
    if isinstance(error, HTTPException):
        error = Refusal(error.status_code, error.detail, dict(error.headers or {}))
    assert isinstance(error, Refusal)
    content = {"error": error.reason, "request_id": request.scope[ID]}
    return JsonResponse(content, error.status, error.headers)


@dataclass
class _Exchange:
    """One request and its response, seen from outside."""

    scope: Scope
    receive: Receive
    send: Send
    closing: Callable[[], bool]
    status: int = 0
    received: bool = False
    """Whether the whole body has come."""
    begun: float = field(default_factory=time.perf_counter)

    async def take(self) -> Message:
        message = await self.receive()
        self.received = not message.get("more_body", False)
        return message

    async def give(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            late = self.status == HTTPStatus.REQUEST_TIMEOUT
            if self.status >= HTTPStatus.BAD_REQUEST and not (self.received or late):
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._drain(), DRAIN_SECONDS)
            added = [*HEADERS, (b"x-request-id", self.scope[ID].encode())]
            added += [(b"connection", b"close")] if self.closing() else []
            message = {**message, "headers": [*message.get("headers", []), *added]}
        await self.send(message)

    async def _drain(self) -> None:
        headers, count = Headers(scope=self.scope), 0
        if "expect" in headers or not {"content-length", "transfer-encoding"} & {*headers}:
            return  # it waits for leave to send, or sends nothing
        while not self.received and count < DRAIN_BYTES:
            message = await self.take()
            count += len(message.get("body", b""))


class Envelope:
    """Middleware around all routes.

    Args:
        app: The routes.
        metrics: Where requests are counted.
        routes: Paths that are counted by name; all others count as `other`.
        closing: Whether connections are to be closed after their response; asked when it is sent,
            since the end may come while it is computed.
    """

    def __init__(
        self, app: ASGIApp, metrics: Metrics, routes: set[str], closing: Callable[[], bool]
    ) -> None:
        self._app, self._metrics, self._routes, self._closing = app, metrics, routes, closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        scope[ID] = given if GIVEN_ID.fullmatch(given) else uuid.uuid4().hex
        exchange = _Exchange(scope, receive, send, self._closing)
        try:
            await self._app(scope, exchange.take, exchange.give)
        except ClientDisconnect:
            exchange.status = CLOSED_BY_CLIENT
        except Exception:
            log.exception("request %s failed", scope[ID])
            failed = Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed - see its log")
            if not exchange.status:
                response = await refusal_response(Request(scope), failed)
                await response(scope, exchange.take, exchange.give)
        finally:
            route = scope["path"] if scope["path"] in self._routes else "other"
            seconds = time.perf_counter() - exchange.begun
            self._metrics.requests.labels(route, exchange.status).inc()
            self._metrics.seconds.labels(route).observe(seconds)
