"""Rate limits of whole runs over a real server: quotas that it tells, days, and groups."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.engine import Engine
from bronze_engine.errors import RetryError
from bronze_engine.store.memory import MemoryStore
from tests.integration.http_server import Seen, Server, answer, serve
from tests.unit.run.harness import DAY, left_in, load_text, opened

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

CONFIG = """
[engine]
log_dir = ""
[apis.shop]
base_url = "{url}"
proxy = "none"
[pipelines.team.orders.source]
type = "http"
api = "shop"
path = "/orders"
records = "items"
[pipelines.team.orders.source.paginator]
type = "page"
total_path = "total"
"""


class QuotaApi:
    """Pages of 2 rows; so many requests in each window of seconds, which its headers tell."""

    def __init__(self, *, pages: int, limit: int, window: float) -> None:
        self.pages = pages
        self.limit = limit
        self.window = window
        self.statuses: list[int] = []
        self.began = SYSTEM_CLOCK.monotonic()
        self._used: dict[int, int] = {}
        self.refuses_with = 429
        self.headers: dict[str, str] = {}
        """Told in place of the true ones, where set."""

    async def __call__(self, seen: Seen, _writer: asyncio.StreamWriter) -> bytes:
        elapsed = SYSTEM_CLOCK.monotonic() - self.began
        window = int(elapsed // self.window)
        used = self._used.get(window, 0)
        is_refused = used >= self.limit
        left = 0 if is_refused else self.limit - used - 1
        reset = (window + 1) * self.window - elapsed
        headers = self.headers or {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(left),
            "X-RateLimit-Reset": f"{reset:.3f}",
        }
        status = self.refuses_with if is_refused else 200
        self.statuses.append(status)
        if is_refused:
            return answer({"message": "quota"}, status=status, headers=headers)
        self._used[window] = used + 1
        number = int(seen.query["page"])
        items = [{"id": 2 * number + at} for at in range(2)] if number <= self.pages else []
        return answer({"items": items, "total": 2 * self.pages}, headers=headers)


@asynccontextmanager
async def engine_on(
    api: QuotaApi, folder: Path, *overrides: str, more: str = "", store: MemoryStore | None = None
) -> AsyncIterator[tuple[Engine, Server]]:
    async with serve(api) as server:
        config = load_text(CONFIG.format(url=server.url) + more, *overrides, folder=folder)
        store = store or MemoryStore()
        async with opened(config, None, store=store, clock=SYSTEM_CLOCK) as engine:
            yield engine, server


async def test_a_quota_that_the_server_tells_is_never_overrun(tmp_path: Path) -> None:
    api = QuotaApi(pages=50, limit=20, window=1.0)
    async with engine_on(api, tmp_path) as (engine, _):
        report = await engine.run("team.orders", run_date=DAY)
    assert report.rows == 100
    assert report.retries == 0
    assert set(api.statuses) == {200}
    assert 2.0 <= SYSTEM_CLOCK.monotonic() - api.began < 10


async def test_unread_headers_are_not_followed(tmp_path: Path) -> None:
    api = QuotaApi(pages=30, limit=20, window=1.0)
    off = "apis.shop.rate_limit.headers.read=false"
    async with engine_on(api, tmp_path, off) as (engine, _):
        report = await engine.run("team.orders", run_date=DAY)
    assert report.rows == 60
    assert 429 in api.statuses


async def test_names_of_the_configuration_are_followed(tmp_path: Path) -> None:
    api = QuotaApi(pages=10, limit=100, window=100.0)
    api.headers = {"Left": "0", "Until": "3600"}
    names = (
        "apis.shop.rate_limit.headers.remaining=Left",
        "apis.shop.rate_limit.headers.reset=Until",
        "apis.shop.retry.max_wait=1s",
    )
    async with engine_on(api, tmp_path, *names) as (engine, _):
        with pytest.raises(RetryError, match="shop says that none of its requests is left"):
            await engine.run("team.orders", run_date=DAY)
    assert len(api.statuses) == 1


async def test_nonsense_is_ignored_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    api = QuotaApi(pages=10, limit=100, window=100.0)
    api.headers = {"X-RateLimit-Remaining": "-7", "X-RateLimit-Reset": "soon"}
    with caplog.at_level(logging.WARNING):
        async with engine_on(api, tmp_path) as (engine, _):
            report = await engine.run("team.orders", run_date=DAY)
    assert report.rows == 20
    told = "the header x-ratelimit-remaining of shop makes no sense and is ignored: it says '-7'"
    assert [each for each in report.warnings if "header" in each] == [told]
    assert caplog.text.count(told) == 1


async def test_a_403_with_nothing_left_waits_for_the_reset(tmp_path: Path) -> None:
    api = QuotaApi(pages=6, limit=4, window=1.0)
    api.refuses_with = 403
    off = "apis.shop.concurrency=4"
    async with engine_on(api, tmp_path, off) as (engine, _):
        api._used[0] = 3  # others have used it up but for one
        report = await engine.run("team.orders", run_date=DAY)
    assert report.rows == 12


MORE = """
[apis.crm]
base_url = "{url}"
proxy = "none"
group = "shop"
[pipelines.team.people.source]
type = "http"
api = "crm"
path = "/people"
records = "items"
[pipelines.team.people.source.paginator]
type = "page"
total_path = "total"
"""


async def test_two_apis_of_one_group_share_its_rate(tmp_path: Path) -> None:
    api = QuotaApi(pages=15, limit=10_000, window=1000.0)
    arrived: list[float] = []

    async def note(seen: Seen, writer: asyncio.StreamWriter) -> bytes:
        arrived.append(SYSTEM_CLOCK.monotonic())
        return await api(seen, writer)

    rates = [
        f"apis.{name}.rate_limit.{key}" for name in ("shop", "crm") for key in ("rps=20", "burst=2")
    ]
    async with serve(note) as server:
        text = (CONFIG + MORE).format(url=server.url)
        config = load_text(text, *rates, folder=tmp_path)
        async with opened(config, None, store=MemoryStore(), clock=SYSTEM_CLOCK) as engine:
            await asyncio.gather(
                engine.run("team.orders", run_date=DAY), engine.run("team.people", run_date=DAY)
            )
            (group,) = (
                each
                for each in engine.statistics().limit_groups
                if each.component == "ApiExtractor"
            )
    assert group.group == "shop"
    assert len(arrived) >= 30
    assert arrived[-1] - arrived[0] >= (len(arrived) - 2) / 20 - 0.25


async def test_a_day_s_quota_holds_over_engines_and_gives_back_what_was_not_used(
    tmp_path: Path,
) -> None:
    api = QuotaApi(pages=10, limit=10_000, window=1000.0)
    api.headers = {"X": "y"}
    store = MemoryStore()
    quota = "apis.shop.rate_limit.requests_per_day=25"
    async with serve(api) as server:
        config = load_text(CONFIG.format(url=server.url), quota, folder=tmp_path)
        for _ in range(2):  # as of two processes
            async with opened(config, None, store=store, clock=SYSTEM_CLOCK) as engine:
                report = await engine.run("team.orders", run_date=DAY)
                assert report.rows == 20
        sent = len(api.statuses)
        assert 20 <= sent <= 22
        async with opened(config, None, store=store, clock=SYSTEM_CLOCK) as engine:
            with pytest.raises(RetryError, match="the 25 requests a day of api/shop") as caught:
                await engine.run("team.orders", run_date=DAY)
    assert caught.value.code == "RETRY001"
    assert len(api.statuses) == 25
    assert "_state/_quotas/api/shop.json" in await left_in(store)


async def test_the_report_tells_how_auto_found_its_number(tmp_path: Path) -> None:
    api = QuotaApi(pages=40, limit=10_000, window=1000.0)
    api.headers = {"X": "y"}
    async with engine_on(api, tmp_path) as (engine, _):
        report = await engine.run("team.orders", run_date=DAY)
    found = report.concurrency
    assert found is not None
    assert found.is_found
    assert found.changes[0].reason == "start"
    assert found.changes[-1].limit == found.limit
    async with engine_on(api, tmp_path / "b", "apis.shop.concurrency=3") as (engine, _):
        pinned = (await engine.run("team.orders", run_date=DAY)).concurrency
    assert pinned is not None
    assert (pinned.limit, pinned.is_found, pinned.changes) == (3, False, ())
