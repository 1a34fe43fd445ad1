"""The source of type "adbc": a table or a query, as the batches that its driver hands on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Final, TypeVar, final

import msgspec
import pyarrow as pa

from bronze_engine.config.database.adbc import AdbcSourceConfig
from bronze_engine.contracts import Decoder, Emit, Preview, Request, Resources, Source
from bronze_engine.errors import SliceLost
from bronze_engine.flow import Lane
from bronze_engine.limits.transient import Transient
from bronze_engine.model.block import Block
from bronze_engine.model.layout import Layout
from bronze_engine.model.slice import Slice
from bronze_engine.sources.adbc.database import Database, Result, Session
from bronze_engine.sources.adbc.decoder import AdbcDecoder, no_rows
from bronze_engine.sources.adbc.guesses import SURVEY_ROWS, Survey, without_seed
from bronze_engine.sources.adbc.plan import Plan, Planner
from bronze_engine.sources.adbc.query import Query

__all__ = ["AdbcSource", "AdbcSourceType"]

T = TypeVar("T")

_FLOOR_BYTES: Final = 8 * 1024**2
"""What a driver's batch may take without waiting; a larger one passes alone."""

_BLOCK_BYTES: Final = 1024**2
"""A larger batch is cut, for one job in a worker each."""


@final
class AdbcSourceType:
    """`type = "adbc"`."""

    def open(
        self, config: AdbcSourceConfig, request: Request, resources: Resources, /
    ) -> AbstractAsyncContextManager[Source]:
        """Open one run's reading of a database. Nothing is opened before it is asked."""
        return _open(config, request, resources)

    def floor_bytes(self, _config: AdbcSourceConfig, /) -> int:
        return _FLOOR_BYTES

    def slices_at_once(self, _config: AdbcSourceConfig, /) -> int:
        """One: a result comes in order, from one connection."""
        return 1


@asynccontextmanager
async def _open(
    config: AdbcSourceConfig, request: Request, resources: Resources
) -> AsyncIterator[Source]:
    connection = config.connection
    database = await resources.share(
        f"adbc:{connection.name}", lambda: Database(connection, resources.workers)
    )
    async with AsyncExitStack() as stack:
        yield AdbcSource(config, request, resources, database, stack)


class Reading(msgspec.Struct, frozen=True):
    """A result that has begun, and the stack that closes it with its session."""

    result: Result
    stack: AsyncExitStack
    is_seeded: bool
    """Whether its first row is ours: `guesses` says why."""


@final
class AdbcSource:
    """One run's reading of one table or query: a single slice."""

    def __init__(
        self,
        config: AdbcSourceConfig,
        request: Request,
        resources: Resources,
        database: Database,
        stack: AsyncExitStack,
    ) -> None:
        self._config = config
        self._request = request
        self._resources = resources
        self._database = database
        self._stack = stack
        self._plan: Plan | None = None
        self._layout: Layout | None = None
        self._reading: Reading | None = None

    @property
    def token(self) -> None:
        """A result can't be resumed: it begins afresh."""
        return

    def preview(self) -> Preview:
        cursor = self._request.incremental
        window = "" if cursor is None else f", the window of {cursor.cursor}"
        return Preview(
            location=self._location,
            first=f"SELECT of {self._location}{window}",
            slices=("all rows",),
        )

    @property
    def _location(self) -> str:
        return f"{self._config.connection.name}: {self._config.table or 'a query'}"

    async def check(self) -> str:
        """Ask for the columns, and for no row where the database can be asked so."""

        async def describe() -> tuple[pa.Schema, str]:
            async with self._database.session() as session:
                return await self._planner(session).describe(), session.vendor

        described, vendor = await self._asking(describe)
        return f"{self._location} has {len(described.names)} columns ({vendor or 'connected'})"

    async def slices(self) -> AsyncIterator[Slice]:
        """Settle the columns and the window, and begin to read."""
        await self._begin()
        yield Slice(index=0, label="all rows")

    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:  # noqa: ARG002  # the only one
        """Read all rows. Raises SliceLost where the connection broke."""
        if self._reading is None:  # it was lost: the same rows, in a transaction of their own
            await self._begin()
        reading, self._reading = self._reading, None
        assert reading is not None  # noqa: S101  # it has begun
        async with reading.stack:
            await self._hand_on(reading.result, emit, is_seeded=reading.is_seeded)
        return None

    def decoder(self) -> Decoder:
        assert self._plan is not None and self._layout is not None  # noqa: S101, PT018  # slices() came first
        return AdbcDecoder(self._layout, self._plan.cursor_rows())

    async def _begin(self) -> None:
        """Run the statement; the first time settle what it is."""

        async def begin() -> Reading:
            async with AsyncExitStack() as stack:
                session = await stack.enter_async_context(self._database.session())
                if self._plan is None:
                    self._plan = await self._planner(session).settle()
                    self._resources.tally.reached = self._plan.settled
                query = await self._statement(session, self._plan)
                result = await stack.enter_async_context(
                    session.query(query, batch_rows=self._config.batch_rows)
                )
                return Reading(result, stack.pop_all(), session.dialect.guesses_types)

        self._reading = await self._asking(begin)
        self._stack.push_async_callback(self._reading.stack.aclose)
        if self._layout is None and self._plan is not None:
            schema = self._reading.result.schema
            self._layout, warnings = self._plan.columns.layout(schema, self._plan.asked)
            for warning in warnings:
                self._resources.tally.warn(warning)

    async def _statement(self, session: Session, plan: Plan) -> Query:
        """What is read; where types are guessed from rows, with one row before that fixes them."""
        dialect = session.dialect
        if not dialect.guesses_types:
            return plan.select(plan.columns_sql)
        survey = Survey(plan.asked, dialect, self._location)
        async with session.query(plan.select(survey.sql), batch_rows=SURVEY_ROWS) as letters:
            async for batch in letters:
                await self._resources.workers.run(survey.add, batch)
        return survey.seeded(plan.select)

    async def _asking(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Ask under the limits, again where that may help: nothing has been handed on yet."""

        async def attempt() -> T:
            self._resources.tally.requests += 1
            try:
                return await operation()
            except SliceLost as exc:
                raise Transient(str(exc)) from exc

        return await self._resources.limits.call(attempt, describe=self._location)

    def _planner(self, session: Session) -> Planner:
        return Planner(
            self._config,
            self._request,
            session,
            origin=self._location,
            now=self._resources.clock.now(),
        )

    async def _hand_on(self, result: Result, emit: Emit, *, is_seeded: bool) -> None:
        lane = Lane(self._resources.budget, _FLOOR_BYTES)
        estimate, chunk = _BLOCK_BYTES, 0
        try:
            while True:
                await lane.take(estimate)
                batch = await anext(result, None)
                if batch is None:
                    break
                if is_seeded:
                    batch = without_seed(batch)
                size = batch.nbytes
                lane.add(size - estimate)
                self._resources.tally.bytes_in += size
                chunk += 1
                rows = max(1, batch.num_rows * _BLOCK_BYTES // max(1, size))
                for offset in range(0, batch.num_rows, rows):
                    piece = batch.slice(offset, rows)
                    await emit(
                        Block(batch=piece, records=piece.num_rows, page=chunk, offset=offset)
                    )
                lane.add(-size)
                estimate = size
        finally:
            lane.add(-lane.held_bytes)
        if not chunk and not is_seeded and self._layout is not None:
            # The columns of an empty table land, and later partitions keep their types.
            await emit(Block(batch=no_rows(self._layout.schema), records=0, page=1))
