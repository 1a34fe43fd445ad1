"""Rows of a file that is written anew: those that stay, exactly and in their order."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine.encode.indices import INDICES
from bronze_engine.errors import StoreError
from bronze_engine.model.arrow import Field
from bronze_engine.model.part import DataFile
from bronze_engine.silver.database.database import Database
from bronze_engine.silver.database.rewriting import rewriting
from bronze_engine.silver.database.spill import open_spill
from bronze_engine.silver.merge.held import HeldFile
from bronze_engine.silver.merge.survivors import Survivors, ended, rows_left
from bronze_engine.workers import Workers

pytestmark = pytest.mark.unit

ROWS: Final = 150_000
WIDE: Final = pa.decimal256(50, 3)
FIELDS: Final[list[Field]] = [
    pa.field("n", pa.int64()),
    pa.field("amount", WIDE),
    pa.field("at", pa.timestamp("ns", "Europe/Berlin")),
    pa.field("is_current", pa.bool_()),
]
SCHEMA: Final = pa.schema(FIELDS)


def table(start: int, count: int) -> pa.Table:
    numbers = pa.array(range(start, start + count), pa.int64())
    amounts = pa.array([Decimal("1e40") + Decimal("0.125")] * count, WIDE)
    instants = numbers.cast(FIELDS[2].type)
    current = pa.array([number % 3 == 0 for number in range(start, start + count)])
    return pa.table([numbers, amounts, instants, current], schema=SCHEMA)


def held(folder: Path, name: str, rows: pa.Table) -> HeldFile:
    path = folder / name
    pq.write_table(rows, path, row_group_size=40_000)
    file = DataFile(name=name, size_bytes=1, sha256="", row_count=rows.num_rows)
    return HeldFile(file=file, path=path, schema=rows.schema)


async def left(
    folder: Path, survivors: Survivors, gone: str | None, *, as_indices: bool = False
) -> pa.Table:
    with Workers(2) as workers:
        async with (
            open_spill(str(folder), "r", workers) as spill,
            Database(workers, spill, memory_bytes=64 * 1024**2) as database,
        ):
            if gone is not None:
                await database.execute(f"CREATE TABLE gone AS {gone}")
            async with rows_left(survivors, database, workers, as_indices=as_indices) as steps:
                batches = [batch async for batch in steps]
            schema = batches[0].schema if as_indices else survivors.schema
            return pa.Table.from_batches(batches, schema)


def survivors(*files: HeldFile, gone: str | None, schema: pa.Schema = SCHEMA) -> Survivors:
    return Survivors(files=tuple(enumerate(files)), gone=gone, schema=schema, splits=False)


@pytest.mark.asyncio
async def test_what_stays_is_what_stood_in_its_order(tmp_path: Path) -> None:
    files = [held(tmp_path, "a", table(0, ROWS)), held(tmp_path, "b", table(ROWS, 10))]
    places = (
        f"SELECT 0 AS file, range AS nth FROM range(0, {ROWS}, 7) UNION ALL SELECT 1, 9"
        " UNION ALL SELECT 1, 0"
    )
    found = await left(tmp_path, survivors(*files, gone="gone"), places)
    whole = table(0, ROWS + 10)
    stays = [n for n in range(ROWS) if n % 7] + list(range(ROWS + 1, ROWS + 9))
    assert found.equals(whole.take(stays))


@pytest.mark.asyncio
async def test_without_rows_that_go_all_stay(tmp_path: Path) -> None:
    found = await left(tmp_path, survivors(held(tmp_path, "a", table(0, 9)), gone=None), None)
    assert found.equals(table(0, 9))


@pytest.mark.asyncio
async def test_a_column_that_came_later_is_null(tmp_path: Path) -> None:
    schema = SCHEMA.insert(1, pa.field("extra", pa.list_(pa.int8())))
    file = held(tmp_path, "a", table(0, 3))
    found = await left(tmp_path, survivors(file, gone=None, schema=schema), None)
    assert found.schema == schema
    assert found.column("extra").null_count == 3
    assert found.drop_columns(["extra"]).equals(table(0, 3))


@pytest.mark.asyncio
async def test_texts_that_repeat_come_as_they_are_stored(tmp_path: Path) -> None:
    texts = pa.array([("", "new", "paid", None)[n % 4] for n in range(90_000)])
    names = pa.array([f"name {n}" for n in range(90_000)])
    rows = table(0, 90_000).append_column("status", texts).append_column("name", names)
    file = held(tmp_path, "a", rows)
    some = survivors(file, gone="gone", schema=rows.schema.append(pa.field("new", pa.string())))
    places = "SELECT 0 AS file, range AS nth FROM range(0, 90000, 5)"
    found = await left(tmp_path, some, places, as_indices=True)
    kinds = [found.schema.field(name).type for name in ("status", "name", "new")]
    assert kinds == [INDICES, pa.string(), pa.string()]
    values = found.cast(some.schema)
    assert values.equals(await left(tmp_path, some, places))
    assert values.drop_columns(["new"]).equals(rows.take([n for n in range(90_000) if n % 5]))


@pytest.mark.asyncio
async def test_types_that_were_carried_for_duckdb_come_back(tmp_path: Path) -> None:
    file = held(tmp_path, "a", table(0, 5))
    carried = tmp_path / "carried"
    for _ in rewriting(file.path, carried):
        pass
    assert pq.read_schema(carried).field("amount").type == pa.string()
    file = HeldFile(file=file.file, path=carried, schema=SCHEMA)
    places = "SELECT 0 AS file, 1 AS nth"
    found = await left(tmp_path, survivors(file, gone="gone"), places)
    assert found.equals(table(0, 5).take([0, 2, 3, 4]))


@pytest.mark.asyncio
async def test_a_file_that_is_no_parquet_is_stg001(tmp_path: Path) -> None:
    file = held(tmp_path, "a", table(0, 3))
    file.path.write_bytes(b"PAR1 no more")
    with pytest.raises(StoreError, match=r"a of the table can't be read .*--rebuild"):
        await left(tmp_path, survivors(file, gone=None), None)


def test_current_rows_go_apart() -> None:
    batch = table(0, 7).to_batches()[0]
    current, others = ended(batch)
    assert current.column(0).to_pylist() == [0, 3, 6]
    assert others.column(0).to_pylist() == [1, 2, 4, 5]
