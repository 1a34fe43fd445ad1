"""One look through a pipeline: a page or two, decoded as a run would."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date
from types import MappingProxyType
from typing import Any, Final, final

import msgspec
import pyarrow as pa

from bronze_engine.clock import Clock
from bronze_engine.config.load import Config
from bronze_engine.contracts import Hook, Store, StoreResources
from bronze_engine.engine import open_engine
from bronze_engine.inspection.recorder import Answers, RecordingSource
from bronze_engine.inspection.report import PageSeen
from bronze_engine.store.memory import MemoryStore
from bronze_engine.telemetry.events import Event, PageFetched

__all__ = ["QUICKLY", "Look", "look"]

QUICKLY: Final = ("source.retry.attempts=2", "source.retry.max_wait=30s")
"""Overrides with which a look is over soon where a server is not there."""

_NO_CHANGES: Final[Mapping[str, Any]] = MappingProxyType({})


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    table: pa.Table
    pages: tuple[PageSeen, ...]


async def look(
    config: Config,
    name: str,
    *,
    run_date: date,
    answers: Answers,
    clock: Clock,
    hooks: Sequence[Hook] = (),
    changes: Mapping[str, Any] = _NO_CHANGES,
) -> Look:
    """Read two pages of a pipeline at most, and decode them. Nothing is written.

    The store is an empty one in memory, so it is the first run that is looked at. Requests
    that `answers` knows are not sent again. `changes` are laid over the source's Struct.
    Raises what `Engine.batches` raises.
    """
    pages = _Pages()
    recording = RecordingSource(answers, changes)
    async with (
        open_engine(
            config,
            hooks=[pages, *hooks],
            clock=clock,
            sources={"http": recording},
            stores=dict.fromkeys(("local", "s3", "azure"), _no_store),
        ) as engine,
        engine.batches(name, run_date=run_date) as stream,
    ):
        batches = [batch async for batch in stream]
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    table = pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})
    return Look(table=table, pages=tuple(pages.seen))


@asynccontextmanager
async def _no_store(_: object, resources: StoreResources, /) -> AsyncIterator[Store]:
    yield MemoryStore(resources.clock)


@final
class _Pages:
    def __init__(self) -> None:
        self.seen: list[PageSeen] = []

    def __call__(self, event: Event, /) -> None:
        if isinstance(event, PageFetched):
            self.seen.append(PageSeen(records=event.records, bytes_in=event.bytes_in))
