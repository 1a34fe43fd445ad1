"""The pipelines of the simulation: drawn once, from a fixed seed."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["BURST", "RATE", "Job", "ideal_seconds", "make_jobs"]

RATE = 50.0
"""Requests a second that every tenth API allows, from all processes together."""
BURST = 20

Fate = Literal["commits", "fails", "hangs"]


@dataclass(frozen=True, slots=True)
class Job:
    """One pipeline: requests one after another, then a commit."""

    name: str
    api: str
    requests: int
    seconds: float
    """Of each request."""
    is_limited: bool
    after: str | None
    fate: Fate


def make_jobs(count: int, apis: int, *, seed: int = 7) -> dict[str, Job]:
    """`count` pipelines over `apis` APIs of unlike size.

    Most have a few requests and some a hundred (log-normal, median 4); an API answers in
    60 ms to 2 s (median 0.25 s). One in 100 fails, all of one API hang, and one in 30 comes
    after another of its API.
    """
    draw = random.Random(seed)  # noqa: S311  # chance that repeats itself
    latency = [min(2.0, max(0.06, draw.lognormvariate(math.log(0.25), 0.7))) for _ in range(apis)]
    weights = [draw.lognormvariate(0, 0.6) for _ in range(apis)]
    jobs: dict[str, Job] = {}
    newest: dict[int, str] = {}
    for number, api in enumerate(draw.choices(range(apis), weights, k=count)):
        name = f"api{api:03}.table{number:05}"
        hangs, fails, waits = api == apis // 2, draw.random() < 0.01, draw.random() < 1 / 30
        jobs[name] = Job(
            name=name,
            api=f"api{api:03}",
            requests=max(1, min(100, round(draw.lognormvariate(math.log(4), 1.0)))),
            seconds=latency[api],
            is_limited=api % 10 == 0,
            after=newest.get(api) if waits else None,
            fate="hangs" if hangs else "fails" if fails else "commits",
        )
        newest[api] = name
    return jobs


def ideal_seconds(jobs: Mapping[str, Job], slots: int) -> float:
    """No schedule is faster: the work over all slots, a limited API's requests over its rate, the
    longest chain of runs, whichever is most. Only what commits counts."""
    seconds = {each.name: each.requests * each.seconds for each in _committing(jobs)}
    asked = Counter[str]()
    for each in _committing(jobs):
        asked[each.api] += each.requests if each.is_limited else 0
    chains: dict[str, float] = {}
    for name, needed in seconds.items():
        chains[name] = needed + chains.get(jobs[name].after or "", 0.0)
    paced = max(0, *asked.values(), 0) - BURST
    return max(sum(seconds.values()) / slots, paced / RATE, *chains.values())


def _committing(jobs: Mapping[str, Job]) -> Iterable[Job]:
    return (each for each in jobs.values() if each.fate == "commits")
