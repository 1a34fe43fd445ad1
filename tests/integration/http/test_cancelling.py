"""Cancelled, the HTTP source closes its connections and leaves no task."""

from __future__ import annotations

import asyncio
import gc

import anyio
import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.http.paginator import PagePaginator
from tests.integration.http_faults import silence
from tests.integration.http_server import Seen, answer, opened, serve

pytestmark = pytest.mark.integration


def clients_tasks() -> set[asyncio.Task[object]]:
    """All tasks but those in which the test's server accepts and answers, on this same loop."""
    servers = ("_accept_connection", "Server.talk")
    return {task for task in asyncio.all_tasks() if not any(map(repr(task).count, servers))}


@pytest.mark.asyncio
async def test_cancelling_closes_connections_and_leaves_no_task() -> None:
    async with (
        serve(silence) as server,
        opened(server, paginator=PagePaginator(parallel=5), clock=SYSTEM_CLOCK) as one,
    ):
        before = clients_tasks()
        async with anyio.create_task_group() as group:
            group.start_soon(one.read)
            while not server.seen:
                await SYSTEM_CLOCK.sleep(0.001)
            group.cancel_scope.cancel()
        assert clients_tasks() <= before
        assert one.budget.pooled_bytes == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("paginator", [PagePaginator(parallel=5), PagePaginator()])
async def test_cancelling_while_handing_on_leaves_no_task(paginator: PagePaginator) -> None:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        return answer([{"id": int(seen.query["page"])}])

    async with (
        serve(handle) as server,
        opened(server, paginator=paginator, clock=SYSTEM_CLOCK) as one,
    ):
        handing_on = anyio.Event()

        async def emit(_: object) -> None:
            handing_on.set()
            await anyio.sleep_forever()

        pieces = [piece async for piece in one.source.slices()]
        before = clients_tasks()
        async with anyio.create_task_group() as group:
            group.start_soon(one.source.read, pieces[0], emit)
            await handing_on.wait()
            group.cancel_scope.cancel()
        gc.collect()
        for _ in range(5):
            # A generator that nobody closed would now be closed by a task of the loop's own.
            assert clients_tasks() <= before
            await SYSTEM_CLOCK.sleep(0)
        assert one.budget.pooled_bytes == 0
