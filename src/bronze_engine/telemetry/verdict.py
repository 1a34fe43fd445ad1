"""What bounded a run: judged by its profile.

A run waits for one thing most. Looked for in this order, for what comes first hides what comes
after: the store, where encoding stands still for it; the rate, or the pauses that a server asks
for, where they hold some request back and workers compute little; the workers, where they compute
most of the time, or jobs queue for them while the source waits, or one file is always being
encoded; the loop's own thread; and else the source's latency. The shares are of wall time. What
workers do is told by CPU time, for on a busy machine a job takes long though it computes little.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from bronze_engine.machine import cores
from bronze_engine.model.profile import RunProfile, Stage, StageProfile, Verdict
from bronze_engine.telemetry.profile import Profile

__all__ = ["judged", "profile_of"]

_MOST: Final = 0.6
"""Of the wall time; the rest is the beginning, the end, and what is measured as another's."""
_STORE: Final = 0.4
"""Encoding and decoding go on meanwhile, so less of it bounds a run."""
_HELD: Final = 0.5
"""Of the time some request is held back by a limit: more than latency can be, then."""
_HELD_LEAST: Final = 0.25
"""Or so much of it, where that is more than requests were under way."""
_QUEUED: Final = 1.0
"""Jobs that wait for a worker, on average, while the source waits for them to be done or workers
are busy for so long: then they bound, also where other programs leave them no core to be busy on.
Answers that come at once queue, too, but then nothing waits for them."""
_BUSY: Final = 0.5
_LITTLE: Final = 0.7
"""Of the time that workers are busy; they compute less only where they wait for a core."""
_LEAST_SECONDS: Final = 1.0
"""The beginning of a run (the first connection, the first answers, threads that start) is like
nothing that comes after."""
_IN_WORKERS: Final[tuple[Stage, ...]] = ("split", "decode", "quality", "encode")


def profile_of(profile: Profile, *, least_seconds: float = _LEAST_SECONDS) -> RunProfile:
    """What the run has used until now, judged where it has read for so long."""
    stages = profile.stages()
    found = RunProfile(
        seconds=profile.seconds,
        reading_seconds=profile.reading_seconds,
        cores=cores(),
        cpu_seconds=profile.cpu_seconds,
        loop_cpu_seconds=profile.loop_cpu_seconds,
        reading_cpu_seconds=profile.reading_cpu_seconds,
        reading_loop_cpu_seconds=profile.reading_loop_cpu_seconds,
        loop_lag_seconds=profile.lag_seconds,
        loop_lag_max_seconds=profile.lag_max_seconds,
        limit_seconds={str(kind): seconds for kind, seconds in profile.limit_seconds.items()},
        held_back_seconds=profile.held_back_seconds,
        starved_seconds=profile.starved.seconds,
        blocked_seconds=profile.blocked.seconds,
        sending_seconds=profile.sending.seconds,
        stages=stages,
    )
    return msgspec.structs.replace(found, verdict=judged(found, least_seconds))


def judged(profile: RunProfile, least_seconds: float = _LEAST_SECONDS) -> Verdict:
    """What bounds such a run, with the figures that show it, and what to change."""
    stages = {each.stage: each for each in profile.stages}
    seconds = max(profile.reading_seconds - _took(stages, "commit"), 1e-9)
    if seconds < least_seconds or not stages:
        return Verdict(
            bound="nothing",
            reason=f"it read for {seconds * 1000:,.0f} ms: too short to tell",
            advice="read more, a longer window or another date",
        )
    sending = profile.sending_seconds / seconds
    if sending >= _STORE:
        return _store(stages, sending)
    computed = sum(_computed(stages, each) for each in _IN_WORKERS) / (seconds * profile.cores)
    fetching = stages["fetch"].busy_seconds if "fetch" in stages else 0.0
    least_held = min(_HELD * seconds, max(_HELD_LEAST * seconds, fetching))
    if profile.held_back_seconds >= least_held and computed < _MOST:
        return _held_back(profile, stages, seconds)
    bound = _computing(profile, stages, seconds)
    if bound is not None:
        return bound
    if profile.reading_loop_cpu_seconds / seconds >= _MOST:
        return _loop(profile, stages, seconds)
    return _latency(profile, stages, seconds)


def _store(stages: Mapping[Stage, StageProfile], share: float) -> Verdict:
    upload = stages["upload"]
    return Verdict(
        bound="upload",
        reason=f"encoding stood still {share:.0%} of the time until the store had taken a part"
        + (f" ({_each(upload)} each)" if upload.jobs else ""),
        advice="compress more (output.compression_level), use a store or a network that is"
        " nearer or faster, or split the pipeline so that several files are sent at once",
    )


