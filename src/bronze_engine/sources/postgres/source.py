"""The PostgreSQL source: tables and queries, read by COPY in the binary format.

slices()   look (columns, how far the cursor may be read) -> snapshot -> window -> slices
read()     a connection within the snapshot -> COPY -> blocks of whole rows
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from typing import Final, final

import asyncpg
import msgspec

from bronze_engine.config.database.postgres import PostgresSourceConfig
from bronze_engine.contracts import Decoder, Emit, Preview, Request, Resources, Source
from bronze_engine.errors import SliceLost, SnapshotLost
from bronze_engine.model.slice import Slice
from bronze_engine.sources.copy_binary.framing import BrokenFraming
from bronze_engine.sources.postgres.copying import copy_cut, copy_out
from bronze_engine.sources.postgres.faults import DATABASE_ERRORS, Subject, of_reading
from bronze_engine.sources.postgres.framing import Framing, shared_framing
from bronze_engine.sources.postgres.keyset import Keyset
from bronze_engine.sources.postgres.look import Look, describe_source, look_at
from bronze_engine.sources.postgres.outlet import Outlet
from bronze_engine.sources.postgres.plan import ReadingPlan
from bronze_engine.sources.postgres.pool import Claim, Pool, shared_pool
from bronze_engine.sources.postgres.query import Values
from bronze_engine.sources.postgres.session import local_settings
from bronze_engine.sources.postgres.slices import ALL_ROWS, Piece, plan_pieces
from bronze_engine.sources.postgres.snapshot import Settings, Snapshot, open_snapshot, transaction
from bronze_engine.sources.postgres.window import Span, check_reach, fix_window

__all__ = ["PostgresSource", "PostgresSourceType"]

log = logging.getLogger(__name__)

_FLOOR_BYTES: Final = 4 * 1024**2
"""Of one slice: a group that waits for a worker, the next one, and what asyncpg has read."""

_CHUNK_READS: Final = 3
"""How often a chunk is begun of which nothing was handed on."""


@final
class PostgresSourceType:
    """`type = "postgres"`."""

    def open(
        self, config: PostgresSourceConfig, request: Request, resources: Resources, /
    ) -> AbstractAsyncContextManager[Source]:
        """Open one run's reading of a table or query. Connects to nothing yet.

        Raises ConfigError for a dsn that is none.
        """
        return _open(config, request, resources)

    def floor_bytes(self, config: PostgresSourceConfig, /) -> int:  # noqa: ARG002  # the same for all
        return _FLOOR_BYTES

    def slices_at_once(self, config: PostgresSourceConfig, /) -> int:
        """A keyset is one slice."""
        return 1 if config.reading == "keyset" else config.parallel


@asynccontextmanager
async def _open(
    config: PostgresSourceConfig, request: Request, resources: Resources
) -> AsyncIterator[Source]:
    pool = await shared_pool(config.connection, resources)
    framing = await shared_framing(config.connection.name, resources)
    async with AsyncExitStack() as stack:
        yield PostgresSource(config, request, resources, pool, framing, stack)


@final
class PostgresSource:
    """One run's reading of one table or query. `stack` ends when the run leaves the source."""

    def __init__(
        self,
        config: PostgresSourceConfig,
        request: Request,
        resources: Resources,
        pool: Pool,
        framing: Framing,
        stack: AsyncExitStack,
    ) -> None:
        self._config = config
        self._request = request
        self._resources = resources
        self._pool = pool
        self._framing = framing
        self._stack = stack
        self._claim: Claim | None = None
        self._snapshot: Snapshot | None = None
        self._plan: ReadingPlan | None = None
        self._look: Look | None = None

    @property
    def token(self) -> None:
        """A snapshot ends with its connection, so nothing can be resumed."""
        return

    @property
    def _name(self) -> str:
        if self._look is not None and self._look.relation is not None:
            return str(self._look.relation)
        return self._config.table or "query"

    def preview(self) -> Preview:
        config, address = self._config, self._pool.address
        what = "the query" if config.table is None else config.table
        how = "in chunks" if config.reading == "keyset" else "in one snapshot"
        return Preview(
            location=f"{address.location}/{self._name}",
            first=f"COPY of {what} from {address.location}, {how}",
            slices=(ALL_ROWS,) if config.reading == "keyset" else (f"{config.partitions} slices",),
        )

    async def check(self) -> str:
        """Connect, find the columns, see that the cursor can be read, and ask for one row."""
        async with self._pool.claim(self._resources.limits) as claim:
            with self._told():
                async with claim.connection() as connection:
                    settings = self._settings(connection)
                    async with transaction(connection, settings, is_looking=True):
                        return await self._checked(connection)

    async def _checked(self, connection: asyncpg.Connection) -> str:
        look = await describe_source(connection, self._config, self._request)
        self._look = look
        if look.cursor is not None:
            await check_reach(connection, self._request, look.cursor)
        self._resources.tally.requests += 1
        located = self.preview().location
        role = await connection.fetchval("SELECT current_user::text")
        columns = f"{len(look.selection.columns)} columns"
        if look.relation is None:
            return f"{located} can be read by {role}: {columns}"
        estimate = look.relation.row_estimate
        rows = "" if estimate is None else f", about {estimate:,} rows"
        return f"{located} can be read by {role}: a {look.relation.kind}, {columns}{rows}"

    async def slices(self) -> AsyncIterator[Slice]:
        """Look, take the snapshot, fix the window. Raises SnapshotLost where that was cut off."""
        with self._told():
            pieces = await self._prepare()
        for index, piece in enumerate(pieces):
            spec = msgspec.Raw(msgspec.json.encode(piece.condition))
            yield Slice(index=index, label=piece.label, spec=spec)

    async def _prepare(self) -> tuple[Piece, ...]:
        limits, clock = self._resources.limits, self._resources.clock
        claim = self._claim = await self._stack.enter_async_context(self._pool.claim(limits))
        async with claim.connection() as connection:
            settings = self._settings(connection)
            async with transaction(connection, settings, is_looking=True):
                look = await look_at(connection, self._config, self._request, clock)
        self._look = look
        for warning in (*look.selection.warnings, look.reach.warning):
            if warning is not None:
                self._resources.tally.warn(warning)
        if self._config.reading == "keyset":
            async with claim.connection() as connection, transaction(connection, settings):
                span = await self._fix(connection, look)
                self._plan = ReadingPlan(look, span)
                await self._plan.keyset(self._request.primary_key).check(connection)
            pieces: tuple[Piece, ...] = (Piece(ALL_ROWS),)
        else:
            snapshot = await self._stack.enter_async_context(open_snapshot(claim, settings))
            span = await self._fix(snapshot.leader, look)
            self._plan = ReadingPlan(look, span)
            pieces = await plan_pieces(
                snapshot.leader,
                self._config,
                look.columns,
                look.relation,
                span.origin,
                span.conditions,
            )
            if len(pieces) > 1:
                await snapshot.share(min(self._config.parallel, len(pieces)))
            self._snapshot = snapshot
        return () if span.is_empty and not span.null_rows else pieces

    async def _fix(self, connection: asyncpg.Connection, look: Look) -> Span:
        if look.cursor is None:
            return Span(origin=look.origin(Values(run_date=self._request.run_date)))
        return await fix_window(connection, self._request, look.cursor, look.reach, look.origin)

    def _settings(self, connection: asyncpg.Connection) -> Settings:
        version = connection.get_server_version().major
        return Settings(
            local_settings(
                self._config.connection, version=version, pipeline=self._request.pipeline
            )
        )

    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        """Read one slice.

        Raises SliceLost where its connection broke and the snapshot is still there, and
        SnapshotLost where that is gone.
        """
        outlet = Outlet(self._resources, emit)
        if self._snapshot is None:
            await self._read_chunks(outlet)
        else:
            await self._read_in_snapshot(self._snapshot, piece, outlet)
        await outlet.finish()
        return None

    async def _read_in_snapshot(self, snapshot: Snapshot, piece: Slice, outlet: Outlet) -> None:
        plan = self._planned
        condition = msgspec.json.decode(piece.spec, type=str | None)
        is_leader = False
        try:
            async with snapshot.station() as station:
                is_leader = station.is_leader
                if piece.index == 0:
                    await self._reject_nulls(station.connection, outlet)
                if not plan.span.is_empty:
                    await self._copy(station.connection, plan.sql(condition), outlet)
        except DATABASE_ERRORS as exc:
            fault = of_reading(exc, self._subject)
            if is_leader and isinstance(fault, SliceLost):
                raise SnapshotLost(str(fault)) from exc
            raise fault from exc

    async def _read_chunks(self, outlet: Outlet) -> None:
        """Chunk after chunk. One of which nothing was handed on is begun again."""
        assert self._claim is not None  # noqa: S101  # set with the plan
        plan, begun = self._planned, 0
        keyset = plan.keyset(self._request.primary_key)
        after: tuple[str, ...] | None = None
        is_last = False
        while not is_last:
            before, begun = outlet.blocks, begun + 1
            try:
                async with self._claim.connection() as connection:
                    settings = self._settings(connection)
                    async with transaction(connection, settings):
                        end = await self._read_chunk(connection, keyset, after, outlet)
            except DATABASE_ERRORS as exc:
                fault = of_reading(exc, self._subject)
                is_lost = isinstance(fault, SliceLost)
                if is_lost and outlet.blocks == before and begun < _CHUNK_READS:
                    self._resources.tally.retries += 1
                    log.warning("%s: %s; a chunk is begun again", self._request.pipeline, fault)
                    continue
                raise fault from exc
            after, is_last, begun = end, end is None, 0

    async def _read_chunk(
        self,
        connection: asyncpg.Connection,
        keyset: Keyset,
        after: tuple[str, ...] | None,
        outlet: Outlet,
    ) -> tuple[str, ...] | None:
        """Read what lies behind `after`; returns where it ends, None for the last."""
        plan = self._planned
        if after is None:
            await self._reject_nulls(connection, outlet)
        if plan.span.is_empty:
            return None
        end = await keyset.next_end(connection, after)
        conditions = keyset.conditions(after, end)
        sql = plan.sql(*conditions, order_by=keyset.order_by)
        await self._copy(connection, sql, outlet)
        return end

    async def _reject_nulls(self, connection: asyncpg.Connection, outlet: Outlet) -> None:
        plan = self._planned
        if plan.span.null_rows and plan.look.cursor is not None:
            reason = f"{plan.look.cursor.name} is NULL, and it is the cursor"
            await outlet.rejects(connection, plan.nulls_sql(), reason)

    async def _copy(self, connection: asyncpg.Connection, sql: str, outlet: Outlet) -> None:
        clock, timeout = self._resources.clock, self._config.connection.statement_timeout
        self._resources.tally.requests += 1
        began, is_cut = clock.monotonic(), self._framing.is_cut
        try:
            if is_cut:
                workers, columns = (
                    self._resources.workers,
                    len(self._planned.look.selection.columns),
                )
                await copy_cut(connection, sql, outlet.rows, clock, workers, columns)
            else:
                await copy_out(connection, sql, outlet.rows, clock)
        except BrokenFraming as exc:
            raise self._framing.fault(exc, was_cut=is_cut) from exc
        except asyncpg.QueryCanceledError as exc:
            # The server cancels with one code whatever its reason.
            if timeout is not None and clock.monotonic() - began >= timeout:
                raise of_reading(exc, self._subject, is_overdue=True) from exc
            raise

    def decoder(self) -> Decoder:
        """The decoder of what `slices` has found."""
        return self._planned.decoder(self._request, self._framing)

    @property
    def _planned(self) -> ReadingPlan:
        if self._plan is None:
            raise RuntimeError("slices() tells first what is read")
        return self._plan

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the body raises becomes ours; what is lost there is lost as a whole."""
        try:
            yield
        except DATABASE_ERRORS as exc:
            fault = of_reading(exc, self._subject)
            if isinstance(fault, SliceLost):
                raise SnapshotLost(str(fault)) from exc
            raise fault from exc

    @property
    def _subject(self) -> Subject:
        relation = None if self._look is None else self._look.relation
        return Subject(
            text=f"connections.{self._config.connection.name} ({self.preview().location})",
            role=(self._pool.address.user or "") if relation is None else relation.user,
            grant=None if relation is None else f"SELECT ON {relation.quoted}",
        )
