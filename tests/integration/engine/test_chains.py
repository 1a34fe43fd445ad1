"""Whole runs of sources with many chains: windows in steps, children of parents, memory."""

from __future__ import annotations

import asyncio
import re
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.store.memory import MemoryStore
from tests.integration.engine.test_http_runs import closed
from tests.integration.http_server import Seen, answer, serve
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
concurrency = 8
[pipelines.team.orders]
load = "incremental"
[pipelines.team.orders.source]
type = "http"
api = "shop"
path = "/orders"
records = "items"
capture = "pages"
[pipelines.team.orders.source.paginator]
type = "cursor"
cursor_path = "next"
[pipelines.team.orders.incremental]
cursor = "updated_at"
initial = "{initial}"
step = "1h"
start_param = "since"
end_param = "until"
[pipelines.team.shops.source]
type = "http"
api = "shop"
path = "/shops"
records = "items"
[pipelines.team.lines.source]
type = "http"
api = "shop"
path = "/shops/{{parent.id}}/lines"
records = "items"
parent = "shops"
carry = {{ shop_id = "id" }}
[pipelines.team.lines.source.paginator]
type = "cursor"
cursor_path = "next"
"""


class Shop:
    """Orders at or after `since` and before `until`, two a page; its clock is its own."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=20)
        self.rows: list[dict[str, Any]] = []
        self.inside = self.most = 0

    def insert(self, count: int) -> None:
        for _ in range(count):
            self.rows.append({"id": len(self.rows), "updated_at": f"{self.now:%Y-%m-%dT%H:%M:%SZ}"})

    async def __call__(self, seen: Seen, _: asyncio.StreamWriter) -> bytes:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await SYSTEM_CLOCK.sleep(0.002)
        self.inside -= 1
        if seen.path == "/shops":
            return answer({"items": [{"id": number} for number in range(1, 9)]})
        child = re.fullmatch(r"/shops/(\d+)/lines", seen.path)
        if child is not None:
            rows = [{"line": f"{child[1]}-{number}"} for number in range(5)]
        else:
            since, until = seen.query["since"], seen.query["until"]
            rows = [row for row in self.rows if since <= row["updated_at"] < until]
        start = int(seen.query.get("cursor", 0))
        more = str(start + 2) if start + 2 < len(rows) else None
        date = format_datetime(self.now, usegmt=True)
        return answer({"items": rows[start : start + 2], "next": more}, headers={"Date": date})


def text_for(shop: Shop, url: str) -> str:
    return CONFIG.format(url=url, initial=f"{shop.now:%Y-%m-%dT%H:%M:%SZ}")


@pytest.mark.asyncio
async def test_a_window_in_steps_holds_each_row_once_over_the_dates(tmp_path: Path) -> None:
    shop, store = Shop(), MemoryStore()

    async def ids(number: int) -> list[int]:
        table = await table_of(store, DAY + timedelta(days=number))
        return [row["id"] for row in table.to_pylist()]

    async with serve(shop) as server:
        config = load_text(text_for(shop, server.url), folder=tmp_path)
        async with opened(config, None, store=store, clock=SYSTEM_CLOCK) as engine:
            for number in range(3):
                for _ in range(6):
                    shop.now += timedelta(minutes=50)
                    shop.insert(3)
                # The newest three are as new as the Date header: the next date's.
                await engine.run("team.orders", run_date=DAY + timedelta(days=number))
            assert [await ids(number) for number in range(3)] == [
                list(range(15)),
                list(range(15, 33)),
                list(range(33, 51)),
            ]
            assert 2 < shop.most <= 8
            manifest = await manifest_of(store, DAY + timedelta(days=2))
            assert manifest is not None
            # Those at the low itself, which this API gives again: in the first step alone.
            assert manifest.late_rows == 3
            # A re-run ends where the next date begins, whether the API takes that in or not.
            await engine.run("team.orders", run_date=DAY + timedelta(days=1))
            assert await ids(1) == list(range(15, 33))
            before = len(server.seen)
            await engine.replay("team.orders", run_date=DAY + timedelta(days=1))
            assert await ids(1) == list(range(15, 33))
            assert len(server.seen) == before
            plan = await engine.plan("team.orders", run_date=DAY + timedelta(days=2))
            assert re.fullmatch(r"\d+ steps, 8 side by side, 8 a slice", plan.slices[0])


