"""Where the time of a run went, as people read it."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping
from typing import Final

from bronze_engine.cli.printing.text import print_pairs
from bronze_engine.model.profile import Bound, RunProfile, StageProfile

__all__ = ["bound_line", "print_profile", "verdict_line"]

_NAMES: Final[Mapping[Bound, str]] = {
    "rate limit": "the rate limit",
    "pauses": "the server's pauses",
    "latency": "the source's latency",
    "event loop": "the event loop",
    "decode": "decode CPU",
    "encode": "Parquet CPU",
    "upload": "the upload",
}
_HEADS: Final = ("stage", "jobs", "work s", "CPU s", "wait s", "busy", "queue")


def print_profile(profile: RunProfile) -> None:
    """A line a stage, what the loop did, and the sentence that says what bounds the run."""
    rows = [_HEADS, *(_cells(each, profile.seconds) for each in profile.stages)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEADS))]
    print()
    for row in rows:
        first = row[0].ljust(widths[0])
        rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        print("  ".join((first, *rest)).rstrip())
    print()
    waits = [f"{kind} {seconds:.2f} s" for kind, seconds in profile.limit_seconds.items()]
    print_pairs(
        [
            ("requests waited", ", ".join(waits) if _has_requests(profile) else ""),
            (
                "source",
                (
                    f"decoding waited for it {_share(profile.starved_seconds, profile)},"
                    f" it waited for decoding {_share(profile.blocked_seconds, profile)}"
                ),
            ),
            ("store", f"encoding waited for it {_share(profile.sending_seconds, profile)}"),
            (
                "event loop",
                (
                    f"busy {_share(profile.loop_cpu_seconds, profile)}, late by"
                    f" {profile.loop_lag_seconds * 1000:.1f} ms"
                    f" ({profile.loop_lag_max_seconds * 1000:.1f} ms at most)"
                ),
            ),
            (
                "process",
                (
                    f"{profile.cpu_seconds:.2f} CPU s in {profile.seconds:.2f} s on"
                    f" {profile.cores} cores"
                ),
            ),
        ]
    )
    width = min(shutil.get_terminal_size((80, 24)).columns, 100)
    print(f"\n{textwrap.fill(verdict_line(profile), width)}")


def verdict_line(profile: RunProfile) -> str:
    """What bounds the run, why, and what to change."""
    verdict = profile.verdict
    if verdict is None:
        return ""
    if verdict.bound == "nothing":
        return f"Nothing bounds it that can be told: {verdict.reason}; {verdict.advice}."
    return f"{bound_line(profile)} To make it faster: {verdict.advice}."


def bound_line(profile: RunProfile) -> str:
    """What bounds the run, and why."""
    verdict = profile.verdict
    if verdict is None or verdict.bound == "nothing":
        return ""
    return f"Bounded by {_NAMES[verdict.bound]}: {verdict.reason}."


def _cells(stage: StageProfile, seconds: float) -> tuple[str, ...]:
    return (
        f"  {stage.stage}" if stage.stage in ("receive", "hash") else stage.stage,
        f"{stage.jobs:,}",
        f"{stage.work_seconds:.2f}",
        "" if stage.cpu_seconds is None else f"{stage.cpu_seconds:.2f}",
        f"{stage.wait_seconds:.2f}" if stage.stage != "fetch" else "",
        f"{min(stage.busy_seconds / max(seconds, 1e-9), 1.0):.0%}" if stage.busy_seconds else "",
        "" if stage.queue_fill is None else f"{stage.queue_fill:.0%} full",
    )


def _share(seconds: float, profile: RunProfile) -> str:
    return f"{min(seconds / max(profile.seconds, 1e-9), 1.0):.0%} of the time"


def _has_requests(profile: RunProfile) -> bool:
    return any(each.stage == "fetch" for each in profile.stages)
