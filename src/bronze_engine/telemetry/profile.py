"""Where the time of a run goes: measured always, for it costs microseconds a request.

A run makes a `Profile` and lets it apply to all tasks that it starts (`applied`). Whoever does
the work of a stage says so to the one that applies, where one does. Everything is counted on
the event loop: what happens in a worker is told by `Workers.run` when the job is back.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Literal, Self, TypeVar, final, get_args

from bronze_engine.model.profile import Stage, StageProfile

__all__ = [
    "Laps",
    "LimitKind",
    "Profile",
    "Repeated",
    "StageClock",
    "Stopwatch",
    "applied",
    "applying",
    "fetching",
    "sending",
    "worked",
    "working",
]

T = TypeVar("T")

LimitKind = Literal["pause", "breaker", "slot", "rate"]
"""What an attempt waits for before it is sent; `rate` are tokens of a bucket, and what a server
says is left."""

_applying: Final[ContextVar[Profile | None]] = ContextVar("profile", default=None)


@final
class Stopwatch:
    """How long at least one of many was under way."""

    __slots__ = ("_began", "_now", "_seconds", "under_way")

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._began = 0.0
        self._seconds = 0.0
        self.under_way = 0

    def begin(self) -> None:
        if not self.under_way:
            self._began = self._now()
        self.under_way += 1

    def end(self) -> None:
        self.under_way -= 1
        if not self.under_way:
            self._seconds += self._now() - self._began

    def __enter__(self) -> None:
        self.begin()

    def __exit__(self, *exc_info: object) -> None:
        self.end()

    @property
    def seconds(self) -> float:
        return self._seconds + (self._now() - self._began if self.under_way else 0.0)


@final
class StageClock:
    """What one stage has done so far."""

    __slots__ = ("_fill", "_fills", "busy", "cpu_seconds", "jobs", "wait_seconds", "work_seconds")

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self.jobs = 0
        self.work_seconds = 0.0
        self.wait_seconds = 0.0
        self.cpu_seconds: float | None = None
        self.busy = Stopwatch(now)
        self._fill = 0.0
        self._fills = 0

    def worked(
        self, work_seconds: float, *, wait_seconds: float = 0.0, cpu_seconds: float | None = None
    ) -> None:
        """One more is done."""
        self.jobs += 1
        self.work_seconds += work_seconds
        self.wait_seconds += wait_seconds
        if cpu_seconds is not None:
            self.cpu_seconds = (self.cpu_seconds or 0.0) + cpu_seconds

    def filled(self, share: float) -> None:
        """How full the queue before it is, as it takes the next."""
        self._fill += share
        self._fills += 1

    def told(self, stage: Stage) -> StageProfile:
        return StageProfile(
            stage=stage,
            jobs=self.jobs,
            work_seconds=self.work_seconds,
            cpu_seconds=self.cpu_seconds,
            wait_seconds=self.wait_seconds,
            busy_seconds=self.busy.seconds,
            queue_fill=self._fill / self._fills if self._fills else None,
        )


@final
class Laps:
    """What one attempt waits for, one after the other, before it is sent."""

    __slots__ = ("_last", "_profile")

    def __init__(self, *, is_counted: bool = True) -> None:
        self._profile = _applying.get() if is_counted else None
        self._last = 0.0 if self._profile is None else self._profile.now()

    def lap(self, kind: LimitKind) -> None:
        """It waited for this until now."""
        if self._profile is not None:
            self._last = self._profile.waited(kind, self._last)


@final
class Profile:
    """The time of one run so far. Made on the event loop, whose thread's CPU it reads."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self.now = now
        self._began = now()
        self._reading_at: float | None = None
        self._cpu = self._reading_cpu = time.process_time()
        self._loop_cpu = self._reading_loop_cpu = time.thread_time()
        self._clocks: dict[Stage, StageClock] = {}
        self.limit_seconds: dict[LimitKind, float] = dict.fromkeys(get_args(LimitKind), 0.0)
        self.held_back_seconds = 0.0
        """How long the rate, or a pause, kept at least one attempt from being sent."""
        self._held_back_until = self._began
        self.starved = Stopwatch(now)
        self.blocked = Stopwatch(now)
        self.sending = Stopwatch(now)
        self._lag = 0.0
        self._lags = 0
        self.lag_max_seconds = 0.0

    def stage(self, stage: Stage) -> StageClock:
        """The clock of a stage, made when it is first asked for."""
        clock = self._clocks.get(stage)
        if clock is None:
            clock = self._clocks[stage] = StageClock(self.now)
            if stage == "fetch":
                self._reading_at = self.now()
                self._reading_cpu = time.process_time()
                self._reading_loop_cpu = time.thread_time()
        return clock

    def lagged(self, seconds: float) -> None:
        """How late the loop was to take up what had ended."""
        self._lag += seconds
        self._lags += 1
        self.lag_max_seconds = max(self.lag_max_seconds, seconds)

    def waited(self, kind: LimitKind, since: float) -> float:
        """An attempt has waited for this since then; returns the instant that is now."""
        now = self.now()
        self.limit_seconds[kind] += now - since
        if kind in ("rate", "pause"):
            # Those who wait are let through in the order of asking: what two of them share is
            # counted once.
            self.held_back_seconds += now - max(since, self._held_back_until)
            self._held_back_until = now
        return now

    @property
    def seconds(self) -> float:
        return self.now() - self._began

    @property
    def reading_seconds(self) -> float:
        """Since the source was first asked for something; before that a run only prepares."""
        return self.now() - (self._began if self._reading_at is None else self._reading_at)

    @property
    def cpu_seconds(self) -> float:
        """Of the process."""
        return time.process_time() - self._cpu

    @property
    def loop_cpu_seconds(self) -> float:
        """Of the event loop's thread."""
        return time.thread_time() - self._loop_cpu

    @property
    def reading_cpu_seconds(self) -> float:
        """Of the process, since the source was first asked for something."""
        return time.process_time() - self._reading_cpu

    @property
    def reading_loop_cpu_seconds(self) -> float:
        return time.thread_time() - self._reading_loop_cpu

    @property
    def lag_seconds(self) -> float:
        """On average."""
        return self._lag / self._lags if self._lags else 0.0

    def stages(self) -> tuple[StageProfile, ...]:
        """Those that did anything, in the order of the data."""
        order: tuple[Stage, ...] = get_args(Stage)
        return tuple(self._clocks[stage].told(stage) for stage in order if stage in self._clocks)