@pytest.mark.asyncio
async def test_children_land_in_the_order_of_their_parents_as_batches_too(tmp_path: Path) -> None:
    shop, store = Shop(), MemoryStore()
    wanted = [
        {"line": f"{shop_id}-{number}", "shop_id": shop_id}
        for shop_id in range(1, 9)
        for number in range(5)
    ]
    async with serve(shop) as server:
        config = load_text(text_for(shop, server.url), folder=tmp_path)
        async with opened(config, None, store=store, clock=SYSTEM_CLOCK) as engine:
            await engine.run("team.lines", run_date=DAY)
            table = await table_of(store, DAY, "team.lines")
            assert table.select(["line", "shop_id"]).to_pylist() == wanted
            found: list[dict[str, Any]] = []
            async with engine.batches("team.lines", run_date=DAY) as stream:
                async for batch in stream:
                    found += batch.to_pylist()
            assert found == wanted
            report = await engine.check("team.lines", run_date=DAY)
            assert all(finding.ok for finding in report)
            assert report[-1].detail.endswith(
                "/shops/1/lines answers 200 with 2 records, next = '2'"
            )


@pytest.mark.asyncio
async def test_two_runs_of_many_large_chains_pass_through_a_pool_of_next_to_nothing(
    tmp_path: Path,
) -> None:
    page = answer({"items": [{"text": "x" * 1000} for _ in range(1000)], "next": "more"})
    last = answer({"items": [{"text": "y" * 1000} for _ in range(1000)], "next": None})

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if seen.path == "/shops":
            return answer({"items": [{"id": number} for number in range(1, 17)]})
        return last if "cursor" in seen.query else page

    more = CONFIG[CONFIG.index("[pipelines.team.lines.source]") :]
    more = more.replace("team.lines", "team.others")
    async with serve(handle) as server:
        text = CONFIG.format(url=server.url, initial="2025-01-01T00:00:00Z") + more.format()
        config = load_text(
            text.replace('log_dir = ""', 'log_dir = ""\nmemory_limit = "134MiB"'),
            "output.row_group_bytes=1MiB",
            folder=tmp_path,
        )
        async with opened(config, None, store=MemoryStore(), clock=SYSTEM_CLOCK) as engine:
            async with SYSTEM_CLOCK.timeout(60):
                reports = await asyncio.gather(
                    engine.run("team.lines", run_date=DAY), engine.run("team.others", run_date=DAY)
                )
            assert [report.rows for report in reports] == [32_000, 32_000]
            assert is_idle(engine)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["team.lines", "team.orders"])
async def test_cancelled_at_any_time_chains_leave_nothing(tmp_path: Path, name: str) -> None:
    shop = Shop()
    for _ in range(5):
        shop.now += timedelta(hours=1)
        shop.insert(5)
    shop.now += timedelta(hours=1)
    tasks, threads = asyncio.all_tasks(), threading.active_count()
    ended = False
    turns = 0
    async with serve(shop) as server:
        text = text_for(shop, server.url)
        text = re.sub(r"initial = .*", f'initial = "{shop.now - timedelta(hours=9):%FT%TZ}"', text)
        # What a run would be resumed from is another matter: it is left to be found.
        config = load_text(text, "engine.resume_max_age=0s", folder=tmp_path)
        while not ended:
            store = MemoryStore()
            async with opened(config, None, store=store, clock=SYSTEM_CLOCK) as engine:
                task = asyncio.create_task(engine.run(name, run_date=DAY))
                for _ in range(turns):
                    await SYSTEM_CLOCK.sleep(0)
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
                    ended = True
                assert is_idle(engine)
                assert asyncio.all_tasks() - tasks - server.talks == set()
            manifest = await manifest_of(store, DAY, name)
            assert unowned(await left_in(store), manifest) == []
            await closed(server)
            turns += 1 + turns // 3
    assert turns > 100
    assert asyncio.all_tasks() == tasks
    assert threading.active_count() == threads
