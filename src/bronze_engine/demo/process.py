"""The demo's server as a child process of whoever wants one."""

from __future__ import annotations

import json
import sys
from types import TracebackType
from typing import Final, final

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from bronze_engine.clock import SYSTEM_CLOCK

__all__ = ["DemoServer"]

_START_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 3.0


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