def applying() -> Profile | None:
    """The profile of the run that this task belongs to; None outside of one."""
    return _applying.get()


@contextmanager
def applied(profile: Profile) -> Iterator[None]:
    """Count what the body, and every task that it starts, does."""
    token = _applying.set(profile)
    try:
        yield
    finally:
        _applying.reset(token)


@contextmanager
def working(stage: Stage) -> Iterator[None]:
    """The body is one piece of a stage's work that no worker does: a server's, or the loop's."""
    profile = _applying.get()
    if profile is None:
        yield
        return
    clock = profile.stage(stage)
    began = profile.now()
    try:
        with clock.busy:
            yield
    finally:
        clock.worked(profile.now() - began)


@final
class Repeated:
    """Work of a stage that comes piece by piece, each handed on before the next is waited for."""

    __slots__ = ("_began", "_clock", "_now")

    def __init__(self, stage: Stage) -> None:
        profile = _applying.get() or Profile()
        self._clock, self._now = profile.stage(stage), profile.now
        self._began = 0.0

    def __enter__(self) -> Self:
        self._clock.busy.begin()
        self._began = self._now()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._clock.busy.end()

    @contextmanager
    def interrupted(self) -> Iterator[None]:
        """A piece is there; the body hands it on."""
        self._clock.worked(self._now() - self._began)
        self._clock.busy.end()
        try:
            yield
        finally:
            self._clock.busy.begin()
            self._began = self._now()


def worked(stage: Stage, seconds: float) -> None:
    """One piece of a stage's work has taken so long, within that of another stage."""
    profile = _applying.get()
    if profile is not None:
        profile.stage(stage).worked(seconds)


@contextmanager
def sending() -> Iterator[None]:
    """The body is encoding that stands still until the store has taken a part."""
    profile = _applying.get()
    if profile is None:
        yield
        return
    began = profile.now()
    try:
        with profile.sending:
            yield
    finally:
        profile.stage("upload").wait_seconds += profile.now() - began


async def fetching(chunks: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """The same chunks; waiting for each of them is `fetch`."""
    while True:
        with working("fetch"):
            try:
                chunk = await anext(chunks)
            except StopAsyncIteration:
                return
        yield chunk
