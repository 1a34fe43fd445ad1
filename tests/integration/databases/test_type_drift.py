"""A table whose columns change between the partitions: what lands never narrows."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from bronze_engine.errors import ExtractError, QualityError
from tests.integration.databases.landing import Landing
from tests.integration.postgres import Database
from tests.unit.run.harness import manifest_of

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

FIRST, SECOND, THIRD = date(2025, 1, 15), date(2025, 1, 16), date(2025, 1, 17)
STAMPS = {"_load_date", "_source_system", "_source_entity"}


async def types(landing: Landing, day: date) -> dict[str, str]:
    manifest = await landing.manifest(day)
    return {column.name: column.type for column in manifest.schema if column.name not in STAMPS}


async def changes(landing: Landing, day: date) -> set[tuple[str, str]]:
    manifest = await landing.manifest(day)
    return {(change.change, change.column) for change in manifest.schema_changes}


async def test_columns_widen_and_stay_wide(database: Database, tmp_path: Path) -> None:
    database.execute(
        "CREATE TABLE growing (id int, amount numeric(8,2), note varchar(9), gone int, at date);"
        "INSERT INTO growing VALUES (1, 1.25, 'a', 1, '2025-01-15')"
    )
    landing = Landing(tmp_path, database, 'table = "growing"')
    await landing.run(FIRST)
    assert await types(landing, FIRST) == {
        "id": "int32", "amount": "decimal128(8, 2)", "note": "string", "gone": "int32",
        "at": "date32[day]",
    }  # fmt: skip
    database.execute(
        "ALTER TABLE growing ALTER id TYPE bigint, ALTER amount TYPE numeric(8,4),"
        " DROP gone, ADD came uuid, ALTER at TYPE timestamptz;"
        "INSERT INTO growing (id, amount) VALUES (9007199254740993, 1234.5678)"
    )
    await landing.run(SECOND)
    assert await types(landing, SECOND) == {
        "id": "int64", "amount": "decimal128(10, 4)", "note": "string", "at": "string",
        "came": "string",
    }  # fmt: skip
    assert await changes(landing, SECOND) == {
        ("widened", "id"), ("widened", "amount"), ("widened", "at"), ("added", "came"),
        ("removed", "gone"),
    }  # fmt: skip
    rows = (await landing.table(SECOND)).to_pylist()
    assert [(row["id"], str(row["amount"]), row["at"]) for row in rows] == [
        (1, "1.2500", "2025-01-15 00:00:00+00"),
        (9007199254740993, "1234.5678", None),
    ]
    database.execute(
        "DELETE FROM growing WHERE id > 1;"
        "ALTER TABLE growing ALTER id TYPE int, ALTER amount TYPE numeric(8,2)"
    )
    await landing.run(THIRD)
    now = await types(landing, THIRD)
    assert (now["id"], now["amount"]) == ("int64", "decimal128(10, 4)")
    assert await changes(landing, THIRD) == set()
    assert (await landing.table(THIRD)).to_pylist()[0]["id"] == 1


async def test_an_empty_partition_between_keeps_the_types(
    database: Database, tmp_path: Path
) -> None:
    database.execute("CREATE TABLE emptied (id bigint); INSERT INTO emptied VALUES (1)")
    landing = Landing(tmp_path, database, 'table = "emptied"')
    await landing.run(FIRST)
    database.execute("TRUNCATE emptied; ALTER TABLE emptied ALTER id TYPE int")
    assert (await landing.run(SECOND)).rows == 0
    database.execute("INSERT INTO emptied VALUES (2)")
    await landing.run(THIRD)
    assert await types(landing, SECOND) == await types(landing, THIRD) == {"id": "int64"}


async def test_a_frozen_contract_ends_the_run_before_a_row_is_read(
    database: Database, tmp_path: Path
) -> None:
    database.execute("CREATE TABLE frozen (id int); INSERT INTO frozen VALUES (1)")
    source = 'table = "frozen"\n[pipelines.team.orders.schema]\ncontract = "freeze"'
    landing = Landing(tmp_path, database, source)
    await landing.run(FIRST)
    await landing.run(SECOND)
    database.execute("ALTER TABLE frozen ADD came text")
    with pytest.raises(QualityError, match="'came' is new") as caught:
        await landing.run(THIRD)
    assert caught.value.code == "QUAL001"
    assert await manifest_of(landing.store, THIRD) is None


async def test_a_column_that_is_not_there_is_told_with_its_neighbours(
    database: Database, tmp_path: Path
) -> None:
    database.execute("CREATE TABLE spelt (created_at date)")
    landing = Landing(tmp_path, database, 'table = "spelt"\ncolumns = ["create_at"]')
    with pytest.raises(ExtractError, match="did you mean 'created_at'") as caught:
        await landing.run(FIRST)
    assert caught.value.code == "EXT001"
