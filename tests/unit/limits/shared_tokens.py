"""Processes that share tokens, and the server that counts them, on one manual clock."""

from __future__ import annotations

from bronze_engine.limits.redis.link import Link
from bronze_engine.limits.shared import SharedBucket
from bronze_engine.limits.tokens import Lease, SharedRate
from bronze_engine.testing import ManualClock

__all__ = ["Process", "Server"]


class Server:
    """Counts as the scripts do; what it has counted is lost when it goes down."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.is_up = True
        self.latency = 0.0
        self.leases = 0
        self.pauses: dict[str, float] = {}
        self._full: dict[str, float] = {}
        self._processes: dict[str, set[Process]] = {}

    def go_down(self) -> None:
        self.is_up = False
        self._full.clear()
        self._processes.clear()

    def lease(self, process: Process, rate: SharedRate, count: int, *, is_new_empty: bool) -> Lease:
        self.leases += 1
        now, interval = self.clock.monotonic(), 1 / rate.rate
        full = self._full.get(rate.group, now + rate.capacity * interval * is_new_empty)
        due = []
        for _ in range(count):
            full = max(full, now)
            due.append(max(0.0, full - (rate.capacity - 1) * interval - now))
            full += interval
        self._full[rate.group] = full
        processes = self._processes.setdefault(rate.group, set())
        processes.add(process)
        return Lease(
            due_seconds=tuple(due),
            tokens=rate.capacity - (full - now) / interval,
            processes=len(processes),
            pause_seconds=max(0.0, self.pauses.get(rate.group, 0.0) - now),
        )


class Process:
    """Implements `Tokens` over such a server; its buckets belong to one process."""

    def __init__(self, server: Server, *, processes: int = 1) -> None:
        self.server = server
        self.clock = server.clock
        self.processes = processes
        self.link = Link(self.clock, "redis://example.com:6379/0")
        self.pauses: list[float] = []

    @property
    def regained_at(self) -> float | None:
        return self.link.regained_at

    async def lease(self, rate: SharedRate, count: int) -> Lease | None:
        if not self.link.may_try():
            return None
        if self.server.latency:
            await self.clock.sleep(self.server.latency)
        if not self.server.is_up:
            self.link.lost(ConnectionRefusedError("refused"))
            return None
        is_new_empty = self.link.was_lost
        self.link.reached()
        return self.server.lease(self, rate, count, is_new_empty=is_new_empty)

    async def pause(self, group: str, seconds: float) -> None:
        self.server.pauses[group] = self.clock.monotonic() + seconds

    async def aclose(self) -> None:
        """Nothing is held."""

    def bucket(
        self, *, rate: float = 50, capacity: int = 20, is_of_minute: bool = False
    ) -> SharedBucket:
        shared = SharedRate(
            group="shop",
            kind="minute" if is_of_minute else "second",
            rate=rate,
            capacity=capacity,
        )
        return SharedBucket(
            shared, self, clock=self.clock, component="ApiExtractor", pause=self.pauses.append
        )
