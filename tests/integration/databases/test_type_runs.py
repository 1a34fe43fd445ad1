"""Whole runs over what is hard about tables: every type at once, many columns and none, huge
values, bytes that look like the beginnings of rows. What landed is read back from Parquet."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pytest

from bronze_engine.model.layout import VARIANT_SUFFIX
from tests.documents import Document
from tests.integration.databases.landing import Landing
from tests.integration.databases.printed import copied_text, differences
from tests.integration.databases.test_types import Prepared, cases_of, prepared, quote, session
from tests.integration.postgres import INSTALLATIONS, Database, PostgresServer

__all__ = ["prepared"]

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

STAMPS = ["_load_date", "_source_system", "_source_entity"]


async def printed(database: Database, sql: str) -> list[list[str | None]]:
    data = bytearray()

    async def take(chunk: bytes) -> None:
        data.extend(chunk)

    async with session(database) as connection:
        await connection.copy_from_query(sql, output=take, format="text")
    return copied_text(bytes(data))


async def check(database: Database, landed: pa.Table, sql: str) -> None:
    """Every value is as the server prints it, those of variant columns included."""
    rows = await printed(database, sql)
    assert landed.num_rows == len(rows)
    names = [name for name in landed.schema.names if name not in STAMPS]
    values = [name for name in names if not name.endswith(VARIANT_SUFFIX)]
    for place, name in enumerate(values):
        expected = [row[place] for row in rows]
        if name + VARIANT_SUFFIX in names:
            variant = landed[name + VARIANT_SUFFIX].to_pylist()
            kept = [text for text in variant if text is not None]
            assert kept == [
                text for text, own in zip(expected, variant, strict=True) if own is not None
            ]
            expected = [
                text if own is None else None for text, own in zip(expected, variant, strict=True)
            ]
        assert differences(landed[name].combine_chunks(), expected) == [], name


@pytest.mark.parametrize("version", INSTALLATIONS or [0])
async def test_a_table_of_every_type_comes_back_from_parquet(
    prepared: Prepared, version: int, tmp_path: Path
) -> None:
    database = prepared(version)
    cases = cases_of(version)
    columns = ", ".join(f"c{place} {case.declared}" for place, case in enumerate(cases))
    rows = []
    for number in range(max(len(case.values) + len(case.special) for case in cases)):
        hard = [(*case.values, *case.special) for case in cases]
        texts = [quote(each[number]) if number < len(each) else "NULL" for each in hard]
        rows.append(f"INSERT INTO every_type VALUES ({', '.join(texts)});")  # noqa: S608
    more = ", ".join(
        f"CASE WHEN random() < 0.1 THEN NULL ELSE ({case.random}) END" for case in cases
    )
    database.execute(
        f"CREATE TABLE every_type ({columns}); {' '.join(rows)}"  # noqa: S608
        f"INSERT INTO every_type SELECT {more} FROM generate_series(1, 2000) g;"
    )
    landing = Landing(tmp_path, database, 'table = "every_type"\non_special = "text"')
    report = await landing.run()
    assert report.rows == 2000 + len(rows)
    landed = await landing.table()
    await check(database, landed, "TABLE every_type")
    manifest = await landing.manifest()
    told = {column.name: column for column in manifest.schema}
    declared = {case.declared: told[f"c{place}"] for place, case in enumerate(cases)}
    assert declared["numeric(18,4)"].source_type == "numeric(18,4)"
    assert declared["integer[][]"].source_type == "integer[]"
    assert declared["share"].source_type == "share"
    assert all(column.nullable for column in manifest.schema)


@pytest.mark.parametrize("seed", range(8))
async def test_columns_of_any_types_in_any_order_land(
    prepared: Prepared, postgres: PostgresServer, tmp_path: Path, seed: int
) -> None:
    database = prepared(postgres.version)
    chance = random.Random(seed)
    cases = chance.choices(cases_of(postgres.version), k=chance.randint(2, 12))
    columns, values = [], []
    for place, case in enumerate(cases):
        nulls = chance.choice([0, 0.01, 0.5, 1])
        columns.append(f"c{place} {case.declared}{' NOT NULL' * (not nulls)}")
        values.append(f"CASE WHEN random() >= {nulls} THEN {case.random} END")
    database.execute(
        f"CREATE TABLE any{seed} ({', '.join(columns)});"  # noqa: S608
        f"INSERT INTO any{seed} SELECT {', '.join(values)} FROM generate_series(1, 3000) g"
    )
    landing = Landing(tmp_path, database, f'table = "any{seed}"')
    await landing.run()
    await check(database, await landing.table(), f"TABLE any{seed}")


async def test_sixteen_hundred_columns_land(database: Database, tmp_path: Path) -> None:
    columns = ", ".join(f"c{place} smallint" for place in range(1600))
    values = ", ".join("NULLIF(g % 7, 3)" for _ in range(1600))
    database.execute(
        f"CREATE TABLE wide ({columns}); INSERT INTO wide SELECT {values}"  # noqa: S608
        " FROM generate_series(1, 300) g;"
    )
    landing = Landing(tmp_path, database, 'table = "wide"')
    await landing.run()
    landed = await landing.table()
    assert landed.num_columns == 1600 + len(STAMPS)
    await check(database, landed, "TABLE wide")


@pytest.mark.slow
async def test_a_value_of_a_hundred_megabytes_lands_between_small_ones(
    database: Database, tmp_path: Path
) -> None:
    database.execute(
        "CREATE TABLE huge (id int, value text, data bytea);"
        "INSERT INTO huge SELECT g, 'small ' || g, NULL FROM generate_series(1, 100) g;"
        "INSERT INTO huge VALUES (101, repeat('0123456789', 10000000), '\\x00');"
        "INSERT INTO huge VALUES (102, '', decode(repeat('00', 50000000), 'hex'));"
        "INSERT INTO huge SELECT g, 'small ' || g, '\\x' FROM generate_series(103, 200) g;"
    )
    landing = Landing(tmp_path, database, 'table = "huge"')
    await landing.run()
    landed = await landing.table()
    assert landed["id"].to_pylist() == list(range(1, 201))
    texts = landed["value"].to_pylist()
    assert texts[100] == "0123456789" * 10_000_000
    assert (texts[99], texts[101], texts[102]) == ("small 100", "", "small 103")
    data = landed["data"].to_pylist()
    assert data[101] == bytes(50_000_000)
    assert (data[99], data[100], data[102]) == (None, b"\0", b"")


async def test_an_empty_table_is_a_commit_without_files(database: Database, tmp_path: Path) -> None:
    database.execute("CREATE TABLE empty (id bigint NOT NULL, tags text[])")
    landing = Landing(tmp_path, database, 'table = "empty"')
    report = await landing.run()
    assert report.rows == 0
    manifest = await landing.manifest()
    assert manifest.files == ()
    assert [(column.name, column.type, column.nullable) for column in manifest.schema][:2] == [
        ("id", "int64", False),
        ("tags", "list<item: string>", True),
    ]


@pytest.mark.parametrize("source", ['table = "bare"', 'query = "SELECT FROM bare"'])
async def test_rows_without_columns_land_as_the_stamps_alone(
    database: Database, tmp_path: Path, source: str
) -> None:
    database.execute(
        "CREATE TABLE IF NOT EXISTS bare (); TRUNCATE bare;"
        "INSERT INTO bare SELECT FROM generate_series(1, 1000)"
    )
    landing = Landing(tmp_path, database, source)
    report = await landing.run()
    assert report.rows == 1000
    landed = await landing.table()
    assert landed.schema.names == STAMPS
    assert landed.num_rows == 1000


async def test_bytes_full_of_false_beginnings_of_rows_are_no_rows(
    database: Database, tmp_path: Path
) -> None:
    # A row begins with 00 03 00 00 00 08; so do these values, at every offset of a word.
    database.execute(
        "CREATE TABLE traps (id bigint NOT NULL, data bytea, note text);"
        "INSERT INTO traps SELECT g, decode(repeat('00', g % 9)"
        " || repeat('000300000008' || lpad(to_hex(g), 16, '0'), g % 40), 'hex'),"
        " repeat(E'\\x01\\x03\\x01\\x01\\x01\\x08', g % 11) FROM generate_series(1, 20000) g;"
    )
    landing = Landing(tmp_path, database, 'table = "traps"')
    await landing.run()
    await check(database, await landing.table(), "TABLE traps")


async def test_rows_whose_first_columns_are_null_are_found(
    database: Database, tmp_path: Path
) -> None:
    database.execute(
        "CREATE TABLE nulls (a text, b int, c text[]);"
        "INSERT INTO nulls SELECT NULL, NULL, NULL FROM generate_series(1, 5000);"
        "INSERT INTO nulls SELECT NULLIF(repeat('x', g % 3), ''), NULLIF(g % 4, 0),"
        " CASE WHEN g % 5 > 0 THEN ARRAY['a', NULL] END FROM generate_series(1, 5000) g;"
    )
    landing = Landing(tmp_path, database, 'table = "nulls"')
    await landing.run()
    await check(database, await landing.table(), "TABLE nulls")


async def test_what_the_server_keeps_from_being_null_is_required_in_parquet(
    database: Database, tmp_path: Path
) -> None:
    database.execute(
        "CREATE TABLE required (id bigint PRIMARY KEY, amount numeric(9,2) NOT NULL, note text);"
        "INSERT INTO required SELECT g, g, NULL FROM generate_series(1, 10) g;"
        "CREATE VIEW seen AS SELECT * FROM required;"
    )
    landing = Landing(tmp_path, database, 'table = "required"')
    await landing.run()
    landed = await landing.table()
    assert [landed.schema.field(name).nullable for name in ("id", "amount", "note")] == [
        False,
        False,
        True,
    ]
    manifest = await landing.manifest()
    assert [(column.name, column.nullable) for column in manifest.schema][:3] == [
        ("id", False),
        ("amount", False),
        ("note", True),
    ]
    for source in ('table = "seen"', 'table = "required"\non_special = "null"'):
        landing = Landing(tmp_path, database, source)
        await landing.run()
        landed = await landing.table()
        assert landed.schema.field("amount").nullable, "it may become NULL, or nobody knows"


async def test_a_run_tells_what_became_of_special_values_and_nothing_that_is_not_so(
    database: Database, tmp_path: Path
) -> None:
    database.execute(
        'CREATE TABLE odd (id int, "Id" int, day date, list int[]);'
        "INSERT INTO odd VALUES (1, 2, 'infinity', '{{1}}'), (2, 3, '2025-01-15', '{1}')"
    )
    kept = 'table = "odd"\non_special = "text"\nrename = { Id = "other" }'
    report = await Landing(tmp_path, database, kept).run()
    told = [warning for warning in report.warnings if "old date" not in warning]
    assert told == [
        "2 values that their columns can't hold stand as text in the columns <name>__variant"
    ]
    report = await Landing(tmp_path, database, 'table = "odd"\non_special = "null"').run()
    told = [warning for warning in report.warnings if "old date" not in warning]
    assert [warning.split(":")[0].split(";")[0] for warning in told] == [
        "column 'Id' lands as 'Id_2'",
        "2 values that their columns can't hold landed as NULL",
    ]


async def test_a_numeric_that_a_configured_decimal_can_not_hold_is_special(
    database: Database, tmp_path: Path
) -> None:
    database.execute(
        "CREATE TABLE sums (amount numeric);"
        "INSERT INTO sums VALUES ('1.5'), ('-999.99'), ('1000'), ('0.001'), ('NaN'), ('1e-3'),"
        " ('7.000'), (NULL), ('99999999999999999999999999999999999999999999')"
    )
    types = '[pipelines.team.orders.schema.columns]\namount = "decimal(5,2)"'
    landing = Landing(tmp_path, database, f'table = "sums"\non_special = "text"\n{types}')
    await landing.run()
    landed = (await landing.table()).to_pylist()
    assert [None if row["amount"] is None else str(row["amount"]) for row in landed] == [
        "1.50", "-999.99", None, None, None, None, "7.00", None, None,
    ]  # fmt: skip
    assert [row["amount__variant"] for row in landed] == [
        None, None, "1000", "0.001", "NaN", "0.001", None, None, "9" * 44,
    ]  # fmt: skip


async def test_the_types_of_the_guide_land_as_it_says(database: Database, tmp_path: Path) -> None:
    database.execute(
        "CREATE TABLE guide (id int, amount numeric, ratio real, placed_at timestamptz,"
        " payload jsonb, tags text[]);"
        "INSERT INTO guide VALUES (1, 1.5, 0.5, '2025-01-15 12:00+01', '{\"a\": 1}', '{{a},{b}}')"
    )
    [types] = Document("docs/postgres-types.md").blocks("toml")
    types = types.replace("pipelines.myteam.", "pipelines.team.")
    landing = Landing(tmp_path, database, f'table = "guide"\n{types}')
    await landing.run()
    landed = await landing.table()
    assert [str(kind) for kind in landed.schema.types[:6]] == [
        "int64",
        "decimal128(38, 9)",
        "double",
        "timestamp[us, tz=Europe/Berlin]",
        "string",
        "string",
    ]
    [row] = landed.to_pylist()
    assert (row["payload"], row["tags"]) == ('{"a": 1}', "{{a},{b}}")
