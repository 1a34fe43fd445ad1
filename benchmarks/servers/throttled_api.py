"""An API with a limit that it does not tell, on loopback: beyond it the answer is 429.

    python -m benchmarks.servers.throttled_api

prints its URL and serves until its input is closed. GET /-/begin?at_once=60&then=20&seconds=30
begins a measurement: 60 requests at once from the first request on, 20 after half of the
time, and nothing is counted after 30 s. per_second=100 is a token bucket instead. GET /-/told
says how many requests were answered and how many refused.
"""

from __future__ import annotations

import json
import random
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlencode

import anyio
from aiohttp import web

from benchmarks.servers.process import serve
from bronze_engine.clock import SYSTEM_CLOCK

__all__ = ["ThrottledApi"]

_TOTAL: Final = 10**9
_JITTER: Final = 0.2


class ThrottledApi:
    """The server as a child process."""

    def __init__(self, url: str) -> None:
        self.url = url

    @classmethod
    @contextmanager
    def start(cls) -> Iterator[ThrottledApi]:
        with serve("benchmarks.servers.throttled_api") as url:
            yield cls(url)

    def begin(self, **settings: float) -> None:
        self._get(f"/-/begin?{urlencode(settings)}")

    def told(self) -> dict[str, int]:
        """{"good": answers with records, "refused": 429s, "most": most at once}."""
        return self._get("/-/told")

    def _get(self, path: str) -> dict[str, int]:
        with urllib.request.urlopen(self.url + path) as answer:  # noqa: S310  # loopback
            found: dict[str, int] = json.load(answer)
        return found


class _Measurement:
    """One hidden limit, and what became of the requests."""

    def __init__(self, settings: dict[str, float]) -> None:
        self._seconds = settings.get("seconds", 10.0)
        self._latency = settings.get("latency_ms", 100.0) / 1000
        self._at_once = settings.get("at_once", 10**9)
        self._then = settings.get("then", self._at_once)
        self._per_second = settings.get("per_second")
        self._tokens = self._per_second or 0.0
        self._began = 0.0
        self._filled = 0.0
        self._busy = 0
        self._chance = random.Random(1)  # noqa: S311  # a server's jitter
        self.good = self.refused = self.most = 0

    async def answer(self, request: web.Request) -> web.Response:
        now = time.monotonic()
        if not self._began:
            self._began = self._filled = now
        counts = now - self._began <= self._seconds
        if not self._admits(now):
            self.refused += counts
            return web.Response(status=429, text="{}", content_type="application/json")
        self._busy += 1
        self.most = max(self.most, self._busy)
        try:
            await SYSTEM_CLOCK.sleep(self._latency * self._chance.uniform(1 - _JITTER, 1 + _JITTER))
        finally:
            self._busy -= 1
        self.good += time.monotonic() - self._began <= self._seconds
        page = {"data": [{"page": request.query.get("page", "1")}] * 10, "total": _TOTAL}
        return web.json_response(page)

    def _admits(self, now: float) -> bool:
        if self._per_second is not None:
            earned = (now - self._filled) * self._per_second
            self._tokens = min(self._per_second, self._tokens + earned)
            self._filled = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True
        is_first_half = now - self._began <= self._seconds / 2
        return self._busy < (self._at_once if is_first_half else self._then)


async def _serve() -> None:
    current = _Measurement({})

    async def orders(request: web.Request) -> web.Response:
        return await current.answer(request)

    async def begin(request: web.Request) -> web.Response:
        nonlocal current
        current = _Measurement({name: float(value) for name, value in request.query.items()})
        return web.json_response({})

    async def told(_request: web.Request) -> web.Response:
        return web.json_response(
            {"good": current.good, "refused": current.refused, "most": current.most}
        )

    app = web.Application()
    app.router.add_get("/orders", orders)
    app.router.add_get("/-/begin", begin)
    app.router.add_get("/-/told", told)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}", flush=True)
    await anyio.to_thread.run_sync(sys.stdin.read)  # noqa: TID251  # a program of its own
    await runner.cleanup()


if __name__ == "__main__":
    anyio.run(_serve)
