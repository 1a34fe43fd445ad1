"""The demo's servers as child processes of whoever wants one."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Final, final

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from bronze_engine.clock import SYSTEM_CLOCK

__all__ = ["DemoServer", "ServerProcess"]

_START_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 3.0


@final
class ServerProcess:
    """`async with ServerProcess(name, command) as url`: a server on loopback.

    It prints one line, {"url": …}, when it listens, and ends when its standard input is
    closed: so it never outlives its parent, not even one that was killed. Entering raises
    RuntimeError when it never listens; leaving ends the process, also when the body was
    cancelled.
    """

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self._name = name
        self._command = command
        self._process: Process | None = None

    async def __aenter__(self) -> str:
        self._process = await anyio.open_process(
            self._command,
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
            raise RuntimeError(f"{self._name} did not start: see its standard error") from exc
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


@final
class DemoServer:
    """`async with DemoServer(...) as url`: the demo API, a ServerProcess."""

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
        arguments = [
            f"--records={records}",
            f"--page-size={page_size}",
            f"--latency-ms={latency_ms}",
            f"--fault-rate={fault_rate}",
            f"--seed={seed}",
            *(["--gzip"] if compress else []),
        ]
        self._server = ServerProcess(
            "the demo server", [sys.executable, "-m", "bronze_engine.demo.server", *arguments]
        )

    async def __aenter__(self) -> str:
        return await self._server.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._server.__aexit__(kind, error, trace)
