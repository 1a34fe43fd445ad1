"""The PostgreSQL source: tables and queries, read by COPY in the binary format.

slices()   look (columns, how far the cursor may be read) -> snapshot -> window -> slices
read()     a connection within the snapshot -> COPY -> blocks of whole rows
"""

from __future__ import annotations

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
from bronze_engine.errors import BronzeError, SliceLost, SnapshotLost
from bronze_engine.machine import cores
from bronze_engine.model.slice import Slice
from bronze_engine.sources.postgres.bounds import ALL_ROWS, Piece
from bronze_engine.sources.postgres.faults import DATABASE_ERRORS, Subject, of_reading
from bronze_engine.sources.postgres.framing import Framing, shared_framing
from bronze_engine.sources.postgres.hold import hold
from bronze_engine.sources.postgres.horizon import settle
from bronze_engine.sources.postgres.keyset import Place
from bronze_engine.sources.postgres.look import Look, describe_source, look_at
from bronze_engine.sources.postgres.outlet import Outlet
from bronze_engine.sources.postgres.plan import ReadingPlan
from bronze_engine.sources.postgres.pool import Claim, Pool, shared_pool
from bronze_engine.sources.postgres.query import Values
from bronze_engine.sources.postgres.reading import Reading, settings_of
from bronze_engine.sources.postgres.slices import foreseen, plan_pieces
from bronze_engine.sources.postgres.snapshot import Snapshot, open_snapshot, transaction
from bronze_engine.sources.postgres.window import Span, check_reach, fix_window

__all__ = ["PostgresSource", "PostgresSourceType"]

_MOST_AT_ONCE: Final = 4
"""Slices side by side, where nothing is configured."""

_FLOOR_BYTES: Final = 4 * 1024**2
"""Of one slice: a group that waits for a worker, the next one, and what asyncpg has read."""


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
        """Of a keyset one: where a slice begins is known when the one before is read."""
        return 1 if config.reading == "keyset" else _side_by_side(config)


@asynccontextmanager
async def _open(
    config: PostgresSourceConfig, request: Request, resources: Resources
) -> AsyncIterator[Source]:
    pool = await shared_pool(config.connection, resources)
    framing = await shared_framing(config.connection.name, resources)
    async with AsyncExitStack() as stack:
        yield PostgresSource(config, request, resources, pool, framing, stack)


def _to_its_high(span: Span, look: Look) -> Span:
    """The chunks are of later instants: what has come above the watermark is the next window's."""
    if look.cursor is None or span.high is None:
        return span
    conditions = (*span.conditions, look.cursor.up_to(span.high))
    return msgspec.structs.replace(span, conditions=conditions)


