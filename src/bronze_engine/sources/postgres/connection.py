"""One connection to a PostgreSQL server: made, told how to print values, ended."""

from __future__ import annotations

import asyncio
import getpass
import logging
import socket
import ssl
from collections.abc import Iterable
from typing import Any, Final, final

import asyncpg
import msgspec

from bronze_engine.clock import Clock
from bronze_engine.config.connection import PostgresConnection
from bronze_engine.config.database.address import Address, Endpoint, SessionAttributes, address_of
from bronze_engine.contracts import Hide
from bronze_engine.errors import AuthError, BronzeError, ConfigError
from bronze_engine.limits.transient import Transient
from bronze_engine.model.identifier import quote_ident
from bronze_engine.shield import finish
from bronze_engine.sources.postgres.faults import (
    DATABASE_ERRORS,
    Subject,
    Tls,
    of_connecting,
)
from bronze_engine.sources.postgres.passfile import find_password
from bronze_engine.sources.postgres.tls import ask_for_tls, tls_of
from bronze_engine.workers import Workers

__all__ = ["Connector", "abandon", "end"]

log = logging.getLogger(__name__)

CLOSE_SECONDS: Final = 0.8
"""What ending a connection may take, the cancelling of what runs on it included. Then its socket
goes, which the server notices when it next sends."""

KEEPALIVE: Final = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 6}
"""A server that is gone without a word is noticed after two minutes; asyncpg would wait for
ever. (libpq leaves these to the system: two hours.)"""


@final
class Connector:
    """Makes connections to one database; knows where it is and who we are there."""

    def __init__(
        self, config: PostgresConnection, clock: Clock, workers: Workers, hide: Hide
    ) -> None:
        """Raises ConfigError for a dsn that is none."""
        self._config = config
        self._clock = clock
        self._workers = workers
        self._hide = hide
        self._address = _address_of(config)
        self._tls: ssl.SSLContext | None = None
        self._tls_is_read = False
        self._offers: dict[Endpoint, Tls] = {}
        """What endpoints have answered, where sslmode leaves it to them."""

    @property
    def address(self) -> Address:
        return self._address

    async def connect(self) -> asyncpg.Connection:
        """One attempt: each host in turn, until one is what is asked for.

        Raises Transient where another attempt may succeed, else a BronzeError. Cancelled, it
        leaves nothing open.
        """
        try:
            return await self._try_hosts()
        except AuthError:
            if not await self._workers.run(self._read_again):
                raise
            return await self._try_hosts()

    async def _try_hosts(self) -> asyncpg.Connection:
        address = self._address
        if not self._tls_is_read:
            self._tls = await self._workers.run(tls_of, address, self._owner)
            self._tls_is_read = True
        rounds: tuple[SessionAttributes, ...] = (address.attributes,)
        if address.attributes == "prefer-standby":
            rounds = ("standby", "any")
        last: Transient | None = None
        for attributes in rounds:
            for endpoint in address.endpoints:
                try:
                    return await self._to(endpoint, attributes)
                except Transient as exc:
                    last = exc
        assert last is not None  # noqa: S101  # there is an endpoint
        raise last

    async def _to(self, endpoint: Endpoint, attributes: SessionAttributes) -> asyncpg.Connection:
        who = await self._workers.run(_who, self._address, endpoint)
        if who.password:
            self._hide(f"{self._owner} at {endpoint}", [who.password])
        options = self._address.options
        try:
            async with self._clock.timeout(self._address.connect_timeout_seconds):
                return await asyncpg.connect(
                    host=endpoint.host,
                    port=endpoint.port,
                    user=who.user,
                    password=who.password,  # with None asyncpg would look for one by itself
                    database=who.database,
                    # Never "prefer": then asyncpg reads PGSSL... and ~/.postgresql.
                    ssl=await self._tls_with(endpoint) or False,
                    direct_tls=False,
                    target_session_attrs=attributes,
                    server_settings={
                        "application_name": self._address.application_name,
                        **({} if options is None else {"options": options}),
                    },
                    # Prepared statements would outlive a pooler's share of a session.
                    statement_cache_size=0,
                    connection_class=_Connection,
                    timeout=None,
                )
        except DATABASE_ERRORS as exc:
            subject = Subject(
                text=f"{self.describe()} as {who.user}{'' if who.password else ', no password'}",
                role=who.user,
                grant=f"CONNECT ON DATABASE {quote_ident(who.database)}",
            )
            # Exactly this class, so asyncpg: the server would not go on to TLS.
            is_refused = type(exc) is ConnectionError and not endpoint.is_socket
            tls = await self._ask_for_tls(endpoint) if is_refused else "unknown"
            raise of_connecting(exc, endpoint, subject, tls=tls) from exc

    async def _tls_with(self, endpoint: Endpoint) -> ssl.SSLContext | None:
        if endpoint.is_socket or self._tls is None:
            return None
        if self._address.sslmode == "prefer":
            if self._offers.get(endpoint, "unknown") == "unknown":
                self._offers[endpoint] = await self._ask_for_tls(endpoint)
            if self._offers[endpoint] != "yes":
                return None
        return self._tls

    async def _ask_for_tls(self, endpoint: Endpoint) -> Tls:
        seconds = self._address.connect_timeout_seconds
        return await ask_for_tls(endpoint, self._clock, timeout_seconds=seconds)

    def describe(self) -> str:
        """For messages: which connection, and where it leads."""
        return f"{self._owner} ({self._address.location})"

    @property
    def _owner(self) -> str:
        return f"connections.{self._config.name}" if self._config.name else "the connection"

    def _read_again(self) -> bool:
        """Whether a file holds another password than the one that was refused."""
        config = self._config
        try:
            renewed = msgspec.structs.replace(
                config,
                dsn=None if config.dsn is None else config.dsn.renewed(),
                password=None if config.password is None else config.password.renewed(),
            )
            address = _address_of(renewed)
        except (OSError, BronzeError):
            return False
        if renewed == config:
            return False
        self._config, self._address = renewed, address
        return True