def _computing(
    profile: RunProfile, stages: Mapping[Stage, StageProfile], seconds: float
) -> Verdict | None:
    """Where the workers are what is waited for: all of them, or the one that encodes a file."""
    room = seconds * profile.cores
    work = {each: _took(stages, each) for each in _IN_WORKERS}
    computed = sum(_computed(stages, each) for each in _IN_WORKERS)
    busy = min(sum(work.values()) / room, 1.0)
    encode = stages.get("encode")
    encoding = 0.0 if encode is None else encode.busy_seconds / seconds
    is_starved = profile.starved_seconds / seconds >= 1 - _MOST
    is_waited_for = not is_starved or profile.blocked_seconds / seconds >= _MOST
    queued = sum(stages[each].wait_seconds for each in _IN_WORKERS if each in stages) / seconds
    is_full = (
        computed / room >= _MOST
        or (queued >= _QUEUED and (is_waited_for or busy >= _BUSY))
        or (
            profile.reading_cpu_seconds / room >= _MOST
            and computed >= profile.reading_loop_cpu_seconds
        )
    )
    if not is_full and not (encoding >= _MOST and not is_starved):
        return None
    largest = max(work, key=lambda each: work[each])
    if not is_full:
        largest = "encode"
    shares = ", ".join(f"{each} {took / room:.0%}" for each, took in work.items() if took)
    reason = f"{profile.cores} workers were busy {busy:.0%} of the time ({shares})"
    if computed < _LITTLE * busy * room:
        reason += f", though they computed only {computed / room:.0%} and waited for a core"
    if largest == "encode":
        return Verdict(
            bound="encode",
            reason=reason,
            advice="choose a cheaper output.compression (snappy, or zstd at level 1), or read in"
            " slices, which are encoded side by side",
        )
    return Verdict(
        bound="decode",
        reason=reason,
        advice="give the process more cores, ask for fewer columns, or spread pipelines over"
        " processes (bronze batch --shard)",
    )


def _held_back(
    profile: RunProfile, stages: Mapping[Stage, StageProfile], seconds: float
) -> Verdict:
    share = profile.held_back_seconds / seconds
    fetch = stages.get("fetch")
    rate = (0 if fetch is None else fetch.jobs) / seconds
    if profile.limit_seconds["pause"] > profile.limit_seconds["rate"]:
        return Verdict(
            bound="pauses",
            reason=f"it asked for them (429 or 503), and they held requests back {share:.0%} of the"
            f" time, at {rate:.1f} requests a second",
            advice=f"set rate_limit.rps a little below {rate:.3g}, so that the server has nothing"
            " to refuse, or raise page_size, so that a request brings more rows, or ask for a"
            " higher limit; more requests at once bring nothing",
        )
    return Verdict(
        bound="rate limit",
        reason=f"a request waited for its turn {share:.0%} of the time, at {rate:.1f} requests a"
        " second",
        advice="raise page_size, so that a request brings more rows, or raise rate_limit; more"
        " requests at once bring nothing",
    )


def _loop(profile: RunProfile, stages: Mapping[Stage, StageProfile], seconds: float) -> Verdict:
    fetch = stages.get("fetch")
    requests = 0 if fetch is None else fetch.jobs
    share = profile.reading_loop_cpu_seconds / seconds
    return Verdict(
        bound="event loop",
        reason=f"its thread was busy {share:.0%} of the time, with {requests / seconds:.0f}"
        " requests a second",
        advice="raise page_size: larger pages are fewer requests for the same rows",
    )


def _latency(profile: RunProfile, stages: Mapping[Stage, StageProfile], seconds: float) -> Verdict:
    fetch = stages.get("fetch")
    if fetch is None or not fetch.jobs:
        return Verdict(
            bound="latency",
            reason=f"decoding waited for the source {profile.starved_seconds / seconds:.0%} of the"
            " time",
            advice="ask why the source is slow: no request of it was seen",
        )
    at_once = fetch.work_seconds / max(fetch.busy_seconds, 1e-9)
    reason = f"{at_once:.0f} in flight x {_each(fetch)}, {fetch.jobs / seconds:.1f} a second"
    if profile.limit_seconds["slot"] > fetch.work_seconds * 0.5:
        advice = "raise concurrency, or page_size"
    elif at_once < 1.5:  # one at a time, and nothing waits for a slot
        advice = "raise page_size, or read side by side: paginator.parallel, windows, partitions"
    else:
        advice = "raise page_size, or paginator.parallel"
    return Verdict(bound="latency", reason=reason, advice=advice)


def _took(stages: Mapping[Stage, StageProfile], stage: Stage) -> float:
    found = stages.get(stage)
    return 0.0 if found is None else found.work_seconds


def _computed(stages: Mapping[Stage, StageProfile], stage: Stage) -> float:
    """The CPU seconds of it, where those were taken."""
    found = stages.get(stage)
    if found is None:
        return 0.0
    return found.work_seconds if found.cpu_seconds is None else found.cpu_seconds


def _each(stage: StageProfile) -> str:
    """How long one job took on average."""
    return f"{stage.work_seconds / max(stage.jobs, 1) * 1000:.0f} ms"