def _side_by_side(config: PostgresSourceConfig) -> int:
    """How fast it goes, and nothing else, follows from the machine."""
    return config.parallel or max(1, min(_MOST_AT_ONCE, cores() // 2))


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
    def token(self) -> str | None:
        """Of a keyset. A snapshot ends with its connection, so nothing of it can be resumed."""
        is_keyset = self._config.reading == "keyset"
        return self._planned.token if is_keyset and self._plan is not None else None

    @property
    def _name(self) -> str:
        if self._look is not None and self._look.relation is not None:
            return str(self._look.relation)
        return self._config.table or "query"

    def preview(self) -> Preview:
        config, address = self._config, self._pool.address
        what = "the query" if config.table is None else config.table
        how = "chunk after chunk" if config.reading == "keyset" else "in one snapshot"
        return Preview(
            location=f"{address.location}/{self._name}",
            first=f"COPY of {what} from {address.location}, {how}",
            slices=(foreseen(config),),
        )

    async def check(self) -> str:
        """Connect, find the columns, see that the cursor can be read, and ask for one row."""
        async with self._pool.claim(self._resources.limits) as claim:
            with self._told():
                async with claim.connection() as connection:
                    settings = settings_of(self._config, self._request, connection)
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
        if self._snapshot is None:
            yield self._slice(0, Place(span=self._planned.span))
            return
        for index, piece in enumerate(pieces):
            spec = msgspec.Raw(msgspec.json.encode(piece.condition))
            yield Slice(index=index, label=piece.label, spec=spec)

    def _slice(self, index: int, place: Place) -> Slice:
        """A slice of a keyset."""
        label = f"{ALL_ROWS}, from chunk {place.chunks}" if place.chunks else ALL_ROWS
        return Slice(index=index, label=label, spec=msgspec.Raw(msgspec.json.encode(place)))

    async def _prepare(self) -> tuple[Piece, ...]:
        limits, clock = self._resources.limits, self._resources.clock
        claim = self._claim = await self._stack.enter_async_context(self._pool.claim(limits))
        async with claim.connection() as connection:
            settings = settings_of(self._config, self._request, connection)
            async with transaction(connection, settings, is_looking=True):
                look = await look_at(connection, self._config, self._request)
            if look.reach.waits_for is not None:
                # Outside of the transaction: what is waited for may wait for a lock of ours.
                await settle(connection, look.reach.waits_for, clock)
        self._look = look
        self._resources.tally.reached = look.reach.settled
        for warning in look.warnings:
            self._resources.tally.warn(warning)
        if self._config.reading == "keyset":
            async with claim.connection() as connection, transaction(connection, settings):
                resumed = self._request.resumed
                if resumed is None:
                    span = _to_its_high(await self._fix(connection, look), look)
                else:
                    span = msgspec.json.decode(resumed.spec, type=Place).span
                self._plan = ReadingPlan(look, span)
                await self._plan.keyset(self._request.primary_key).check(connection)
            pieces: tuple[Piece, ...] = (Piece(ALL_ROWS),)
        else:
            snapshot = await self._stack.enter_async_context(open_snapshot(claim, settings))
            span = await self._fix(snapshot.leader, look)
            self._plan = ReadingPlan(look, span)
            await hold(snapshot.leader, self._plan.sql(), look.sent)
            pieces = await self._cut(snapshot.leader, look, span)
            if len(pieces) > 1:
                await snapshot.share(min(_side_by_side(self._config), len(pieces)))
            self._snapshot = snapshot
        return pieces

    async def _cut(
        self, connection: asyncpg.Connection, look: Look, span: Span
    ) -> tuple[Piece, ...]:
        """The slices of a snapshot; an empty window has one, which tells its columns."""
        if span.is_empty:
            return (Piece(ALL_ROWS),)
        return await plan_pieces(
            connection,
            self._config,
            look.columns,
            look.relation,
            span.origin,
            span.conditions,
            is_part=self._config.where is not None or self._request.read_from is not None,
        )

    async def _fix(self, connection: asyncpg.Connection, look: Look) -> Span:
        if look.cursor is None:
            return Span(origin=look.origin(Values(run_date=self._request.run_date)))
        return await fix_window(connection, self._request, look.cursor, look.reach, look.origin)

    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        """Read one slice; of a keyset it returns what comes behind it.

        Raises SliceLost where its connection broke and the snapshot is still there, and
        SnapshotLost where that is gone.
        """
        reading = Reading(
            self._config, self._request, self._resources, self._planned, self._framing, self._faults
        )
        outlet = Outlet(self._resources, emit)
        if self._snapshot is not None:
            await reading.piece(self._snapshot, piece, outlet)
            following = None
        else:
            assert self._claim is not None  # noqa: S101  # made with the plan
            place, number = (
                msgspec.json.decode(piece.spec, type=Place),
                self._planned.chunks_per_slice,
            )
            after = await reading.chunks(self._claim, place.after, number, outlet)
            chunks = place.chunks + number
            following = Place(span=place.span, after=after, chunks=chunks) if after else None
        await outlet.finish()
        return None if following is None else self._slice(piece.index + 1, following)

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
        began = self._resources.clock.monotonic()
        try:
            yield
        except DATABASE_ERRORS as exc:
            fault = self._faults(exc, began)
            if isinstance(fault, SliceLost):
                raise SnapshotLost(str(fault)) from exc
            raise fault from exc

    def _faults(self, exc: BaseException, began: float) -> BronzeError | SliceLost:
        """What an error means that came of statements since `began`.

        The server cancels with one code whatever its reason: what had run for as long as
        statement_timeout allows was ended by that.
        """
        timeout = self._config.connection.statement_timeout
        seconds = self._resources.clock.monotonic() - began
        is_overdue = timeout is not None and seconds >= timeout
        return of_reading(exc, self._subject, is_overdue=is_overdue)

    @property
    def _subject(self) -> Subject:
        relation = None if self._look is None else self._look.relation
        return Subject(
            text=f"connections.{self._config.connection.name} ({self.preview().location})",
            role=(self._pool.address.user or "") if relation is None else relation.user,
            grant=None if relation is None else f"SELECT ON {relation.quoted}",
        )
