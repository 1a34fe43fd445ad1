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
from types import TracebackType
from typing import Final, final

import anyio
from aiohttp import web
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.demo.api import DemoApi
from bronze_engine.demo.data import customers, orders

__all__ = ["DemoServer", "main"]

_START_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 3.0
_SEND_BUFFER_BYTES: Final = 1024**2  # a page of 1,000 records leaves in one send


@final
class DemoServer:
    """`async with DemoServer(...) as url`: the demo API in a child process on loopback.

    Entering returns when it listens and raises RuntimeError when it never does; leaving
    ends the process, also when the body was cancelled.
    """

    def __init__(
        self,
        *,
        records: int = 200_000,
        page_size: int = 100,
        latency_ms: float = 0.0,
        fault_rate: float = 0.0,
        seed: int = 1,
        compress: bool = False,
    ) -> None:
        self._arguments = [
            f"--records={records}",
            f"--page-size={page_size}",
            f"--latency-ms={latency_ms}",
            f"--fault-rate={fault_rate}",
            f"--seed={seed}",
            *(["--gzip"] if compress else []),
        ]
        self._process: Process | None = None

    async def __aenter__(self) -> str:
        self._process = await anyio.open_process(
            [sys.executable, "-m", "bronze_engine.demo.server", *self._arguments],
            stderr=None,
            start_new_session=True,  # Ctrl-C is for the parent, which still needs an answer
        )
        try:
            return await self._url(self._process)
        except BaseException:
            await self._stop()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    async def _url(self, process: Process) -> str:
        assert process.stdout is not None  # noqa: S101  # open_process made the pipe
        lines = BufferedByteReceiveStream(process.stdout)
        try:
            async with SYSTEM_CLOCK.timeout(_START_SECONDS):
                line = await lines.receive_until(b"\n", 4096)
        except (anyio.IncompleteRead, TimeoutError) as exc:
            raise RuntimeError("the demo server did not start: see its standard error") from exc
        url: str = json.loads(line)["url"]
        return url

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with anyio.CancelScope(shield=True):
            if process.stdin is not None:
                await process.stdin.aclose()
            with anyio.move_on_after(_STOP_SECONDS):  # noqa: TID251  # cleanup
                await process.wait()
            await process.aclose()  # kills what is still running, and reaps it


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
