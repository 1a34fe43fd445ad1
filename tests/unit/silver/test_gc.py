"""Garbage of a Silver table: what a killed run has staged or completed goes, behind a fence."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

import pyarrow as pa
import pytest

from bronze_engine import open_engine
from bronze_engine.errors import StateError
from bronze_engine.model.garbage import GcReport
from bronze_engine.publish.names import data_name, deleted_name

from .holding import held
from .lake import NAME, Lake
from .oracle import Landed, Table

pytestmark = pytest.mark.unit

DAY: Final = date(2025, 3, 1)
NEXT: Final = date(2025, 3, 2)
TABLE: Final = Table(columns=("id", "at"), keys=("id",), order=("at",))
NAMES: Final = [
    data_name(generation=generation, run="dead", slice=0, number=0) for generation in (1, 2)
] + [deleted_name(generation=2, run="dead", slice=1, number=0)]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    schema = pa.schema([("id", pa.int64()), ("at", pa.int64())])
    made = Lake(tmp_path, TABLE, schema, load="incremental")
    made.land(Landed(run_date=DAY, files=(({"id": 1, "at": 1}, {"id": 2, "at": 1}),)))
    return made


def leave(lake: Lake, names: list[str]) -> None:
    for name in names:
        path = lake.silver / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"dead")


async def collect(lake: Lake, *, delete: bool) -> GcReport:
    async with open_engine(lake.config()) as engine:
        return await engine.gc(NAME, delete=delete)


@pytest.mark.asyncio
async def test_what_a_killed_run_left_goes_behind_a_fence(lake: Lake) -> None:
    async with open_engine(lake.config()) as engine:
        await engine.silver(NAME)
    before = lake.rows()
    leave(lake, NAMES)
    looked = await collect(lake, delete=False)
    keys = sorted(f"silver/team/orders/{name}" for name in NAMES)
    assert sorted(one.key for one in looked.garbage) == keys
    assert {one.kind for one in looked.garbage} == {"data", "deleted"}
    assert not any(one.removed for one in looked.garbage)
    assert sorted(lake.unowned()) == sorted(NAMES)
    report = await collect(lake, delete=True)
    assert sorted(one.key for one in report.garbage if one.removed) == keys
    (fenced,) = report.fenced
    assert (fenced.partition, fenced.generation) == ("silver/team/orders", 2)
    assert lake.unowned() == []
    assert lake.rows() == before
    assert (await collect(lake, delete=True)).garbage == ()
    async with open_engine(lake.config()) as engine:
        unchanged = await engine.silver(NAME)
    assert (unchanged.generation, unchanged.silver and unchanged.silver.mode) == (2, None)


@pytest.mark.asyncio
async def test_a_first_run_that_was_killed_leaves_a_void_manifest_and_no_table(lake: Lake) -> None:
    leave(lake, NAMES[:1])
    report = await collect(lake, delete=True)
    assert [one.key for one in report.garbage if one.removed] == [f"silver/team/orders/{NAMES[0]}"]
    async with open_engine(lake.config()) as engine:
        with pytest.raises(StateError, match="void"):
            await engine.verify(NAME, silver=True)
        committed = await engine.silver(NAME)
    assert (committed.generation, committed.rows) == (2, 2)


@pytest.mark.asyncio
@pytest.mark.parametrize("delete", [False, True])
async def test_a_table_that_is_being_made_is_left_alone(lake: Lake, delete: bool) -> None:
    leave(lake, NAMES[:1])
    async with held(lake, "r9"):
        report = await collect(lake, delete=delete)
    assert report.garbage == ()
    (skipped,) = report.skipped
    assert skipped.place == "silver/team/orders"
    assert "run r9 works on it" in skipped.reason
    assert lake.unowned() == NAMES[:1]


@pytest.mark.asyncio
async def test_a_strangers_files_are_told_and_never_touched(lake: Lake) -> None:
    async with open_engine(lake.config()) as engine:
        await engine.silver(NAME)
    leave(lake, ["notes.txt"])
    report = await collect(lake, delete=True)
    assert report.unknown == ("silver/team/orders/notes.txt",)
    assert lake.unowned() == ["notes.txt"]


@pytest.mark.asyncio
@pytest.mark.parametrize("wrong", ["another date", "a table", "a date for the table"])
async def test_nothing_is_garbage_beside_a_manifest_that_belongs_elsewhere(
    lake: Lake, wrong: str
) -> None:
    """Someone has put back the wrong copy: all that lies there is what it does not name."""
    lake.land(Landed(run_date=NEXT, files=(({"id": 3, "at": 2},),)))
    async with open_engine(lake.config()) as engine:
        await engine.silver(NAME)
    dates = [lake.root / f"team/orders/dt={day}/_metadata.json" for day in (DAY, NEXT)]
    table = lake.silver / "_metadata.json"
    source, place = {
        "another date": (dates[0], dates[1]),
        "a table": (table, dates[1]),
        "a date for the table": (dates[1], table),
    }[wrong]
    place.write_bytes(source.read_bytes().replace(b'"generation": 1', b'"generation": 7'))
    before = sorted(lake.root.rglob("*.parquet"))
    report = await collect(lake, delete=True)
    (fault,) = report.faults
    assert f"{place.parent.relative_to(lake.root)}/_metadata.json is the manifest of" in fault.fault
    assert report.garbage == ()
    assert sorted(lake.root.rglob("*.parquet")) == before
