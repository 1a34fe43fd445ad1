"""One process of several that share a limit: takes tokens all the time, prints when.

    python -m tests.integration.limits.process URL RPS BURST SECONDS CLOCK_OFF_SECONDS

It says "ready", waits for a line on its standard input, and ends with a JSON list of instants.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.api import CircuitBreaker, RateLimit, Retry
from bronze_engine.config.redis import parse_redis_url
from bronze_engine.limits.redis.tokens import RedisTokens
from bronze_engine.limits.registry import LimitRegistry


class WrongClock:
    """The system's, and wrong by so many seconds."""

    def __init__(self, off_seconds: float) -> None:
        self._off = off_seconds

    def now(self) -> datetime:
        return SYSTEM_CLOCK.now() + timedelta(seconds=self._off)

    def monotonic(self) -> float:
        return SYSTEM_CLOCK.monotonic() + self._off

    async def sleep(self, seconds: float, /) -> None:
        await SYSTEM_CLOCK.sleep(seconds)

    def timeout(self, seconds: float, /) -> AbstractAsyncContextManager[None]:
        return SYSTEM_CLOCK.timeout(seconds)

    def uniform(self, low: float, high: float, /) -> float:
        return SYSTEM_CLOCK.uniform(low, high)


async def main(url: str, rps: float, burst: int, seconds: float, off_seconds: float) -> None:
    clock = WrongClock(off_seconds)
    tokens = RedisTokens(parse_redis_url(url), clock=clock)
    group = LimitRegistry(clock, lambda _event: None, tokens=tokens).group(
        "shop",
        "ApiExtractor",
        rate=RateLimit(rps=rps, burst=burst),
        retry=Retry(),
        breaker=CircuitBreaker(),
        concurrency=8,
    )
    granted: list[float] = []

    async def operation() -> None:
        granted.append(SYSTEM_CLOCK.monotonic())

    async def lane(pipeline: str) -> None:
        limits = group.limits(pipeline=pipeline)
        while SYSTEM_CLOCK.monotonic() < ends_at:
            await limits.call(operation, describe="x")

    _say("ready")
    sys.stdin.readline()
    ends_at = SYSTEM_CLOCK.monotonic() + seconds
    try:
        await asyncio.gather(*(lane(f"p{number % 2}") for number in range(4)))
    finally:
        await tokens.aclose()
    _say(json.dumps(granted))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    server, rate, most, duration, off = sys.argv[1:]
    asyncio.run(main(server, float(rate), int(most), float(duration), float(off)))
