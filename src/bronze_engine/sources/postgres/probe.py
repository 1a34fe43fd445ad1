"""Is a PostgreSQL server there, does it let us in, and does it do what runs rely on?"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, final

import asyncpg

from bronze_engine.clock import Clock
from bronze_engine.config.connection import PostgresConnection
from bronze_engine.config.database.address import Endpoint
from bronze_engine.contracts import Hide
from bronze_engine.errors import ExtractError, SliceLost
from bronze_engine.limits.transient import Transient
from bronze_engine.model.probe import Probed, try_out
from bronze_engine.sources.postgres import horizon
from bronze_engine.sources.postgres.connection import Connector, end
from bronze_engine.sources.postgres.faults import DATABASE_ERRORS, Subject, of_reading
from bronze_engine.sources.postgres.session import local_settings
from bronze_engine.workers import Workers

__all__ = ["probe_postgres"]

Question = Callable[[], Awaitable[str]]

_BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

_SERVER: Final = """
SELECT current_setting('server_version') AS version, pg_is_in_recovery() AS is_standby,
    current_user::text AS role, current_database()::text AS database"""

_ROOM: Final = """
SELECT current_setting('max_connections')::int AS most, count(*) AS used
FROM pg_stat_activity WHERE backend_type = 'client backend'"""


async def probe_postgres(
    config: PostgresConnection, workers: Workers, clock: Clock, hide: Hide
) -> tuple[Probed, ...]:
    """Resolve, log in, and ask for what runs will ask. No table is read.

    Nothing is retried, and no limit applies. Never raises for what it finds, but ConfigError
    for a dsn that is none.
    """
    probe = _Probe(config, Connector(config, clock, workers, hide), workers, clock)
    try:
        return tuple([result async for result in probe.results()])
    finally:
        await probe.aclose()


@final
class _Probe:
    """The questions, each of which needs the ones before."""

    def __init__(
        self, config: PostgresConnection, connector: Connector, workers: Workers, clock: Clock
    ) -> None:
        self._config = config
        self._connector = connector
        self._workers = workers
        self._clock = clock
        self._connection: asyncpg.Connection
        self._role = ""

    async def results(self) -> AsyncIterator[Probed]:
        questions: list[tuple[str, Question]] = [
            ("name", self._resolve),
            ("login", self._log_in),
            ("TLS", self._tls),
            ("server", self._server),
            ("snapshot", self._snapshot),
            ("connections", self._room),
            ("open transactions", self._transactions),
            ("clock", self._time),
        ]
        for subject, question in questions:
            result = await try_out(subject, question, self._clock)
            yield result
            if result.status == "FAIL" and subject in ("login", "server"):
                return

    async def aclose(self) -> None:
        if hasattr(self, "_connection"):
            await end(self._connection)

    async def _resolve(self) -> str:
        found, lost = [], []
        for endpoint in self._connector.address.endpoints:
            addresses = [] if endpoint.is_socket else await self._addresses(endpoint)
            if addresses or endpoint.is_socket:
                found.append(f"{endpoint.host} is {', '.join(addresses) or 'a socket'}")
            else:
                lost.append(endpoint.host)
        if lost:
            raise ExtractError(
                f"the name {', '.join(lost)} can't be resolved; check host of the connection and "
                "this machine's DNS"
            )
        return "; ".join(found)

    async def _addresses(self, endpoint: Endpoint) -> list[str]:
        try:
            found = await self._workers.run(
                socket.getaddrinfo, endpoint.host, endpoint.port, 0, socket.SOCK_STREAM
            )
        except (socket.gaierror, UnicodeError):
            return []
        return list(dict.fromkeys(str(info[4][0]) for info in found))

    async def _log_in(self) -> str:
        try:
            self._connection = await self._connector.connect()
        except Transient as exc:
            raise ExtractError(
                f"{self._connector.describe()}: {exc.reason}; check host and port, the firewall, "
                "and whether the server is up"
            ) from exc
        return f"let in at {self._connector.address.location}"

    async def _tls(self) -> str:
        mode = self._connector.address.sslmode
        version = self._connection.tls
        if version is None:
            return f"none: nothing that is sent is protected (sslmode is {mode})"
        return f"{version}, sslmode is {mode}"

    async def _server(self) -> str:
        found = await self._ask(self._connection.fetchrow(_SERVER))
        self._role = found["role"]
        kind = "a standby" if found["is_standby"] else "a primary"
        return (
            f"PostgreSQL {found['version']}, {kind}; database {found['database']}, "
            f"role {found['role']}"
        )

    async def _snapshot(self) -> str:
        """As runs begin, and as slices share a snapshot."""
        version = self._connection.get_server_version().major
        settings = local_settings(self._config, version=version)
        await self._ask(self._connection.execute(f"{_BEGIN}; {settings}"))
        try:
            await self._ask(self._connection.fetchval("SELECT pg_export_snapshot()"))
        finally:
            await self._ask(self._connection.execute("ROLLBACK"))
        return "can be taken, and shared by slices that are read side by side"

    async def _room(self) -> str:
        found = await self._ask(self._connection.fetchrow(_ROOM))
        return (
            f"{found['used']} of the server's {found['most']} are taken; a process of ours opens "
            f"up to {self._config.max_connections}"
        )

    async def _transactions(self) -> str:
        try:
            seen = await horizon.look(self._connection, None)
        except ExtractError as exc:  # of interest only where a timestamp is the cursor
            return f"for an incremental load by a timestamp: {exc.message}"
        return f"seen: what was written before {seen.before:%Y-%m-%dT%H:%M:%SZ} is committed"

    async def _time(self) -> str:
        theirs = await self._ask(self._connection.fetchval("SELECT clock_timestamp()"))
        ahead = (theirs - self._clock.now()).total_seconds()
        return f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine"

    async def _ask(self, statement: Awaitable[Any]) -> Any:
        try:
            return await statement
        except DATABASE_ERRORS as exc:
            subject = Subject(text=self._connector.describe(), role=self._role)
            told = of_reading(exc, subject)
            if isinstance(told, SliceLost):
                told = ExtractError(f"{told}; try again")
            raise told from exc
