"""What stands committed around a date, and the request that follows from it. Only reads."""

from __future__ import annotations

from datetime import date

import msgspec

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.source import FilesSourceConfig
from bronze_engine.contracts import Request
from bronze_engine.decode.schema import base_layout
from bronze_engine.model.manifest import partition_path
from bronze_engine.plan.request import follows_full_load, make_request
from bronze_engine.plan.window import begins_epoch, is_chained
from bronze_engine.publish.base import Base, read_base
from bronze_engine.run.ahead import check_ahead
from bronze_engine.run.services import Identity, Stores
from bronze_engine.state import overrides
from bronze_engine.state.landed_before import read_landed_before
from bronze_engine.state.partitions import max_epoch, read_neighbours

__all__ = ["Survey", "survey"]


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """The partition as it stands, and what is to be read into it."""

    partition: str
    base: Base
    request: Request
    later: date | None = None
    """The first date after it that is committed, where that is what ends the window."""


async def survey(
    stores: Stores,
    pipeline: Pipeline,
    run_date: date,
    identity: Identity,
    *,
    full_refresh: bool = False,
    adopt: bool = False,
) -> Survey:
    """Read the manifests around a date, and plan. Raises StateError, StoreError."""
    store, system, entity = stores.target, pipeline.system, pipeline.entity
    partition = partition_path(system, entity, run_date)
    base = await read_base(store, partition, pipeline=pipeline.name, adopt=adopt)
    around = await read_neighbours(store, system, entity, run_date)
    override = None
    if not full_refresh and is_chained(pipeline):
        override = overrides.pending(await overrides.read(stores.state, system, entity), around)
        is_reset = override is not None and override.kind == "reset"
        if is_reset:
            full_refresh = True
        else:
            await check_ahead(stores, pipeline, around)
    epoch = 0
    if begins_epoch(pipeline, full_refresh=full_refresh) or follows_full_load(pipeline, around):
        epoch = 1 + await max_epoch(store, system, entity)
    request = make_request(
        pipeline,
        run_date=run_date,
        run=identity.run,
        started_at=identity.started_at,
        neighbours=around,
        new_epoch=epoch,
        base=None if around.earlier is None else base_layout(around.earlier),
        override=override,
    )
    if isinstance(pipeline.source, FilesSourceConfig) and pipeline.incremental and not epoch:
        landed = await read_landed_before(store, system, entity, run_date, request.epoch)
        request = msgspec.structs.replace(request, landed=landed)
    later = around.later if request.cap is not None else None
    return Survey(
        partition=partition,
        base=base,
        request=request,
        later=None if later is None else later.run_date,
    )
