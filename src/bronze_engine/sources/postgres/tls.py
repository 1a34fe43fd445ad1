"""TLS with a PostgreSQL server: whom we trust, and whether it speaks it at all."""

from __future__ import annotations

import asyncio
import ssl
import struct
from contextlib import suppress
from typing import Final

from bronze_engine.clock import Clock
from bronze_engine.config.database.address import Address, Endpoint
from bronze_engine.errors import ConfigError
from bronze_engine.sources.postgres.faults import Tls

__all__ = ["ask_for_tls", "tls_of"]

REQUEST: Final = struct.pack("!ii", 8, 80877103)
"""SSLRequest, which is answered by one byte; see PostgreSQL's "Message Formats"."""


def tls_of(address: Address, owner: str) -> ssl.SSLContext | None:
    """How TLS is spoken, where it is; None where it never is. Reads files: for a worker.

    Raises ConfigError for one that can't be read.
    """
    if address.sslmode == "disable":
        return None
    try:
        context = ssl.create_default_context(cafile=address.ca_file)
    except (OSError, ValueError) as exc:
        raise ConfigError(
            f"{owner}: {address.ca_file} can't be loaded: {exc}; "
            "ca_file is a PEM file of certificate authorities"
        ) from exc
    if address.sslmode != "verify-full":
        context.check_hostname = False
    # As libpq has it: an authority that is named is looked at with "require", too.
    if address.sslmode in ("prefer", "require") and address.ca_file is None:
        context.verify_mode = ssl.CERT_NONE
    if address.client_cert is not None:
        try:
            context.load_cert_chain(address.client_cert, address.client_key)
        except (OSError, ValueError) as exc:
            raise ConfigError(
                f"{owner}: {address.client_cert} can't be loaded: {exc}; "
                "client_cert is a PEM file, with its key in it or in client_key"
            ) from exc
    return context


async def ask_for_tls(endpoint: Endpoint, clock: Clock, *, timeout_seconds: float) -> Tls:
    """What an endpoint says to the question that every connection with TLS begins with."""
    try:
        async with clock.timeout(timeout_seconds):
            reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
            try:
                writer.write(REQUEST)
                answer = await reader.read(1)
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except OSError:
        return "unknown"
    answers: dict[bytes, Tls] = {b"S": "yes", b"N": "no", b"E": "unknown", b"": "unknown"}
    return answers.get(answer, "foreign")
