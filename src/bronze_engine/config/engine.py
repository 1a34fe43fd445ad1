"""[engine]: what all pipelines of a process share."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bronze_engine.config.units import ByteSize, Duration, Secret

__all__ = ["EngineConfig"]


class EngineConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all pipelines of a process share."""

    target: str = "./bronze"
    """A name of [stores], or a path (relative to pipelines.toml)."""
    state: str | None = None
    """Where state, locks and run reports live; the pipeline's target where unset."""
    memory_limit: ByteSize = ByteSize(512 * 1024**2)
    """What all runs may hold together in pages, groups and encoders."""
    max_pipelines: Annotated[int, msgspec.Meta(ge=1)] = 8
    """Runs of one engine that are under way at once; the others wait. A batch counts its own, up
    to so many where it is not told another number."""
    resume_max_age: Duration = Duration(6 * 3600)
    """How long after its last slice a run that was broken off is resumed, and gc spares what it
    has landed; "0s" turns both off."""
    limits: Secret | None = None
    """A Redis server, `redis[s]://[user:password@]host[:port][/database][?processes=n]`, that the
    processes share their rate limits and pauses through; where unset each has its own."""
    log_dir: str = "logs"
    """Where `bronze-{date}.log` is appended (relative to pipelines.toml); empty means off."""
    spill_dir: str | None = None
    """Where Silver keeps what does not fit into memory, and copies of what it reads from a store,
    for as long as a run lasts (relative to pipelines.toml); the system's temporary directory
    where unset."""
    timezone: str = "UTC"
    """The IANA zone in which "today" is meant."""
