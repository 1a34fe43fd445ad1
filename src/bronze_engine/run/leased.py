"""Work that is done under a lease, which is renewed meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import TypeVar

import anyio

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.flow import CANCELLED_WITHIN, ungrouped
from bronze_engine.plan.window import is_chained
from bronze_engine.publish.lease import hold_lease, lease_key, this_process
from bronze_engine.run.services import Identity, Services, Stores

__all__ = ["lease_of", "under_lease"]

T = TypeVar("T")


def lease_of(pipeline: Pipeline, run_date: date) -> str:
    """The key of the lease that a run of this date holds."""
    # Chained windows depend on each other, so a chain is held as a whole.
    day = None if is_chained(pipeline) else run_date
    return lease_key(pipeline.system, pipeline.entity, day)


async def under_lease(
    stores: Stores,
    key: str,
    identity: Identity,
    services: Services,
    work: Callable[[], Awaitable[T]],
    *,
    wait_seconds: float = 0.0,
) -> T:
    """Hold the lease `key` while `work` is done. Raises StateError where another holds it."""
    holder = this_process(identity.run, identity.attempt, services.clock)
    async with hold_lease(
        stores.state, key, holder, services.clock, wait_seconds=wait_seconds
    ) as lease:
        results: list[T] = []
        with ungrouped():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lease.keep)
                results.append(await work())
                tasks.cancel_scope.cancel()
    if not results:
        raise RuntimeError(CANCELLED_WITHIN)
    return results[0]
