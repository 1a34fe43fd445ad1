"""The way to a collector, which can be cut from another thread.

A timeout of requests bounds each read from a socket, not the answer as a whole: a collector that
sends a byte now and then would hold the process for ever, and a long timeout for so long.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any, Final, final

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

__all__ = ["Session"]

_CONNECT_SECONDS: Final = 2.0
"""What is not connected yet can't be cut."""


@final
class Session(requests.Session):
    """Sends one request at a time, for an exporter."""

    def __init__(self) -> None:
        super().__init__()
        self._line = _Line()
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(self._line))

    def cut(self) -> None:
        """Fail the request that is under way, and each after it. Callable from any thread."""
        self._line.cut()

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        timeout = kwargs.get("timeout")
        if isinstance(timeout, int | float):
            kwargs["timeout"] = (min(timeout, _CONNECT_SECONDS), timeout)
        return super().send(request, **kwargs)


@final
class _Line:
    """The socket that was connected last, and whether there may be another."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._is_cut = False

    def take(self, connected: socket.socket | None) -> None:
        """Raises OSError once it is cut. The socket is kept first: `cut` looks at it last."""
        self._socket = connected
        if self._is_cut:
            raise OSError("the way to the collector is cut")

    def cut(self) -> None:
        self._is_cut = True
        if self._socket is not None:
            with suppress(OSError):  # it may be closed by now
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # below TLS, if there is any


@final
class _Adapter(HTTPAdapter):
    """Connects with connections that the line knows, through proxies as well."""

    def __init__(self, line: _Line) -> None:
        self._pools = _pools(line)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> PoolManager:
        manager: PoolManager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _pools(line: _Line) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            line.take(self.sock)

    class Encrypted(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            line.take(self.sock)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}
