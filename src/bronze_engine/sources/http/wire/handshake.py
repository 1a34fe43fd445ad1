"""The way to a server, one layer at a time: its name, a connection, TLS."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from contextlib import suppress
from typing import final

import httpx

from bronze_engine.clock import Clock
from bronze_engine.errors import ExtractError
from bronze_engine.workers import Workers

__all__ = ["Handshake"]

_PORTS = {"http": 80, "https": 443}


@final
class Handshake:
    """One connection, for looking at it; the requests of a run have their own.

    The steps are taken in order and raise ExtractError. `aclose` ends it.
    """

    def __init__(
        self,
        url: httpx.URL,
        tls: ssl.SSLContext | bool,
        workers: Workers,
        clock: Clock,
        *,
        timeout_seconds: float,
    ) -> None:
        self._host = url.raw_host.decode("ascii").strip("[]")
        self._port = url.port or _PORTS[url.scheme]
        self._tls = tls
        self._workers = workers
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._addresses: list[str] = []
        self._writer: asyncio.StreamWriter | None = None

    async def resolve(self) -> str:
        """Look the name up."""
        try:
            found = await self._workers.run(
                socket.getaddrinfo, self._host, self._port, 0, socket.SOCK_STREAM
            )
        except (socket.gaierror, UnicodeError) as exc:
            raise ExtractError(
                f"the name {self._host} can't be resolved; check base_url and this machine's DNS"
            ) from exc
        self._addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        return f"{self._host} is {', '.join(self._addresses)}"

    async def connect(self) -> str:
        """Connect to the first address that answers."""
        error: OSError | None = None
        for address in self._addresses:
            try:
                async with self._clock.timeout(self._timeout_seconds):
                    _, self._writer = await asyncio.open_connection(address, self._port)
            except OSError as exc:  # TimeoutError is one
                error = exc
                continue
            return f"{address} port {self._port}"
        why = (
            f"nothing answers within {self._timeout_seconds:g} s"
            if isinstance(error, TimeoutError)
            else os.strerror((error and error.errno) or errno.ECONNREFUSED)
        )
        raise ExtractError(
            f"no connection to {self._host} port {self._port}: {why}; check base_url, the "
            "firewall, and whether a proxy is needed"
        ) from error

    async def shake_hands(self) -> str:
        """TLS, with the authorities and the certificate of the configuration."""
        assert self._writer is not None  # noqa: S101  # connected before
        writer, context = self._writer, self._tls
        if not isinstance(context, ssl.SSLContext):
            context = await self._workers.run(ssl.create_default_context)
        # asyncio closes the connection when this fails, and then nobody could wait for that.
        self._writer = None
        try:
            async with self._clock.timeout(self._timeout_seconds):
                await writer.start_tls(context, server_hostname=self._host)
        except ssl.SSLCertVerificationError as exc:
            raise ExtractError(
                f"the certificate of {self._host} is refused: {exc.verify_message}; if an "
                "authority of your own has signed it, name that in ca_file"
            ) from exc
        except OSError as exc:
            why = exc.strerror or type(exc).__name__
            if isinstance(exc, TimeoutError):
                why = f"nothing came within {self._timeout_seconds:g} s"
            raise ExtractError(
                f"TLS with {self._host} failed: {why}; is it https "
                "that it speaks there, and does it ask for a client_cert?"
            ) from exc
        self._writer = writer
        found = writer.get_extra_info("ssl_object")
        until = found.getpeercert().get("notAfter", "unknown")
        return f"{found.version()}, the certificate is valid until {until}"

    async def aclose(self) -> None:
        if self._writer is not None:
            self._writer.close()
            with suppress(OSError):
                await self._writer.wait_closed()
