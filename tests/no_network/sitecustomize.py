"""No network: put this folder on PYTHONPATH, and sockets reach this machine only.

Python imports `sitecustomize` by itself when it starts, so subprocesses are held to it too.
"""

import ipaddress
import socket
from typing import Any

_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex
_sendto = socket.socket.sendto
_getaddrinfo = socket.getaddrinfo


def _local(host: object) -> bool:
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text == socket.gethostname()
    return address.is_loopback or address.is_unspecified


def _refuse_remote(family: int, address: Any) -> None:
    inet = family in (socket.AF_INET, socket.AF_INET6)
    if inet and not _local(address[0]):
        raise OSError(f"network - blocked while checking - {address!r} - ship it or ask first")


def connect(self: socket.socket, address: Any) -> None:
    """Connect, when the other end is on this machine."""
    _refuse_remote(self.family, address)
    _connect(self, address)


def connect_ex(self: socket.socket, address: Any) -> int:
    """Connect, when the other end is on this machine."""
    _refuse_remote(self.family, address)
    return _connect_ex(self, address)


def sendto(self: socket.socket, data: Any, *rest: Any) -> int:
    """Send, when the other end is on this machine."""
    _refuse_remote(self.family, rest[-1])
    return _sendto(self, data, *rest)


def getaddrinfo(host: Any, *rest: Any, **options: Any) -> Any:
    """Look up names of this machine only; a lookup is network traffic too."""
    if not _local(host):
        raise socket.gaierror(f"network - blocked while checking - {host!r} - ship it or ask first")
    return _getaddrinfo(host, *rest, **options)


socket.socket.connect = connect  # type: ignore[method-assign,assignment]
socket.socket.connect_ex = connect_ex  # type: ignore[method-assign,assignment]
socket.socket.sendto = sendto  # type: ignore[method-assign,assignment]
socket.getaddrinfo = getaddrinfo
