"""The reading of one slice: one COPY within the snapshot, or chunk after chunk by a key."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, final

import asyncpg
import msgspec

from bronze_engine.config.database.postgres import PostgresSourceConfig
from bronze_engine.contracts import Request, Resources
from bronze_engine.errors import BronzeError, SliceLost, SnapshotLost
from bronze_engine.model.slice import Slice
from bronze_engine.sources.copy_binary.framing import BrokenFraming
from bronze_engine.sources.postgres.copying import copy_cut, copy_out
from bronze_engine.sources.postgres.faults import DATABASE_ERRORS
from bronze_engine.sources.postgres.framing import Framing
from bronze_engine.sources.postgres.hold import hold
from bronze_engine.sources.postgres.keyset import Keyset, Values
from bronze_engine.sources.postgres.outlet import Outlet
from bronze_engine.sources.postgres.plan import ReadingPlan
from bronze_engine.sources.postgres.pool import Claim
from bronze_engine.sources.postgres.session import local_settings
from bronze_engine.sources.postgres.snapshot import Settings, Snapshot, transaction

__all__ = ["Faults", "Reading", "settings_of"]

log = logging.getLogger(__name__)

_CHUNK_READS: Final = 3
"""How often a chunk is begun of which nothing was handed on."""

Faults = Callable[[BaseException, float], BronzeError | SliceLost]
"""What an error means that came of statements since an instant of the clock."""


def settings_of(
    config: PostgresSourceConfig, request: Request, connection: asyncpg.Connection
) -> Settings:
    """What each transaction of a run begins with."""
    version = connection.get_server_version().major
    return Settings(local_settings(config.connection, version=version, pipeline=request.pipeline))


@final
class Reading:
    """Reads what the plan says into an outlet."""

    def __init__(
        self,
        config: PostgresSourceConfig,
        request: Request,
        resources: Resources,
        plan: ReadingPlan,
        framing: Framing,
        faults: Faults,
    ) -> None:
        self._config = config
        self._request = request
        self._resources = resources
        self._plan = plan
        self._framing = framing
        self._faults = faults

    async def piece(self, snapshot: Snapshot, piece: Slice, outlet: Outlet) -> None:
        """Read one slice of the snapshot."""
        condition = msgspec.json.decode(piece.spec, type=str | None)
        is_leader, began = False, self._resources.clock.monotonic()
        try:
            async with snapshot.station() as station:
                is_leader, began = station.is_leader, self._resources.clock.monotonic()
                if piece.index == 0:
                    await self._reject_nulls(station.connection, outlet)
                if not self._plan.span.is_empty:
                    await self._copy(station.connection, self._plan.sql(condition), outlet)
        except DATABASE_ERRORS as exc:
            fault = self._faults(exc, began)
            if is_leader and isinstance(fault, SliceLost):
                raise SnapshotLost(str(fault)) from exc
            raise fault from exc

    async def chunks(
        self, claim: Claim, after: Values | None, number: int, outlet: Outlet
    ) -> Values | None:
        """Read so many chunks behind a key; returns the key where they end, None at the end of all.

        A chunk of which nothing was handed on is begun again.
        """
        keyset = self._plan.keyset(self._request.primary_key)
        is_last, times, left = False, 0, number
        while left and not is_last:
            before, times = outlet.blocks, times + 1
            began = self._resources.clock.monotonic()
            try:
                async with claim.connection() as connection:
                    settings = settings_of(self._config, self._request, connection)
                    async with transaction(connection, settings):
                        end = await self._chunk(connection, keyset, after, outlet)
            except DATABASE_ERRORS as exc:
                fault = self._faults(exc, began)
                is_lost = isinstance(fault, SliceLost)
                if is_lost and outlet.blocks == before and times < _CHUNK_READS:
                    self._resources.tally.retries += 1
                    log.warning("%s: %s; a chunk is begun again", self._request.pipeline, fault)
                    continue
                raise fault from exc
            after, is_last, times, left = end, end is None, 0, left - 1
        return after

    async def _chunk(
        self,
        connection: asyncpg.Connection,
        keyset: Keyset,
        after: Values | None,
        outlet: Outlet,
    ) -> Values | None:
        """Read what lies behind `after`; returns where it ends, None for the last."""
        if after is None:
            await self._reject_nulls(connection, outlet)
        if self._plan.span.is_empty:
            return None
        end = await keyset.next_end(connection, after)
        conditions = keyset.conditions(after, end)
        sql = self._plan.sql(*conditions, order_by=keyset.order_by)
        await hold(connection, sql, self._plan.look.sent)
        await self._copy(connection, sql, outlet)
        return end

    async def _reject_nulls(self, connection: asyncpg.Connection, outlet: Outlet) -> None:
        plan = self._plan
        if plan.span.null_rows and plan.look.cursor is not None:
            reason = f"{plan.look.cursor.name} is NULL, and it is the cursor"
            await outlet.rejects(connection, plan.nulls_sql(), reason)

    async def _copy(self, connection: asyncpg.Connection, sql: str, outlet: Outlet) -> None:
        resources, is_cut = self._resources, self._framing.is_cut
        resources.tally.requests += 1
        try:
            if is_cut:
                columns = len(self._plan.look.selection.columns)
                await copy_cut(
                    connection, sql, outlet.rows, resources.clock, resources.workers, columns
                )
            else:
                await copy_out(connection, sql, outlet.rows, resources.clock)
        except BrokenFraming as exc:
            raise self._framing.fault(exc, was_cut=is_cut) from exc
