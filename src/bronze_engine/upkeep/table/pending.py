"""How many generations of Bronze a curated table has yet to take in, for whoever watches many.

A run reads the manifests of all dates. Here one listing says which of them can be news: dates that
the table does not hold, and dates whose manifest was written since the table was committed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final

from bronze_engine.contracts import Store
from bronze_engine.flow import each
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.silver import BronzeInput
from bronze_engine.state.partitions import find_manifests, read_partition

__all__ = ["MOST_READ", "count_pending"]

MOST_READ: Final = 64
"""Manifests of one pipeline. More dates than these are news only where a table is two months
behind, or has never taken in what is older than its epoch: the newest are looked at."""

_AT_ONCE: Final = 16
_SKEW: Final = timedelta(hours=1)
"""Between the clocks of the store and of who committed the table."""


async def count_pending(store: Store, table: Manifest) -> int:
    """New dates, and dates that were landed again, whether early or late ones.

    Of dates that would not count (those of an earlier epoch) none. At most `MOST_READ`. Raises
    StateError for a manifest that can't be read, StoreError.
    """
    assert table.silver is not None  # noqa: S101  # asked of tables alone
    held = {one.run_date: one for one in table.silver.inputs}
    written = await find_manifests(store, table.system, table.entity)
    landed = await _read(store, table, _suspects(written, held, table))
    if not landed:
        return 0
    newest = max({*landed, *held})
    if newest in landed:
        load, epoch = landed[newest].load, landed[newest].epoch
    else:
        load, epoch = table.load, held[newest].epoch
    return sum(
        (one.load == "full" if load == "full" else one.epoch == epoch)
        and (day not in held or held[day].generation != one.generation)
        for day, one in landed.items()
    )


def _suspects(
    written: Mapping[date, datetime], held: Mapping[date, BronzeInput], table: Manifest
) -> list[date]:
    """The likeliest first: those that were written since, then the newest."""
    began = table.written_at - timedelta(seconds=table.duration_seconds) - _SKEW
    found = [(at >= began, day) for day, at in written.items() if day not in held or at >= began]
    return [day for _, day in sorted(found, reverse=True)[:MOST_READ]]


async def _read(store: Store, table: Manifest, days: list[date]) -> dict[date, Manifest]:
    found: dict[date, Manifest] = {}

    async def read(day: date) -> None:
        manifest = await read_partition(store, table.system, table.entity, day)
        if manifest is not None:
            found[day] = manifest

    await each(days, read, at_once=_AT_ONCE)
    return found
