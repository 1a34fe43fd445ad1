"""Engines that share a limit through Redis while they land pages of a real server."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from tests.integration.http_server import Seen, answer, serve
from tests.integration.redis import RedisServer, redis_server
from tests.unit.run.harness import DAY, load_text, opened

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

__all__ = ["redis_server"]

HEAD = """
[engine]
log_dir = ""
max_pipelines = 20
memory_limit = "4GiB"
[apis.shop]
base_url = "{url}"
proxy = "none"
rate_limit = {{ rps = {rps}, burst = {burst} }}
"""
PIPELINE = """
[pipelines.team.{name}.source]
type = "http"
api = "shop"
path = "/{name}"
records = "items"
paginator = {{ type = "page", total_path = "total", parallel = {parallel} }}
"""


class Shop:
    """Pages of one row, any number of them, and when each was asked for."""

    def __init__(self, pages: int) -> None:
        self.pages = pages
        self.seen: list[tuple[float, str]] = []

    async def __call__(self, seen: Seen, _writer: asyncio.StreamWriter) -> bytes:
        self.seen.append((SYSTEM_CLOCK.monotonic(), seen.path))
        number = int(seen.query["page"])
        items = [{"id": number}] if number <= self.pages else []
        return answer({"items": items, "total": self.pages})

    def most_within(self, seconds: float) -> int:
        instants = [at for at, _ in self.seen]
        return max(sum(begin <= at <= begin + seconds for at in instants) for begin in instants)


def config_text(url: str, names: dict[str, int], *, rps: float, burst: int) -> str:
    return HEAD.format(url=url, rps=rps, burst=burst) + "".join(
        PIPELINE.format(name=name, parallel=parallel) for name, parallel in names.items()
    )


def warnings_of_limits(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING and record.name.startswith("bronze_engine.limits")
    ]


async def test_twenty_pipelines_share_fifty_requests_a_second_fairly(tmp_path: Path) -> None:
    """The greedy one may have 64 requests in flight; the rest have one to four."""
    names = {"greedy": 64} | {f"p{number}": 1 + number % 4 for number in range(19)}
    shop = Shop(pages=10_000)
    async with serve(shop) as server, AsyncExitStack() as stack:
        text = config_text(server.url, names, rps=50, burst=20)
        config = load_text(text, folder=tmp_path)
        engine = await stack.enter_async_context(opened(config, None, clock=SYSTEM_CLOCK))
        runs = [asyncio.create_task(engine.run(f"team.{name}", run_date=DAY)) for name in names]
        await SYSTEM_CLOCK.sleep(10)
        for run in runs:
            run.cancel()
        ends = await asyncio.gather(*runs, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends
    began = shop.seen[0][0] + 2  # the burst goes to whoever comes first
    shares = Counter(path for at, path in shop.seen if began <= at)
    fair = sum(shares.values()) / 20
    assert len(shares) == 20
    assert min(shares.values()) >= 0.8 * fair - 1, shares
    assert max(shares.values()) <= 1.2 * fair + 1, shares
    assert fair * 20 >= 0.9 * 50 * 8
    assert shop.most_within(5) <= 50 * 5 + 20 + 3  # as far as requests travel


async def test_two_engines_land_within_one_limit(
    tmp_path: Path, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    shop = Shop(pages=40)
    async with serve(shop) as server, AsyncExitStack() as stack:
        text = config_text(server.url, {"orders": 8, "items": 8}, rps=40, burst=1)
        config = load_text(text, f"engine.limits={redis_server.url}", folder=tmp_path)
        engines = [
            await stack.enter_async_context(opened(config, None, clock=SYSTEM_CLOCK))
            for _ in range(2)
        ]
        reports = await asyncio.gather(
            *(
                engine.run(name, run_date=DAY)
                for engine, name in zip(engines, config.names, strict=True)
            )
        )
        (group,) = engines[0].statistics().limit_groups
        assert group.tokens is not None
        assert group.tokens <= 1
    assert [report.rows for report in reports] == [40, 40]
    assert len(shop.seen) >= 80
    assert shop.most_within(1) <= 40 + 1 + 3
    assert warnings_of_limits(caplog) == []


async def test_without_redis_a_run_lands_within_its_share(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shop = Shop(pages=20)
    async with serve(shop) as server:
        text = config_text(server.url, {"orders": 8}, rps=40, burst=40)
        nobody = "engine.limits=redis://127.0.0.1:1/0?processes=4"
        config = load_text(text, nobody, folder=tmp_path)
        began = SYSTEM_CLOCK.monotonic()
        async with opened(config, None, clock=SYSTEM_CLOCK) as engine:
            report = await engine.run("team.orders", run_date=DAY)
        assert SYSTEM_CLOCK.monotonic() - began >= 20 / 10
    assert report.rows == 20
    (told,) = warnings_of_limits(caplog)
    assert "redis://127.0.0.1:1/0 can't be used" in told
