"""One process of the simulation: the scheduler of `bronze batch`, with runs that only take time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date

from benchmarks.scale.lake import Lake
from benchmarks.scale.load import Job
from bronze_engine.batch.order import Key, Order
from bronze_engine.batch.places import Places, Turn

__all__ = ["Process"]

DAY = date(2025, 1, 15)
BEGIN_SECONDS = 0.1
"""Of a run, before its first request and for its commit: a store's answers."""
COMMIT_SECONDS = 0.2
HANG_SECONDS = 150.0
"""A minute of silence, half a minute with an open breaker, and the minute of its probe."""
FAIL_SECONDS = 8.0


class Process:
    """Runs these pipelines as `batch.Batch` does: `Order` says what may begin, `Places` when."""

    def __init__(
        self,
        lake: Lake,
        jobs: Mapping[str, Job],
        names: Iterable[str],
        *,
        max_parallel: int,
        on_end: Callable[[], None],
    ) -> None:
        self.is_dead = False
        self.busy_seconds = 0.0
        """Of all its places together."""
        self._lake = lake
        self._jobs = jobs
        self._timeline = lake.timeline
        self._on_end = on_end
        self._keys: list[Key] = [(name, DAY) for name in names]
        known = set(self._keys)
        needs = {
            key: [(after, DAY)]
            for key in self._keys
            if (after := jobs[key[0]].after) is not None and (after, DAY) in known
        }
        self._order = Order(self._keys, needs=needs, follows={})
        self._numbers = {key: number for number, key in enumerate(self._keys)}
        self._places = Places(max_parallel, self._timeline)
        self._under_way: dict[Turn, float] = {}
        self._looks_at = float("inf")
        self._stalled_until = 0.0
        self._is_ending = False
        for key in self._order.ready:
            self._ask(key)
        self._timeline.after(0.0, self._begin)

    def kill(self) -> None:
        """SIGKILL: nothing more of it happens, and its leases run out."""
        self.is_dead = True
        self._lake.outlive(self)

    def stall(self, seconds: float, *, ends: bool) -> None:
        """A frozen machine: others think it dead; it wakes and goes on.

        With `ends` only with what it had begun: it is told that nobody waits for the rest.
        """
        self._is_ending = ends
        self._stalled_until = self._timeline.monotonic() + seconds
        self._lake.outlive(self)

    def _ask(self, key: Key) -> None:
        self._places.add(Turn(self._numbers[key], self._jobs[key[0]].api))

    def _begin(self) -> None:
        if self.is_dead or self._timeline.monotonic() < self._stalled_until:
            return
        while not self._is_ending and (turn := self._places.take()) is not None:
            self._under_way[turn] = self._timeline.monotonic()
            self._try(turn)
        if not self._under_way:
            self._on_end()
            return
        if (seconds := self._places.look_in_seconds) is not None:
            instant = self._timeline.monotonic() + seconds + 1e-9
            if not self._timeline.monotonic() < self._looks_at <= instant:
                self._looks_at = instant
                self._timeline.at(instant, self._begin)

    def _try(self, turn: Turn) -> None:
        """Begin the run, or wait for another's lease first (`--wait 60s`)."""
        job = self._jobs[self._keys[turn.number][0]]
        if (seconds := self._lake.lease(job.name, self)) > 0:
            self._later(seconds, lambda: self._try(turn))
            return
        generation = self._lake.generations[job.name] + 1
        if job.fate == "hangs":
            self._later(HANG_SECONDS, lambda: self._end(turn, job, committed=False))
        elif job.fate == "fails":
            self._later(FAIL_SECONDS, lambda: self._end(turn, job, committed=False))
        else:
            self._later(BEGIN_SECONDS, lambda: self._request(turn, job, generation, job.requests))

    def _request(self, turn: Turn, job: Job, generation: int, left: int) -> None:
        if not left:
            self._later(COMMIT_SECONDS, lambda: self._commit(turn, job, generation))
            return
        seconds = self._lake.token(job) - self._timeline.monotonic() + job.seconds
        self._later(seconds, lambda: self._answered(turn, job, generation, left))

    def _answered(self, turn: Turn, job: Job, generation: int, left: int) -> None:
        if self._places.hear(turn, "work"):
            self._begin()
        self._request(turn, job, generation, left - 1)

    def _commit(self, turn: Turn, job: Job, generation: int) -> None:
        self._end(turn, job, committed=self._lake.commit(job.name, generation))

    def _end(self, turn: Turn, job: Job, *, committed: bool) -> None:
        self._lake.release(job.name, self)
        self.busy_seconds += self._timeline.monotonic() - self._under_way.pop(turn)
        self._places.leave(turn)
        for key in self._order.end((job.name, DAY), committed=committed).ready:
            self._ask(key)
        self._begin()

    def _later(self, seconds: float, happens: Callable[[], None]) -> None:
        def alive() -> None:
            if self.is_dead:
                return
            if self._timeline.monotonic() < self._stalled_until:
                self._timeline.at(self._stalled_until, alive)
                return
            happens()

        self._timeline.after(seconds, alive)
