"""Where the time of one run went, stage by stage, and what bounded it."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Bound", "RunProfile", "Stage", "StageProfile", "Verdict"]

Stage = Literal[
    "fetch", "receive", "split", "decode", "quality", "encode", "hash", "upload", "commit"
]
"""In the order in which a row goes through them. `receive` is a part of `fetch`: from the head of
an answer to its end. `hash` is a part of `encode`: the checksums of the file and of its parts."""

Bound = Literal[
    "rate limit", "pauses", "latency", "event loop", "decode", "encode", "upload", "nothing"
]
"""What a run waited for most. `rate limit` is the configured one, `pauses` are those that the
server asks for (429, 503), `latency` is the source's: of its API, its database, its files."""


class StageProfile(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of one run. Seconds of what ran side by side are added up."""

    stage: Stage
    jobs: int
    """Requests, jobs of workers, parts."""
    work_seconds: float
    """From the beginning to the end of each: for a request until its whole answer is there."""
    cpu_seconds: float | None
    """What workers computed of that; the rest waited for a core, the interpreter or a disk. None
    where the work is another machine's."""
    wait_seconds: float
    """Of `fetch` for its limits, of the stages in workers for one that is free, and of `upload`
    how long encoding stood still until the store had taken a part."""
    busy_seconds: float
    """How long at least one was under way: of the run's wall time, so never more than that."""
    queue_fill: float | None = None
    """How full what lies before the stage was on average, from 0 (it starved) to 1 (what comes
    before was held up). None where nothing lies between."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What bounds a run, and what would change that."""

    bound: Bound
    reason: str
    """With the figures that show it."""
    advice: str


class RunProfile(msgspec.Struct, frozen=True, kw_only=True):
    """All stages of one run that did anything."""

    seconds: float
    """Wall time, from the beginning of the run."""
    reading_seconds: float
    """The same from when the source was first asked for something."""
    cores: int
    cpu_seconds: float
    """Of the whole process: runs side by side share it."""
    loop_cpu_seconds: float
    """Of the event loop's thread, also shared."""
    reading_cpu_seconds: float
    """Of the process, in `reading_seconds`."""
    reading_loop_cpu_seconds: float
    """Of the event loop's thread in them."""
    loop_lag_seconds: float
    """How late the loop took up what a worker had ended, on average."""
    loop_lag_max_seconds: float
    limit_seconds: dict[str, float]
    """What requests waited for, added up: pause, breaker, slot, rate."""
    held_back_seconds: float
    """How long the rate, or a pause, kept at least one request from being sent."""
    starved_seconds: float
    """How long decoding waited for the source."""
    blocked_seconds: float
    """How long the source waited until what it had read was taken."""
    sending_seconds: float
    """How long encoding waited for the store."""
    stages: tuple[StageProfile, ...]
    verdict: Verdict | None = None
