"""Where an entity stands, told for people: manifests, hint, override, and who works on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final, Literal

import msgspec

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.contracts import Locking, Store
from bronze_engine.model.manifest import Manifest, run_date_of
from bronze_engine.model.neighbours import Neighbours
from bronze_engine.model.override import Override
from bronze_engine.model.window import Window
from bronze_engine.plan.window import is_chained
from bronze_engine.publish.lease import Holder, find_holder, lease_key
from bronze_engine.run.ahead import find_ahead
from bronze_engine.run.services import Stores
from bronze_engine.state import checkpoints, claims, hint, overrides
from bronze_engine.state.claims import Claim
from bronze_engine.state.hint import Hint, hint_of
from bronze_engine.state.overrides import Kept, Use
from bronze_engine.state.partitions import committed_dates, read_neighbours, read_partition

__all__ = ["Held", "Newest", "OverrideStanding", "Standing", "Unfinished", "look"]

_DAYS: Final = 31
"""Of so many of the newest dates a lock is looked for where locks can't be listed."""


class Newest(msgspec.Struct, frozen=True, kw_only=True):
    """The newest committed date."""

    run_date: date
    generation: int
    epoch: int
    run: str
    row_count: int
    written_at: datetime
    watermark: Window | None


class OverrideStanding(msgspec.Struct, frozen=True, kw_only=True):
    """The last override that was made, and what became of it."""

    override: Override
    status: Literal["pending", "used", "void"]
    """Void: another date was committed, or begun anew, before a run could use it."""
    used_by: Use | None = None


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A lease in force."""

    lease: str
    """What it is on: `system/entity`, or one date of it."""
    run: str
    host: str
    pid: int
    since: datetime


class Unfinished(msgspec.Struct, frozen=True, kw_only=True):
    """A run that was broken off, or is at work: what the next run of the date goes on from."""

    run_date: date
    run: str
    slices: int
    """Landed so far."""
    started_at: datetime
    written_at: datetime


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where an entity stands. Where the manifests and the hint differ, the manifests are right."""

    pipeline: str
    system: str
    entity: str
    target: str
    state: str
    dates: int
    """Dates that have a manifest."""
    first: date | None
    newest: Newest | None
    """From the manifests."""
    watermark: str | None
    """What the next window begins after: the override's where one is pending; None for the
    beginning, and where dates stand alone."""
    hint: Hint | None
    agrees: bool
    """Whether the hint says what the manifests say."""
    differs: str | None = None
    """How it does not, and what to do."""
    override: OverrideStanding | None = None
    leases: tuple[Held, ...] = ()
    claim: Claim | None = None
    """On the chain's next window: of a run at work, or of one that died. The next run keeps that
    one out before it plans."""
    unfinished: tuple[Unfinished, ...] = ()
    """Runs with a checkpoint."""


async def look(stores: Stores, pipeline: Pipeline, today: date) -> Standing:
    """Read what there is: a listing, the newest manifest, the hint, the override, the leases."""
    system, entity = pipeline.system, pipeline.entity
    found = await hint.read(stores.state, system, entity)  # first: it must not seem to be ahead
    dates = await committed_dates(stores.target, system, entity)
    around = await read_neighbours(stores.target, system, entity, date.max)
    kept = await overrides.read(stores.state, system, entity) if is_chained(pipeline) else None
    newest = around.earlier
    differs = await _differs(stores, pipeline, found, around)
    return Standing(
        pipeline=pipeline.name,
        system=system,
        entity=entity,
        target=stores.target.url,
        state=stores.state.url,
        dates=len(dates),
        first=dates[0] if dates else None,
        newest=None if newest is None else _newest(newest),
        watermark=_watermark(pipeline, newest, overrides.pending(kept, around)),
        hint=found,
        agrees=differs is None,
        differs=differs,
        override=None if kept is None else _override(kept, around),
        claim=await _claim(stores.state, pipeline),
        leases=await _leases(stores.state, system, entity, (*dates[-_DAYS:], today)),
        unfinished=await _unfinished(stores.state, system, entity),
    )


