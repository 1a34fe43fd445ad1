"""What the imitated APIs share: how they are started, and how they count requests.

    python -m examples.github.server --port 8801

prints its URL when it listens, and ends on SIGTERM, on SIGINT, or when its input is closed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from aiohttp import web

__all__ = ["Bucket", "number", "serve"]


class Bucket:
    """`capacity` tokens, refilled at `rate` a second: the leaky bucket of most APIs."""

    def __init__(self, capacity: float, rate: float) -> None:
        self.capacity = capacity
        self.rate = rate
        self._left = capacity
        self._at = time.monotonic()

    @property
    def left(self) -> float:
        now = time.monotonic()
        self._left = min(self.capacity, self._left + (now - self._at) * self.rate)
        self._at = now
        return self._left

    def take(self, tokens: float = 1.0) -> float:
        """Take them and return 0, or take none and return the seconds until they are there."""
        missing = tokens - self.left
        if missing <= 0:
            self._left -= tokens
            return 0.0
        return missing / self.rate


def number(request: web.Request, name: str, default: int, most: int) -> int:
    """A query parameter; HTTP 400 for what is no number from 1 to `most`."""
    text = request.query.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
        raise web.HTTPBadRequest(text=f"{name} lies between 1 and {most}")
    return int(text)


def serve(
    make: Callable[[float], web.Application], port: int, argv: Sequence[str] | None = None
) -> None:
    """Serve `make(pace)` on loopback until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=port, help="0 takes a free one")
    parser.add_argument("--pace", type=float, default=1.0, help="limits so many times as generous")
    options = parser.parse_args(argv)
    asyncio.run(_serve(make(options.pace), options.port))


async def _serve(app: web.Application, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    # /dev/null and files can't be watched; whoever starts it so ends it by a signal.
    with suppress(OSError, ValueError):
        loop.add_reader(sys.stdin.fileno(), _drain, sys.stdin.fileno(), stop)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        sys.stdout.write(f"http://127.0.0.1:{runner.addresses[0][1]}\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await runner.cleanup()


def _drain(descriptor: int, stop: asyncio.Event) -> None:
    if not os.read(descriptor, 4096):
        asyncio.get_running_loop().remove_reader(descriptor)
        stop.set()
