"""What a curated table has yet to take in: early and late dates, in one listing and a few reads."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
import pyarrow as pa
import pytest

from bronze_engine.model.manifest import Load, Manifest
from bronze_engine.model.manifest_json import encode_manifest
from bronze_engine.model.part import ANY
from bronze_engine.model.silver import BronzeInput, SilverTable
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.clock import ManualClock
from bronze_engine.testing.faults import FaultyStore, Script
from bronze_engine.upkeep.table.pending import MOST_READ, count_pending
from tests.unit.silver.bronze import manifest

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

FIRST = date(2025, 1, 1)
NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


class Lake:
    """Bronze in a store whose clock is ours, and what a table holds of it."""

    def __init__(self) -> None:
        self.clock = ManualClock(start=NOON)
        self.script = Script()
        self.store = FaultyStore(MemoryStore(self.clock), self.script)
        self.inputs: dict[date, BronzeInput] = {}

    async def land(
        self, *numbers: int, generation: int = 1, epoch: int = 1, load: Load = "incremental"
    ) -> None:
        for number in numbers:
            made = msgspec.structs.replace(
                manifest(pa.schema([]), day(number), made_by=load),
                generation=generation,
                epoch=epoch,
            )
            key = f"myteam/orders/dt={day(number)}"
            await self.store.put(f"{key}/_metadata.json", encode_manifest(made), expect=ANY)
            await self.store.put(f"{key}/part-x.parquet", b"never read", expect=ANY)

    def hold(self, *numbers: int, generation: int = 1, epoch: int = 1) -> None:
        for number in numbers:
            self.inputs[day(number)] = BronzeInput(
                run_date=day(number),
                generation=generation,
                epoch=epoch,
                run="r1",
                rows=0,
                manifest_sha256="",
            )

    async def pending(self) -> int:
        """Of a table that was committed a day after NOON."""
        self.script.operations.clear()
        return await count_pending(self.store, self.table)

    @property
    def table(self) -> Manifest:
        return msgspec.structs.replace(
            manifest(pa.schema([]), max(self.inputs), made_by="incremental"),
            written_at=NOON + timedelta(days=1),
            silver=SilverTable(
                kind="state",
                history="current",
                deletes="tombstone",
                unique_columns=("id",),
                order_by=(),
                inputs=tuple(self.inputs.values()),
            ),
        )

    def reads(self) -> list[str]:
        return [key for method, key in self.script.operations if method == "get"]

    def listings(self) -> int:
        return sum(method == "scan" for method, _ in self.script.operations)


async def test_an_old_date_that_was_landed_again_is_pending() -> None:
    lake = Lake()
    await lake.land(0, 1, 2)
    lake.hold(0, 1, 2)
    assert await lake.pending() == 0
    assert lake.reads() == []
    await lake.clock.advance(2 * 86_400.0)
    await lake.land(0, generation=2)
    assert await lake.pending() == 1
    assert lake.reads() == [f"myteam/orders/dt={day(0)}/_metadata.json"]
    assert lake.listings() == 1


async def test_an_old_date_that_the_table_never_had_is_pending() -> None:
    lake = Lake()
    await lake.land(0, 1, 2, 3)
    lake.hold(1, 3)
    assert await lake.pending() == 2


async def test_what_was_committed_while_the_table_was_made_is_looked_at() -> None:
    lake = Lake()
    await lake.land(0, 1)
    lake.hold(0, 1)
    await lake.clock.advance(86_400.0 - 60)
    await lake.land(0, generation=2)
    assert await lake.pending() == 1


async def test_dates_of_an_earlier_epoch_do_not_count() -> None:
    lake = Lake()
    await lake.land(0, 1)
    await lake.land(2, 3, epoch=2)
    lake.hold(2, 3, epoch=2)
    assert await lake.pending() == 0
    await lake.land(4, epoch=3)
    assert await lake.pending() == 1


async def test_so_many_manifests_are_read_and_no_more() -> None:
    lake = Lake()
    await lake.land(*range(200))
    lake.hold(100)
    await lake.clock.advance(2 * 86_400.0)
    await lake.land(3, generation=2)
    assert await lake.pending() == MOST_READ
    assert lake.listings() == 1
    read = lake.reads()
    assert len(read) == MOST_READ
    assert f"myteam/orders/dt={day(3)}/_metadata.json" in read
    assert all(key.endswith("/_metadata.json") for key in read)