def _newest(manifest: Manifest) -> Newest:
    return Newest(
        run_date=manifest.run_date,
        generation=manifest.generation,
        epoch=manifest.epoch,
        run=manifest.run,
        row_count=manifest.row_count,
        written_at=manifest.written_at,
        watermark=manifest.watermark,
    )


def _watermark(pipeline: Pipeline, newest: Manifest | None, pending: Override | None) -> str | None:
    if pipeline.incremental is None or not is_chained(pipeline):
        return None
    if pending is not None:
        return pipeline.incremental.initial if pending.kind == "reset" else pending.value
    if newest is None or newest.watermark is None:
        return pipeline.incremental.initial
    return newest.watermark.high


async def _differs(
    stores: Stores, pipeline: Pipeline, found: Hint | None, around: Neighbours
) -> str | None:
    newest, name = around.earlier, pipeline.name
    if found is None:
        return None if newest is None else f"there is none; `bronze state rebuild {name}` makes one"
    why = find_ahead(stores, pipeline, found, around)
    if why is not None:
        ends = (
            f"; the next run ends with STATE001. Put back what is missing, or go on from the data"
            f" with `bronze state rebuild {name}`"
        )
        return f"it is ahead of the data: {why}{ends if is_chained(pipeline) else ''}"
    named = newest
    if newest is None or newest.run_date != found.run_date:
        named = await read_partition(
            stores.target, pipeline.system, pipeline.entity, found.run_date
        )
    is_newest = newest is None or found.place >= hint_of(newest).place
    if named is not None and hint_of(named) == found and is_newest:
        return None
    return (
        f"it says {found.run_date}, generation {found.generation}, run {found.run}, and the"
        f" manifests, which are right, say otherwise; `bronze state rebuild {name}` corrects it"
    )


def _override(kept: Kept, around: Neighbours) -> OverrideStanding:
    newest = around.earlier
    recorded = None if newest is None else newest.override
    used_by = kept.used_by
    if newest is not None and recorded is not None and recorded.id == kept.override.id:
        used_by = Use(run_date=newest.run_date, generation=newest.generation, run=newest.run)
    status: Literal["pending", "used", "void"] = "void" if used_by is None else "used"
    if used_by is None and overrides.pending(kept, around) is not None:
        status = "pending"
    return OverrideStanding(override=kept.override, status=status, used_by=used_by)


async def _claim(store: Store, pipeline: Pipeline) -> Claim | None:
    if not is_chained(pipeline):
        return None
    claim = await claims.read(store, pipeline.system, pipeline.entity)
    return claim if claim is not None and claim.claimant is not None else None


async def _leases(
    store: Store, system: str, entity: str, dates: Sequence[date]
) -> tuple[Held, ...]:
    keys = {lease_key(system, entity, day) for day in (None, *dates)}
    if not isinstance(store, Locking):  # whose locks are hidden from listings
        prefix = f"_state/{system}/{entity}."
        found = {info.key async for info in store.scan(prefix)}
        keys |= {key for key in found if _is_of_a_date(key.removeprefix(prefix))}
    held: list[Held] = []
    for key in sorted(keys):
        holder = await find_holder(store, key)
        if holder is not None:
            held.append(_held(key, holder))
    return tuple(held)


def _is_of_a_date(name: str) -> bool:
    """Whether the lease is on a date of this entity: another's name may begin like ours."""
    day, _, suffix = name.rpartition(".")
    return suffix == "lease" and run_date_of(day) is not None


async def _unfinished(store: Store, system: str, entity: str) -> tuple[Unfinished, ...]:
    return tuple(
        [
            Unfinished(
                run_date=day,
                run=checkpoint.run,
                slices=len(checkpoint.slices),
                started_at=checkpoint.started_at,
                written_at=checkpoint.written_at,
            )
            async for day, checkpoint in checkpoints.find(store, system, entity)
        ]
    )


def _held(key: str, holder: Holder) -> Held:
    return Held(
        lease=key.removeprefix("_state/").removesuffix(".lease"),
        run=holder.run,
        host=holder.host,
        pid=holder.pid,
        since=holder.since,
    )
