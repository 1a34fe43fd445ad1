"""The lag of an event loop: how late a 5 ms tick comes.

Run as a module it measures an idle loop until its standard input is closed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from bronze_engine.clock import SYSTEM_CLOCK

__all__ = ["Ticker"]

TICK_SECONDS = 0.005


class Ticker:
    """Ticks until cancelled; `statistics` may be read at any time."""

    def __init__(self) -> None:
        self._late: list[float] = []

    async def tick(self) -> None:
        while True:
            due = SYSTEM_CLOCK.monotonic() + TICK_SECONDS
            await SYSTEM_CLOCK.sleep(TICK_SECONDS)
            self._late.append(SYSTEM_CLOCK.monotonic() - due)

    def statistics(self) -> dict[str, float]:
        """Milliseconds late: the median, the 99th of a hundred, and the worst."""
        late = sorted(self._late) or [0.0]
        return {
            "p50": 1000 * late[len(late) // 2],
            "p99": 1000 * late[min(len(late) - 1, len(late) * 99 // 100)],
            "max": 1000 * late[-1],
        }


async def _idle() -> None:
    ticker = Ticker()
    done = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), done.set)
    task = asyncio.create_task(ticker.tick())
    await done.wait()
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    task.cancel()
    os.write(sys.stdout.fileno(), json.dumps(ticker.statistics()).encode() + b"\n")


if __name__ == "__main__":
    asyncio.run(_idle())