async def end(*connections: asyncpg.Connection) -> None:
    """Close connections on which nothing runs, saying goodbye.

    Takes at most CLOSE_SECONDS for all, and raises nothing but the caller's cancellation.
    """
    await finish(_close_all, connections, grace_seconds=lambda: CLOSE_SECONDS)


async def abandon(connection: asyncpg.Connection) -> None:
    """Close a connection whose statement has failed, or was cancelled and may still run.

    The server has stopped it by then, or at the latest when it next sends something. Takes at
    most CLOSE_SECONDS, and raises nothing but the caller's cancellation.
    """
    # asyncpg sends a CancelRequest when the task of a statement is cancelled; but not where that
    # happens just as data of a COPY have come, which nobody takes any more: then the server waits
    # for us, and a goodbye would wait for the server. Where the attribute is no more, it does.
    if getattr(connection, "_cancellations", True):
        await end(connection)
    else:
        connection.terminate()


async def _close_all(connections: Iterable[asyncpg.Connection]) -> None:
    await asyncio.gather(*map(_close, connections))


async def _close(connection: asyncpg.Connection) -> None:
    try:
        await connection.close(timeout=CLOSE_SECONDS)
    except DATABASE_ERRORS as exc:
        log.debug("a connection was cut, not closed: %s", type(exc).__name__)
    finally:
        connection.terminate()


@final
class _Connection(asyncpg.Connection):  # type: ignore[misc]  # it ships no types
    """asyncpg's, on a socket that notices when the server has gone without a word."""

    __slots__ = ("tls",)

    def __init__(self, protocol: Any, transport: asyncio.Transport, *rest: Any) -> None:
        super().__init__(protocol, transport, *rest)
        encrypted = transport.get_extra_info("ssl_object")
        self.tls: str | None = None if encrypted is None else encrypted.version()
        """TLSv1.3, say; None in clear."""
        found = transport.get_extra_info("socket")
        if found is not None and found.family in (socket.AF_INET, socket.AF_INET6):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in KEEPALIVE.items():
                if hasattr(socket, name):  # not on every system
                    found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class _Who(msgspec.Struct, frozen=True, kw_only=True):
    user: str
    database: str
    password: str

    def __repr__(self) -> str:
        return f"_Who(user={self.user!r})"


def _who(address: Address, endpoint: Endpoint) -> _Who:
    """Who we are there. Reads files: for a worker."""
    try:
        user = address.user or getpass.getuser()
    except (KeyError, OSError) as exc:  # a uid without a name, as containers have them
        raise ConfigError(
            "connections: this process's user has no name; set user of the connection, or PGUSER"
        ) from exc
    database = address.database or user
    password = None if address.password is None else address.password.reveal()
    if password is None and address.passfile is not None:
        password = find_password(address.passfile, endpoint, database, user)
    return _Who(user=user, database=database, password=password or "")


def _address_of(config: PostgresConnection) -> Address:
    try:
        return address_of(config)
    except ValueError as exc:
        raise ConfigError(f"connections.{config.name}.dsn: {exc}") from exc
