"""Whole runs over a real server: windows, cancellation, and two pipelines of one API."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.engine import Engine
from bronze_engine.store.memory import MemoryStore
from tests.integration.http_server import Seen, Server, answer, serve
from tests.unit.run.harness import (
    DAY,
    is_idle,
    left_in,
    load_text,
    manifest_of,
    opened,
    table_of,
    unowned,
)

pytestmark = pytest.mark.integration

CONFIG = """
[engine]
log_dir = ""
[apis.shop]
base_url = "{url}"
[apis.shop.rate_limit]
rps = 40
burst = 2
[pipelines.team.orders]
[pipelines.team.orders.source]
type = "http"
api = "shop"
path = "/orders"
records = "items"
[pipelines.team.orders.source.paginator]
type = "page"
parallel = 4
"""

CHAIN = (
    "load=incremental",
    "incremental.cursor=updated_at",
    "incremental.start_param=since",
    "apis.shop.rate_limit.rps=1000",
    "apis.shop.rate_limit.burst=100",
)

PAGE_ROWS = 3


class Shop:
    """Serves its rows in pages, those at or after `since`; its clock is its own."""

    def __init__(self) -> None:
        self.now = datetime(2025, 1, 15, tzinfo=UTC)
        self.rows: list[dict[str, Any]] = []
        self.arrived: list[float] = []

    def insert(self, count: int) -> None:
        stamp = self.now.isoformat(timespec="milliseconds")
        for _ in range(count):
            self.rows.append({"id": len(self.rows), "updated_at": stamp})

    async def __call__(self, seen: Seen, _writer: asyncio.StreamWriter) -> bytes:
        self.arrived.append(SYSTEM_CLOCK.monotonic())
        number = int(seen.query.get("page", 1))
        since = datetime.fromisoformat(seen.query.get("since", "2000-01-01T00:00:00+00:00"))
        rows = [row for row in self.rows if datetime.fromisoformat(row["updated_at"]) >= since]
        start = (number - 1) * PAGE_ROWS
        date = format_datetime(self.now, usegmt=True)
        return answer({"items": rows[start : start + PAGE_ROWS]}, headers={"Date": date})


@asynccontextmanager
async def shop_and_engine(
    folder: Path, *overrides: str, more: str = ""
) -> AsyncIterator[tuple[Shop, Server, Engine, MemoryStore]]:
    shop, store = Shop(), MemoryStore()
    async with serve(shop) as server:
        config = load_text(CONFIG.format(url=server.url) + more, *overrides, folder=folder)
        async with opened(config, None, store=store, clock=SYSTEM_CLOCK) as engine:
            yield shop, server, engine, store


@pytest.mark.asyncio
async def test_a_chain_over_a_real_api_holds_each_row_once(tmp_path: Path) -> None:
    async with shop_and_engine(tmp_path, *CHAIN) as (shop, server, engine, store):

        async def ids(number: int) -> list[int]:
            table = await table_of(store, DAY + timedelta(days=number))
            return [row["id"] for row in table.to_pylist()]

        for number in range(3):
            shop.insert(4)
            shop.now += timedelta(seconds=60)
            shop.insert(2)  # newer than the Date header less the lag: the next date's
            await engine.run("team.orders", run_date=DAY + timedelta(days=number))
            shop.now += timedelta(seconds=60)
        assert [await ids(0), await ids(1), await ids(2)] == [
            [0, 1, 2, 3],
            [4, 5, 6, 7, 8, 9],
            [10, 11, 12, 13, 14, 15],
        ]
        await engine.run("team.orders", run_date=DAY + timedelta(days=1))
        assert await ids(1) == [4, 5, 6, 7, 8, 9]
        await engine.run("team.orders", run_date=DAY + timedelta(days=3))
        united = [row for number in range(4) for row in await ids(number)]
        assert united == list(range(len(shop.rows)))
        manifest = await manifest_of(store, DAY + timedelta(days=1))
        assert manifest is not None
        assert manifest.watermark is not None
        assert server.seen[-1].query["since"] == shop.rows[15]["updated_at"]


@pytest.mark.asyncio
async def test_two_pipelines_of_one_api_never_exceed_its_rate_together(tmp_path: Path) -> None:
    more = """
[pipelines.team.returns.source]
type = "http"
api = "shop"
path = "/returns"
records = "items"
[pipelines.team.returns.source.paginator]
type = "page"
parallel = 4
"""
    async with shop_and_engine(tmp_path, more=more) as (shop, _, engine, _store):
        shop.insert(80)
        await asyncio.gather(
            engine.run("team.orders", run_date=DAY), engine.run("team.returns", run_date=DAY)
        )
        arrived = shop.arrived
    assert len(arrived) >= 54
    for place, first in enumerate(arrived):
        for count, last in enumerate(arrived[place:], start=1):
            # A quarter of a second for what held up the earlier one on its way.
            assert count <= 2 + 40 * (last - first + 0.25)


@pytest.mark.asyncio
@pytest.mark.parametrize("what", ["run", "batches"])
@pytest.mark.parametrize("style", ["native", "scope"])
async def test_cancelled_at_any_time_it_leaves_no_task_thread_socket_or_file(
    tmp_path: Path, what: str, style: str
) -> None:
    shop = Shop()
    shop.insert(200)
    tasks, threads = asyncio.all_tasks(), threading.active_count()
    ended = False
    turns = 0
    async with serve(shop) as server:
        config = load_text(
            CONFIG.format(url=server.url), "apis.shop.rate_limit.rps=100000", folder=tmp_path
        )
        while not ended:
            store = MemoryStore()
            async with opened(config, None, store=store, clock=SYSTEM_CLOCK) as engine:
                scope = anyio.CancelScope()

                async def work() -> bool:
                    with scope:  # noqa: B023  # this turn's
                        if what == "run":
                            await engine.run("team.orders", run_date=DAY)
                        else:
                            async with engine.batches("team.orders", run_date=DAY) as stream:
                                async for _ in stream:
                                    pass
                        return True
                    return False

                task = asyncio.create_task(work())
                for _ in range(turns):
                    await SYSTEM_CLOCK.sleep(0)
                if style == "scope":
                    scope.cancel()
                else:
                    task.cancel()
                with suppress(asyncio.CancelledError):
                    ended = await task
                assert is_idle(engine)
                assert asyncio.all_tasks() - tasks - server.talks == set()
            assert unowned(await left_in(store), await manifest_of(store)) == []
            await closed(server)
            turns += 1 + turns // 3
    assert turns > 100
    assert asyncio.all_tasks() == tasks
    assert threading.active_count() == threads


async def closed(server: Server) -> None:
    """Until the server has seen every connection go; it would be told by a leaked one's end."""
    async with SYSTEM_CLOCK.timeout(2):
        while not all(talk.done() for talk in server.talks):
            await SYSTEM_CLOCK.sleep(0.001)
