"""Reports of batches: kept while a batch runs, so that what it left can be run after any end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from bronze_engine.contracts import Store
from bronze_engine.errors import BronzeError, ConfigError
from bronze_engine.model.batch import BatchReport
from bronze_engine.run.services import Services
from bronze_engine.shield import finish
from bronze_engine.state import batches

__all__ = ["keep_batch", "kept_batch"]

OpenStore = Callable[[], Awaitable[Store]]

_SECONDS: Final = 10.0
"""Nobody waits longer for a store to take a report."""


async def keep_batch(
    report: BatchReport, mask: Callable[[str], str], open_store: OpenStore, services: Services
) -> tuple[str, ...]:
    """Store the report, also where the caller is cancelled meanwhile. Returns warnings.

    `mask` takes the secrets out of both: in a worker, for thousands of runs have as many texts.
    Never raises for the store's faults: what the report tells of has happened.
    """

    def body_of() -> bytes:
        return batches.encode(report.without_reports().masked(mask))

    async def write() -> tuple[str, ...]:
        with suppress(TimeoutError):
            async with services.clock.timeout(_SECONDS):
                try:
                    body = await services.workers.run(body_of)
                    return await batches.write(await open_store(), report.batch, body)
                except BronzeError as exc:
                    return (f"the report of batch {report.batch} was not written: {exc}",)
        return (f"the report of batch {report.batch} was not written in {_SECONDS:.0f} s",)

    warnings = await finish(write, grace_seconds=services.grace_seconds)
    return tuple(map(mask, warnings))


async def kept_batch(
    batch: str, shard: str | None, open_store: OpenStore, services: Services
) -> BatchReport:
    """The stored report of a batch; `last` is the one of `shard` that began last.

    Raises ConfigError where there is none, StateError where it can't be read, StoreError.
    """
    store = await open_store()
    found = batch
    if batch == "last":
        newest = await batches.last(store, services.clock.now(), shard)
        if newest is None:
            of = "" if shard is None else f" of shard {shard}"
            raise ConfigError(f"{store.url} has no report of a batch{of}: none was run yet")
        found = newest
    body = await batches.read(store, found)
    if body is None:
        newest = await batches.last(store, services.clock.now(), shard)
        known = "; there is none yet" if newest is None else f'; the last one is "{newest}"'
        raise ConfigError(f'{store.url} has no report of batch "{found}"{known}')
    return await services.workers.run(batches.decode, body, batches.key_of(found) or found)
