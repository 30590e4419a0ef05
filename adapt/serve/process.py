"""The process of the server: its socket, its signals, and an end that loses no request."""

import asyncio
import ctypes
import errno
import logging
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType

import uvicorn

from adapt.errors import RecipeError
from adapt.serve.answers import Refusal
from adapt.serve.app import Service
from adapt.serve.hosting import Host
from adapt.serve.settings import ServerSettings

log = logging.getLogger(__name__)
UNREAD = 1.0
"""Seconds in which what is under way to open connections is read, before idle ones are closed."""
TICK = 0.05
IDLE = 30
"""Seconds that a connection may stay open between two requests."""
BACKLOG, MOST_PORT = 2048, 65535
ATTACH_FILTER = 26
"""`SO_ATTACH_FILTER` of Linux, which `socket` does not name."""
DROP_SYN = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFF))
"""A packet filter: load the TCP flags; is SYN set; then drop it; else keep it."""


def bound(host: str, port: int) -> socket.socket:
    """A socket at an address, which does not listen yet.

    Args:
        host: Name or address.
        port: 0 to 65535; 0 for any that is free.

    Raises:
        RecipeError: When it cannot be had.

    >>> with bound("127.0.0.1", 0) as made:
    ...     made.getsockname()[0]
    '127.0.0.1'
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        if not 0 <= port <= MOST_PORT:  # some systems take the rest of a division
            raise OverflowError(f"ports are 0 to {MOST_PORT}")
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind(address)
        except OSError:
            made.close()
            raise
    except (OSError, OverflowError, UnicodeError) as error:
        used = getattr(error, "errno", None) == errno.EADDRINUSE
        problem = "in use" if used else f"cannot be had - {error}"
        raise RecipeError(
            f"{host} port {port} - {problem} - give another --port or --host"
        ) from error
    return made


def refuse_new(listener: socket.socket) -> None:
    """Let nobody begin to connect; those that have begun are still accepted.

    Closing a listener resets the connections that wait in it, and what they have sent is lost.
    The kernel drops the first packet (SYN) of every new connection instead: its client repeats it
    after a second, when the port is closed or another server has it. Linux alone can do this.
    """
    if sys.platform != "linux":
        return
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in DROP_SYN))
    program = struct.pack("HP", len(DROP_SYN), ctypes.addressof(code))
    with suppress(OSError):  # a sandbox may forbid it
        listener.setsockopt(socket.SOL_SOCKET, ATTACH_FILTER, program)


class Server(uvicorn.Server):
    """Goes on for a while after SIGTERM; ends with code 0 when it was asked to end.

    Args:
        service: What it serves.
        started: Called when requests are taken.
    """

    def __init__(self, service: Service, started: Callable[[], None]) -> None:
        config = uvicorn.Config(
            service.app(),
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=IDLE,
            timeout_graceful_shutdown=int(2 * service.settings.timeout) + 1,
        )
        super().__init__(config)
        self._service, self._told = service, started
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reloads = set[asyncio.Task[None]]()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take requests, and SIGHUP where there is one."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        # Windows has no SIGHUP, and threads but the main one get no signals.
        with suppress(AttributeError, NotImplementedError, RuntimeError, ValueError):
            self._loop.add_signal_handler(signal.SIGHUP, self._reload)
        self._told()

    def _reload(self) -> None:
        async def reload() -> None:
            with suppress(Refusal):  # the log has it
                await self._service.reload()

        task = asyncio.ensure_future(reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first SIGTERM ends in order after `drain`, Ctrl-C at once, a second without waiting.

        Nothing is kept for later, as uvicorn does: this end is no failure.
        """
        first = not self._service.stopping
        self.force_exit = sig == signal.SIGINT and not first
        self.stop(self._service.settings.drain if sig == signal.SIGTERM and first else 0.0)

    def stop(self, wait: float = 0.0) -> None:
        """End in order, from any thread.

        Args:
            wait: Seconds in which new requests are still taken.
        """
        self._service.stopping = True
        if self._loop is None:
            self.should_exit = True
        else:
            self._loop.call_soon_threadsafe(self._loop.call_later, wait, self._end)

    def _end(self) -> None:
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what was taken, then end."""
        for listener in sockets or []:
            refuse_new(listener)
        await asyncio.sleep(TICK)  # those that had begun to connect are accepted
        for server in self.servers:
            server.close()
        end = time.monotonic() + UNREAD
        while self.server_state.connections and time.monotonic() < end and not self.force_exit:
            await asyncio.sleep(TICK)
        await super().shutdown(sockets)


def serve(
    model: str | Path,
    address: tuple[str, int] = ("127.0.0.1", 8000),
    settings: ServerSettings | None = None,
    token: str | None = None,
    device: str = "cpu",
    started: Callable[[str, str], None] = lambda place, model: None,
) -> None:
    """Serve a model until SIGTERM or Ctrl-C; requests that were taken are answered before the end.

    SIGHUP loads what is at its path then.

    Args:
        model: A bundle or an export.
        address: Host and port.
        settings: Limits and batching.
        token: Clients must send it, where there is one.
        device: Where the model computes.
        started: Told the address and the name of the model when requests are taken.

    Raises:
        RecipeError: When the address cannot be had.
        AdaptError: When the model cannot be loaded, or is not what it was.
    """
    with bound(*address) as listener:
        host = Host(model, device)
        service = Service(host, settings or ServerSettings(), token)
        name, port = listener.getsockname()[:2]
        place = f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
        Server(service, lambda: started(place, host.model.name)).run([listener])
