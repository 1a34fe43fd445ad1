"""One snapshot for all that a run reads, shared by the connections that read it.

The leader takes the snapshot, and may export it. Followers import it, each for one slice. While
the leader's transaction lives a slice whose connection broke is read again and finds the same
rows; without the leader the snapshot is gone.

https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-SNAPSHOT-SYNCHRONIZATION
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, final

import asyncpg
import msgspec

from bronze_engine.errors import SnapshotLost
from bronze_engine.flow import Gate
from bronze_engine.sources.postgres.connection import abandon
from bronze_engine.sources.postgres.faults import DATABASE_ERRORS
from bronze_engine.sources.postgres.horizon import READER_LOCK
from bronze_engine.sources.postgres.pool import Claim
from bronze_engine.sources.postgres.query import literal

__all__ = ["Settings", "Snapshot", "Station", "open_snapshot", "transaction"]

_ALONE: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_LOOKING: Final = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"
# Shared by all of our readers: see `horizon`. It is a query, and fixes the snapshot.
_LOCK: Final = f"SELECT pg_try_advisory_xact_lock_shared({READER_LOCK[0]}, {READER_LOCK[1]})"

_NO_SNAPSHOT: Final = (
    asyncpg.InvalidParameterValueError,  # before version 17
    asyncpg.UndefinedObjectError,
    asyncpg.ObjectNotInPrerequisiteStateError,
)
"""What SET TRANSACTION SNAPSHOT says where whoever exported it has gone."""


@final
class Settings(msgspec.Struct, frozen=True):
    """SET LOCAL statements for the beginning of each transaction."""

    sql: str


@asynccontextmanager
async def transaction(
    connection: asyncpg.Connection,
    settings: Settings,
    *,
    snapshot: str | None = None,
    is_looking: bool = False,
) -> AsyncIterator[None]:
    """A READ ONLY transaction around the body, with one snapshot from its beginning on.

    `snapshot` is one that was exported. `is_looking` has each statement see what is committed
    by then. Left with an error it is not ended: the connection is.
    """
    begin = [_LOOKING if is_looking else _ALONE]
    if snapshot is not None:
        begin.append(f"SET TRANSACTION SNAPSHOT {literal(snapshot, 'text').removesuffix('::text')}")
    await connection.execute("; ".join((*begin, settings.sql, _LOCK)))
    yield
    with suppress(*DATABASE_ERRORS):  # it wrote nothing, so what it has read stands
        await connection.execute("COMMIT")


@final
class Station(msgspec.Struct, frozen=True):
    """A connection within the snapshot, for one slice."""

    connection: asyncpg.Connection
    is_leader: bool
    """Whether the snapshot is lost with it."""


@final
class Snapshot:
    """Where slices find a connection that sees what all others see."""

    def __init__(self, claim: Claim, leader: asyncpg.Connection, settings: Settings) -> None:
        self.leader = leader
        self._claim = claim
        self._settings = settings
        self._exported: str | None = None
        self._leader_is_busy = False
        self._followers = 0
        self._is_alone = False
        """Whether followers can't be let in: somebody waits to lock a table that the leader reads,
        and whoever asks for it later waits behind him."""
        self._left = Gate()

    async def share(self, most: int) -> None:
        """Let up to `most` slices read it side by side, as far as connections are free."""
        self._claim.widen(most)
        if self._claim.size > 1:
            self._exported = await self.leader.fetchval("SELECT pg_export_snapshot()")

    @asynccontextmanager
    async def station(self) -> AsyncIterator[Station]:
        """A connection, once one is free; the leader first, so that one slice needs one.

        Raises SnapshotLost where the leader's connection is gone.
        """
        while self._leader_is_busy and (self._is_alone or self._followers >= self._claim.size - 1):
            await self._left.wait()
        if self.leader.is_closed():
            raise SnapshotLost("the connection that kept the snapshot is gone")
        if not self._leader_is_busy:
            self._leader_is_busy = True
            try:
                yield Station(self.leader, is_leader=True)
            except BaseException:
                # Its transaction is aborted. At once: nobody takes what a COPY still sends.
                await abandon(self.leader)
                raise
            finally:
                self._leader_is_busy = False
                self._left.open()
            return
        self._followers += 1
        try:
            async with self._claim.connection() as connection, self._import(connection):
                yield Station(connection, is_leader=False)
        except asyncpg.LockNotAvailableError:
            self._is_alone = True
            raise
        finally:
            self._followers -= 1
            self._left.open()

    @asynccontextmanager
    async def _import(self, connection: asyncpg.Connection) -> AsyncIterator[None]:
        begun = transaction(connection, self._settings, snapshot=self._exported)
        try:
            await begun.__aenter__()
        except _NO_SNAPSHOT as exc:
            raise SnapshotLost("the transaction that kept the snapshot has ended") from exc
        yield
        await begun.__aexit__(None, None, None)


@asynccontextmanager
async def open_snapshot(claim: Claim, settings: Settings) -> AsyncIterator[Snapshot]:
    """Take a snapshot of the database now, and keep it for the body."""
    async with claim.connection() as connection, transaction(connection, settings):
        yield Snapshot(claim, connection, settings)
