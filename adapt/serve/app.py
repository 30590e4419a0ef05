"""The routes: predictions, what there is to know of model and server, a reload, a page."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapt.data.decoding.formats import ImageError
from adapt.models.prediction.stream import Prediction, Predictor
from adapt.serve.access import Access
from adapt.serve.answers import Parts, Refusal, busy, refused_image, result
from adapt.serve.batching import Batcher
from adapt.serve.description import description
from adapt.serve.envelope import ID, Envelope, JsonResponse, refusal_response
from adapt.serve.hosting import Host, ServedModel
from adapt.serve.metrics import Metrics
from adapt.serve.page import page_response
from adapt.serve.reading import Content, Held, read_body, read_images
from adapt.serve.settings import ServerSettings

Result = TypeVar("Result")
TOP, MOST_TOP = 5, 1000


class Service:
    """A model behind HTTP, as an ASGI application.

    Args:
        host: Holds the model.
        settings: Limits and batching.
        token: Clients must send it, where there is one; without one there is no reload over HTTP.
    """

    def __init__(self, host: Host, settings: ServerSettings, token: str | None = None) -> None:
        self.host, self.settings = host, settings
        self.stopping = False
        """Set when the server is about to stop: connections are closed after each response."""
        self._access, self._held = Access(token), Held(settings.max_held_bytes)
        self._images = 0
        self._computing: asyncio.Task[None]
        self._readers = ThreadPoolExecutor(settings.readers, "reader")
        self.metrics = Metrics(lambda: self._images, lambda: host.model.name)
        self._batcher = Batcher(
            settings.batch_size, settings.batch_wait_ms / 1000, self.metrics.batch
        )

    def app(self) -> Starlette:
        """The application."""
        handlers: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
            ("GET", "/", self._page),
            ("GET", "/health", self._health),
            ("GET", "/ready", self._ready),
            ("GET", "/model", self._model),
            ("GET", "/metrics", self._metrics),
            ("GET", "/openapi.json", self._openapi),
            ("POST", "/predict", self._predict),
            ("POST", "/reload", self._reload),
        ]
        envelope = Middleware(
            Envelope,
            metrics=self.metrics,
            routes={path for _, path, _ in handlers},
            closing=lambda: self.stopping,
        )
        return Starlette(
            routes=[Route(path, handler, methods=[verb]) for verb, path, handler in handlers],
            middleware=[envelope],
            exception_handlers={Refusal: refusal_response, HTTPException: refusal_response},
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._computing = asyncio.create_task(self._batcher.run())
        try:
            yield
        finally:
            self._computing.cancel()
            with suppress(asyncio.CancelledError):
                await self._computing
            self._readers.shutdown(cancel_futures=True)

    def _check(self, request: Request) -> None:
        self._access.check(request.headers.get("authorization"))

    async def _page(self, _: Request) -> Response:
        return page_response()

    async def _health(self, _: Request) -> Response:
        if self._computing.done():
            raise busy("no images are computed any more - start the server again")
        return JsonResponse({"status": "alive"})

    async def _ready(self, _: Request) -> Response:
        if self.stopping:
            raise busy("stopping - ask another server")
        return JsonResponse({"status": "ready", "model": self.host.model.name})

    async def _model(self, request: Request) -> Response:
        self._check(request)
        limits = {
            "body_bytes": self.settings.max_bytes,
            "pixels": self.settings.max_pixels,
            "images": self.settings.max_images,
            "classes": self.settings.max_classes,
            "seconds": self.settings.timeout,
        }
        return JsonResponse({**self.host.model.facts(), "limits": limits})

    async def _metrics(self, request: Request) -> Response:
        self._check(request)
        return Response(self.metrics.text(), headers={"Content-Type": self.metrics.content_type})

    async def _openapi(self, _: Request) -> Response:
        return JsonResponse(description(self.settings, self._access.has_token))

    async def _reload(self, request: Request) -> Response:
        self._check(request)
        if not self._access.has_token:
            reason = "a reload over HTTP needs a server with a token - send SIGHUP to its process"
            raise Refusal(HTTPStatus.FORBIDDEN, reason)
        return JsonResponse({"model": await self.reload()})

    async def reload(self) -> str:
        """Exchange the model for what is at its path now; returns its name.

        Raises:
            Refusal: When the old one stays.
        """
        try:
            # No reader: they go on meanwhile.
            model = await asyncio.to_thread(self.host.reload)
        except Refusal:
            self.metrics.reloads.labels("refused").inc()
            raise
        self.metrics.reloads.labels("done").inc()
        return model.name

    async def _predict(self, request: Request) -> Response:
        self._check(request)
        top, names = _options(request.query_params)
        with self._holding() as take:
            reading = read_body(request.headers, request.stream(), self.settings, take)
            late = Refusal(HTTPStatus.REQUEST_TIMEOUT, "the body came too slowly - send it again")
            body = await self._in_time(reading, late)
            contents = await read_images(request.headers, body, self.settings)
            with self._places(len(contents)):
                late = Refusal(HTTPStatus.GATEWAY_TIMEOUT, "not answered in time - try again later")
                model = self.host.model
                answers = await self._in_time(self._answers(model, contents, names, top), late)
        parts = Parts.of(None) if names else model.parts
        results = [result(answer, parts, top) for answer in answers]
        for item in results:
            self.metrics.images.labels(item["status"]).inc()
        if len(results) == 1 and "error" in results[0]:
            raise Refusal(results[0]["status"], results[0]["error"])
        content = {"request_id": request.scope[ID], "model": model.name, "results": results}
        return JsonResponse(content)

    @contextmanager
    def _holding(self) -> Iterator[Callable[[int], None]]:
        counted = 0

        def take(count: int) -> None:
            nonlocal counted
            self._held.take(count)
            counted += count

        try:
            yield take
        finally:
            self._held.take(-counted)

    @contextmanager
    def _places(self, count: int) -> Iterator[None]:
        if self._images + count > self.settings.max_waiting:
            raise busy("too many images wait - try again in a moment")
        self._images += count
        try:
            yield
        finally:
            self._images -= count

    async def _in_time(self, work: Awaitable[Result], late: Refusal) -> Result:
        try:
            return await asyncio.wait_for(work, self.settings.timeout)
        except asyncio.TimeoutError:
            raise late from None

    async def _answers(
        self, model: ServedModel, contents: list[Content], names: tuple[str, ...], top: int
    ) -> list[Prediction | Refusal]:
        predictor = model.predictor
        if names:
            predictor = await self._read(model.with_classes, names, self.settings.max_classes)
        return await asyncio.gather(*(self._answer(predictor, image, top) for image in contents))

    async def _answer(self, predictor: Predictor, image: Content, top: int) -> Prediction | Refusal:
        if isinstance(image, Refusal):
            return image
        with self._batcher.coming():
            try:
                pixels = await self._read(predictor.pixels, image, self.settings.max_pixels)
            except ImageError as error:
                return refused_image(error)
            answer = self._batcher.put(predictor, pixels, top)
        return await answer

    async def _read(self, function: Callable[..., Result], *given: Any) -> Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, partial(function, *given))


def _options(query: QueryParams) -> tuple[int, tuple[str, ...]]:
    """How many classes are listed, and other class names."""
    if unknown := [name for name in query if name not in ("top", "class")]:
        reason = f"{unknown[0][:80]!r} - not known - give top or class"
        raise Refusal(HTTPStatus.BAD_REQUEST, reason)
    text = query.get("top", str(TOP))
    if not text.isdecimal() or len(text) > 4 or not 1 <= int(text) <= MOST_TOP:
        reason = f"top - not a whole number - {text[:80]!r} - give 1 to {MOST_TOP}"
        raise Refusal(HTTPStatus.BAD_REQUEST, reason)
    return int(text), tuple(query.getlist("class"))
