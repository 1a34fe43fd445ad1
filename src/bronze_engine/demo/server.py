"""The demo's server: a process of its own that never outlives its parent.

    python -m bronze_engine.demo.server --port 0 --records 200000 --latency-ms 20

prints one line, {"url": "http://127.0.0.1:PORT"}, when it listens, and ends on SIGTERM,
on SIGINT, or when its standard input is closed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from aiohttp import web

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.demo.api import DemoApi
from bronze_engine.demo.data import customers, orders

__all__ = ["main"]

_SEND_BUFFER_BYTES: Final = 1024**2  # a page of 1,000 records leaves in one send


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m bronze_engine.demo.server", description=__doc__
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--records", type=_natural, default=200_000)
    parser.add_argument("--page-size", type=int, default=100, help="where the client asks for none")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="wait before each answer")
    parser.add_argument("--fault-rate", type=float, default=0.0, help="share of pages, 0 to 1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gzip", action="store_true", help="compress for clients that accept it")
    asyncio.run(_serve(parser.parse_args(argv)))


def _natural(text: str) -> int:
    if (number := int(text)) < 0:
        raise ValueError(text)
    return number


async def _serve(options: argparse.Namespace) -> None:
    api = DemoApi(
        orders=orders(options.records, options.seed),
        customers=customers(max(1, options.records // 40), options.seed),
        clock=SYSTEM_CLOCK,
        page_size=options.page_size,
        latency_seconds=options.latency_ms / 1000,
        fault_rate=options.fault_rate,
        seed=options.seed,
        compress=options.gzip,
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # /dev/null and files can't be watched; whoever starts it so ends it by a signal.
    with suppress(OSError, ValueError):
        loop.add_reader(sys.stdin.fileno(), _drain, sys.stdin.fileno(), stop)

    runner = web.AppRunner(api.application(), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.SockSite(runner, _listen(options.port), backlog=1024).start()
        sys.stdout.write(json.dumps({"url": f"http://127.0.0.1:{runner.addresses[0][1]}"}) + "\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await runner.cleanup()


def _listen(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    try:
        sock.bind(("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    return sock


def _drain(descriptor: int, stop: asyncio.Event) -> None:
    if not os.read(descriptor, 4096):
        asyncio.get_running_loop().remove_reader(descriptor)
        stop.set()


if __name__ == "__main__":
    main()
