"""A hundred workers, and three ways to give them their work."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from benchmarks.scale.lake import Lake
from benchmarks.scale.load import Job
from benchmarks.scale.process import Process
from benchmarks.scale.timeline import Timeline
from bronze_engine.batch.shard import deal

__all__ = ["Outcome", "Way", "simulate"]

START_SECONDS = 2.0
"""Of a process: imports, and opening an engine."""
RESTART_SECONDS = 15.0
"""Until the scheduler has missed a worker that was killed, and given its work to another."""
MAX_PARALLEL = 8
STALL_SECONDS = 120.0


@dataclass(frozen=True)
class Way:
    """How pipelines reach the workers."""

    title: str
    workers: int
    shares: int
    skips: bool
    """Whether a share that is run again leaves out what was committed (Dask), or runs all of it
    again (a pod)."""
    max_parallel: int = MAX_PARALLEL


@dataclass(frozen=True)
class Outcome:
    seconds: float
    """Until the last partition was committed."""
    committed: int
    again: int
    """Partitions that have a second generation."""
    refused: int
    """Commits that a worker tried that was taken for dead."""
    imbalance: float
    """The busiest worker over the mean."""
    most_seconds: float
    """When 99 in 100 of the partitions were committed."""


class _Cluster:
    def __init__(self, way: Way, jobs: Mapping[str, Job]) -> None:
        self.way = way
        self.jobs = jobs
        self.timeline = Timeline()
        self.lake = Lake(self.timeline)

        def after(name: str) -> tuple[str, ...]:
            before = jobs[name].after
            return () if before is None else (before,)

        self.shares = deque(share for share in deal(tuple(jobs), way.shares, after) if share)
        self.busy: Counter[int] = Counter()
        self.at_work: dict[int, tuple[Process, tuple[str, ...]]] = {}
        for worker in range(way.workers):
            self.next(worker)

    def next(self, worker: int) -> None:
        if not self.shares:
            return
        share = self.shares.popleft()
        names = share
        if self.way.skips:
            names = tuple(name for name in share if not self.lake.generations[name])

        def begin() -> None:
            process = Process(
                self.lake,
                self.jobs,
                names,
                max_parallel=self.way.max_parallel,
                on_end=lambda: self.end(worker, process),
            )
            self.at_work[worker] = process, share

        self.timeline.after(START_SECONDS, begin)

    def end(self, worker: int, process: Process) -> None:
        if self.at_work.get(worker, (None,))[0] is not process:  # it was thought dead
            return
        del self.at_work[worker]
        self.busy[worker] += round(process.busy_seconds * 1000)
        self.next(worker)

    def lose(self, worker: int, *, is_killed: bool) -> None:
        """A worker dies, or seems to; its share goes to who is free, or to a new one."""
        if worker not in self.at_work:
            return
        process, share = self.at_work.pop(worker)
        if is_killed:
            process.kill()
        else:
            process.stall(STALL_SECONDS, ends=self.way.skips)
        self.busy[worker] += round(process.busy_seconds * 1000)

        def replace() -> None:
            self.shares.appendleft(share)
            self.next(worker)

        self.timeline.after(RESTART_SECONDS, replace)


def simulate(way: Way, jobs: Mapping[str, Job], *, lost: int = 0, seed: int = 3) -> Outcome:
    """Run them all; `lost` workers are killed on the way, and as many freeze for two minutes."""
    cluster = _Cluster(way, jobs)
    draw = random.Random(seed)  # noqa: S311  # chance that repeats itself
    for number, worker in enumerate(draw.sample(range(way.workers), min(2 * lost, way.workers))):
        happens = partial(cluster.lose, worker, is_killed=number < lost)
        cluster.timeline.at(draw.uniform(5, 40), happens)
    cluster.timeline.run()
    lake = cluster.lake
    ends = sorted(lake.committed_at.values())
    busy = [cluster.busy[worker] for worker in range(way.workers)]
    return Outcome(
        seconds=ends[-1],
        committed=len(lake.generations),
        again=sum(generation > 1 for generation in lake.generations.values()),
        refused=lake.refused,
        imbalance=max(busy) * way.workers / sum(busy),
        most_seconds=ends[len(ends) * 99 // 100],
    )
