"""Whether a run goes on where an earlier process has left it.

It does where the configuration, the window, the base and the source's token are what they
were, where every file of the checkpoint is still there, and where that is not too old. Else it
starts afresh, says why, and discards what the checkpoint names.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import pyarrow as pa

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.contracts import Store
from bronze_engine.land.landed import Landed
from bronze_engine.model.arrow import schema_to_text
from bronze_engine.model.checkpoint import Checkpoint
from bronze_engine.model.damaged import DAMAGED
from bronze_engine.model.part import ABSENT, Staged
from bronze_engine.plan.window import is_whole
from bronze_engine.run.checkpoint import RunCheckpoint, landed_in
from bronze_engine.run.services import Identity, Options, Stores
from bronze_engine.run.survey import Survey
from bronze_engine.state import checkpoints
from bronze_engine.telemetry.metrics import SourceTally
from bronze_engine.version import __version__

__all__ = ["open_checkpoint", "plan_hash"]

log = logging.getLogger(__name__)

_ANY_UPLOAD: Final = "*"
"""How Azure lists what is staged under a key: it does not tell one upload from another."""

_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


async def open_checkpoint(
    stores: Stores,
    pipeline: Pipeline,
    standing: Survey,
    identity: Identity,
    options: Options,
    tally: SourceTally,
    *,
    max_age_seconds: float,
    stale: str | None = None,
) -> RunCheckpoint:
    """The checkpoint of a run that is about to read: an earlier process's where it can go on
    from there, else an empty one. `stale` says why it can't, where that is known.

    Hold the lease. Raises StateError where another process takes it over at the same time.
    """
    request = standing.request
    mine = Checkpoint(
        pipeline=pipeline.name,
        system=pipeline.system,
        entity=pipeline.entity,
        run_date=request.run_date,
        run=identity.run,
        attempt=identity.attempt,
        started_at=identity.started_at,
        written_at=identity.started_at,
        plan=plan_hash(pipeline, standing, options),
        token=None,
        generation=standing.base.generation + 1,
    )
    if options.replay or options.mend:  # they ask nothing of the source: nothing is lost by that
        return RunCheckpoint(stores, mine, ABSENT, tally, is_wanted=False)
    found, expect = await checkpoints.read(stores.state, mine.system, mine.entity, mine.run_date)
    opened = RunCheckpoint(stores, mine, expect, tally, is_wanted=max_age_seconds > 0)
    if found is None:
        return opened
    kept: tuple[Landed, ...] = ()
    why = stale
    try:
        kept = landed_in(found)
    except DAMAGED:
        why = "another version of bronze-engine has written it"
    if why is None:
        why = _why_not(found, mine, options) or await _why_too_late(
            stores, standing, found, kept, max_age_seconds
        )
    if why is None:
        await opened.take_over(found, kept)
        return opened
    log.info(
        "%s %s: what run %s had landed is discarded, and the run starts afresh: %s",
        pipeline.name,
        request.run_date,
        found.run,
        why,
    )
    await opened.discard(kept)
    return opened


async def _why_too_late(
    stores: Stores,
    standing: Survey,
    found: Checkpoint,
    kept: Iterable[Landed],
    max_age_seconds: float,
) -> str | None:
    """Why what the checkpoint names is too old to go on from, or is not there any more."""
    age = await stores.state.now() - found.written_at
    if age >= timedelta(seconds=max_age_seconds):
        return f"it was written {age} ago, and engine.resume_max_age is {max_age_seconds:.0f} s"
    return await _what_is_gone(stores.target, standing.partition, kept)


def _why_not(found: Checkpoint, mine: Checkpoint, options: Options) -> str | None:
    if not options.resume:
        return "it was told not to resume"
    if found.generation != mine.generation:
        return f"generation {mine.generation - 1} of the partition was committed since"
    if found.plan != mine.plan:
        return (
            "the configuration, the window, the columns that it begins with or the version of"
            " bronze-engine are not what they were"
        )
    return None if found.slices else "it holds no slice"


async def _what_is_gone(target: Store, partition: str, kept: Iterable[Landed]) -> str | None:
    """What of the files is not there any more: a bucket's rule may have removed them."""
    staged = {(one.key, one.token) async for one in target.scan_staged(f"{partition}/")}
    visible = {info.key: info.size_bytes async for info in target.scan(f"{partition}/")}

    def is_there(one: Staged) -> bool:
        size = None if one.file is None else one.file.size_bytes
        is_staged = (one.key, one.token) in staged or (one.key, _ANY_UPLOAD) in staged
        return is_staged or visible.get(one.key, -1) == size  # completed, and then it died

    for landed in kept:
        for one in landed.committed:
            if not is_there(one):
                return f"{one.key} was landed, and is gone"
    return None


def plan_hash(pipeline: Pipeline, standing: Survey, options: Options) -> str:
    """SHA-256 of what decides which rows a run reads, and the bytes that it writes of them."""
    base = standing.base.manifest
    # Of files the source's token tells which of them are read; an epoch is no part of the rows.
    request = msgspec.structs.replace(
        standing.request, run="", started_at=_NEVER, epoch=0, resumed=None, landed=None
    )
    decided = {
        "engine": __version__,
        "config_hash": pipeline.config_hash,
        "request": request,
        # Where it was not, what was landed ends before it, and nobody would read the rest.
        "day_is_over": is_whole(standing.request),
        "output": pipeline.output,
        "quality": pipeline.quality,
        "full_refresh": options.full_refresh,
        "base": None if base is None else base.attempt,
    }
    encoded = msgspec.json.encode(decided, order="sorted", enc_hook=_encode)
    return hashlib.sha256(encoded).hexdigest()


def _encode(value: Any) -> Any:
    match value:
        case pa.Schema():
            return schema_to_text(value)
        case float():  # msgspec takes no subclass of float or int, which Duration and ByteSize are
            return float(value)
        case int():
            return int(value)
        case _:
            raise NotImplementedError(type(value).__name__)
