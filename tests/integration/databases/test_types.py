"""Every type lands exactly: each hard value, and many random ones, against the server's own text.

What is compared is what COPY prints in its text format, which calls the types' output functions,
and what comes of the binary one. Tables have one column, which may be NULL: the hardest for
whoever looks for the beginnings of rows.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
import pyarrow as pa
import pytest

from bronze_engine.config.connection import PostgresConnection
from bronze_engine.config.database.postgres import OnSpecial, PostgresSourceConfig
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.errors import QualityError
from bronze_engine.model.layout import VARIANT_SUFFIX, Layout
from bronze_engine.sources.copy_binary.batch import CopyBinary
from bronze_engine.sources.postgres.catalogue import find_relation
from bronze_engine.sources.postgres.selection import Selection, select_columns
from bronze_engine.sources.postgres.session import local_settings
from tests.integration.databases.printed import copied_text, differences
from tests.integration.databases.type_cases import CASES, FUNCTIONS, TypeCase
from tests.integration.postgres import INSTALLATIONS, Database, PostgresServer, serve

pytestmark = pytest.mark.integration

HEADER_BYTES = 19
GROUP_BYTES = 1024**2
RANDOM_ROWS = 100_000

Prepared = Callable[[int], Database]


@asynccontextmanager
async def session(database: Database) -> AsyncIterator[Any]:
    """A connection in a transaction whose settings are those of a reading."""
    connection = await asyncpg.connect(database.dsn)
    try:
        async with connection.transaction(readonly=True):
            config = PostgresConnection(host="localhost")
            await connection.execute(local_settings(config, version=database.server.version))
            yield connection
    finally:
        await connection.close()


async def select(connection: Any, table: str, **source: Any) -> Selection:
    relation = await find_relation(connection, table)
    schema = SchemaConfig(columns=source.pop("types", {}))
    base: Layout | None = source.pop("base", None)
    config = PostgresSourceConfig(connection=PostgresConnection(), table=table, **source)
    return select_columns(relation.columns, config, schema, base, origin=str(relation))


async def read(
    connection: Any, selection: Selection, table: str, on_special: OnSpecial = "fail"
) -> tuple[pa.Table, dict[str, int]]:
    """The table as it lands, and how many special values it has."""
    decoder = CopyBinary(selection.fields, on_special=on_special)
    assert decoder.schema == pa.schema(
        [field.remove_metadata() for field in selection.layout.schema]
    )
    chunks: list[bytes] = []

    async def take(chunk: bytes) -> None:
        chunks.append(bytes(chunk))

    sql = f"SELECT {selection.sql} FROM {table} ORDER BY ctid"  # noqa: S608
    await connection.copy_from_query(sql, output=take, format="binary")
    chunks[0] = chunks[0][HEADER_BYTES:]
    batches: list[pa.RecordBatch] = []
    specials: dict[str, int] = {}
    group: list[bytes] = []
    for place, chunk in enumerate(chunks):
        group.append(chunk)
        if sum(map(len, group)) >= GROUP_BYTES or place == len(chunks) - 1:
            decoded = decoder.decode(group)
            group = []
            batches.append(decoded.batch)
            for name, count in decoded.specials.items():
                specials[name] = specials.get(name, 0) + count
    return pa.Table.from_batches(batches, schema=decoder.schema), specials


async def printed(connection: Any, table: str) -> list[list[str | None]]:
    data = bytearray()

    async def take(chunk: bytes) -> None:
        data.extend(chunk)

    sql = f"SELECT * FROM {table} ORDER BY ctid"  # noqa: S608
    await connection.copy_from_query(sql, output=take, format="text")
    return copied_text(bytes(data))


@cache
def has(version: int, need: str) -> bool:
    """Whether this build of PostgreSQL has an extension, or was built with libxml."""
    programs = INSTALLATIONS[version]
    if need == "libxml":
        return b"libxml2.so" in (programs / "postgres").read_bytes()
    folders = (programs.parent / "share", Path(f"/usr/share/postgresql/{version}"))
    return any(list(folder.glob(f"**/extension/{need}.control")) for folder in folders)


def cases_of(version: int) -> list[TypeCase]:
    return [
        case
        for case in CASES
        if case.since <= version and (not case.needs or has(version, case.needs))
    ]


EVERYWHERE = [
    pytest.param(version, case, id=f"pg{version}-{case.name}")
    for version in INSTALLATIONS
    for case in cases_of(version)
] or [pytest.param(0, CASES[0], id="nowhere")]
ON_NEWEST = [
    pytest.param(max(versions), case, id=case.name)
    for case in CASES
    if (versions := [version for version in INSTALLATIONS if case in cases_of(version)])
] or [pytest.param(0, CASES[0], id="nowhere")]


@pytest.fixture(scope="module")
def prepared(postgres: PostgresServer) -> Iterator[Callable[[int], Database]]:
    """Gives a database with all that the cases need, of a server of that version."""
    with ExitStack() as stack:

        @cache
        def database_of(version: int) -> Database:
            newest = version == postgres.version
            server = postgres if newest else stack.enter_context(serve(version))
            database = server.create_database()
            setups = dict.fromkeys(case.setup for case in cases_of(version))
            database.execute("\n".join([FUNCTIONS, *setups]))
            return database

        yield database_of


def create(database: Database, case: TypeCase, *, random_rows: int = 0) -> str:
    """A table of one column with the case's values, NULL first."""
    table = f"t_{uuid.uuid4().hex}"
    literals = ", ".join(f"({quote(value)})" for value in (*case.values, *case.special))
    database.execute(f"""
        CREATE UNLOGGED TABLE {table} (value {case.declared});
        INSERT INTO {table} VALUES (NULL);
        INSERT INTO {table} SELECT value::{case.declared} FROM (VALUES {literals}) v (value);
        SELECT setseed(0.5);
        INSERT INTO {table} SELECT CASE WHEN random() < 0.1 THEN NULL ELSE ({case.random}) END
            FROM generate_series(1, {random_rows}) g;
    """)  # noqa: S608
    return table


@pytest.fixture(scope="module")
def filled(prepared: Prepared) -> Iterator[Callable[[int, TypeCase], str]]:
    """Gives the table of a case with its random rows.

    The server fills those of the cases to come while this process compares.
    """
    with ThreadPoolExecutor(1) as pool:

        @cache
        def tables_of(version: int) -> dict[str, Future[str]]:
            database = prepared(version)
            return {
                case.name: pool.submit(create, database, case, random_rows=RANDOM_ROWS)
                for case in cases_of(version)
            }

        yield lambda version, case: tables_of(version)[case.name].result()
        pool.shutdown(cancel_futures=True)


def quote(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


async def check(database: Database, case: TypeCase, table: str) -> None:
    """All values of the table are exact, and the special ones are those that the case names."""
    async with session(database) as connection:
        selection = await select(connection, table, on_special="text")
        [column] = selection.columns
        assert str(column.field.type) == case.arrow
        assert ("text" if "::" in column.sql or "(" in column.sql else "binary") == case.how
        landed, specials = await read(connection, selection, table, "text")
        expected = [row[0] for row in await printed(connection, table)]
    value = landed["value"].combine_chunks()
    variant: list[str | None] = [None] * len(value)
    if "value" + VARIANT_SUFFIX in landed.schema.names:
        variant = landed["value" + VARIANT_SUFFIX].to_pylist()
    special = {place for place, text in enumerate(variant) if text is not None}
    assert [variant[place] for place in special] == [expected[place] for place in special]
    rest = [None if place in special else text for place, text in enumerate(expected)]
    assert differences(value, rest) == []
    first = 1 + len(case.values)
    assert special == set(range(first, first + len(case.special)))
    assert specials == ({"value": len(special)} if special else {})


on_every_version = pytest.mark.parametrize(("version", "case"), EVERYWHERE)
on_the_newest = pytest.mark.parametrize(("version", "case"), ON_NEWEST)


@on_every_version
@pytest.mark.asyncio
async def test_hard_values_are_exact_or_special(
    prepared: Prepared, version: int, case: TypeCase
) -> None:
    database = prepared(version)
    await check(database, case, create(database, case, random_rows=200))


@on_the_newest
@pytest.mark.slow
@pytest.mark.asyncio
async def test_a_hundred_thousand_random_values_are_exact(
    prepared: Prepared,
    filled: Callable[[int, TypeCase], str],
    version: int,
    case: TypeCase,
) -> None:
    await check(prepared(version), case, filled(version, case))


@on_the_newest
@pytest.mark.asyncio
async def test_a_special_value_fails_or_lands_as_null(
    prepared: Prepared, version: int, case: TypeCase
) -> None:
    database = prepared(version)
    table = create(database, case)
    async with session(database) as connection:
        selection = await select(connection, table)
        if not case.special:
            _, specials = await read(connection, selection, table)
            assert specials == {}
            return
        shown = (await printed(connection, table))[1 + len(case.values)][0]
        with pytest.raises(QualityError) as caught:
            await read(connection, selection, table)
        assert f"{shown}, which" in str(caught.value), "the value as the server prints it"
        assert '"value"' in str(caught.value)
        landed, specials = await read(connection, selection, table, "null")
    assert specials == {"value": len(case.special)}
    assert landed["value"].null_count == 1 + len(case.special)


SHAPES = {
    "boolean": "random() < 0.5",
    "smallint": "(big() % 32768)::smallint",
    "bigint": "big()",
    "real": "(random() * power(10, (random() * 70 - 36)::int))::real",
    "double precision": "(random() - 0.5) * power(2::float8, (random() * 2000 - 1000)::int)",
    "numeric(20,5)": "digits(20) / 100000",
    "text": "word()",
    "bytea": "convert_to(word(), 'UTF8')",
    "uuid": "md5(random()::text)::uuid",
    "jsonb": "jsonb_build_array(word())",
    "date": "'0001-06-01'::date + (big() % 800000)::int",
    "time": "'00:00'::time + abs(big() % 86400000000) * interval '1 us'",
    "timestamp": "'0001-06-01'::timestamp + big() % 80000000000000000 * interval '1 us'",
    "timestamptz": "'2025-06-01'::timestamptz + big() % 80000000000000000 * interval '1 us'",
    "oid": "(abs(big() % 4294967296))::oid",
    "xid8": "(abs(big()::numeric) * 2)::text::xid8",
}


@pytest.mark.asyncio
@pytest.mark.parametrize("element", SHAPES)
async def test_arrays_of_any_other_shape_are_printed_as_the_server_prints_them(
    prepared: Prepared, element: str
) -> None:
    database = prepared(max(INSTALLATIONS))
    table = f"t_{uuid.uuid4().hex}"
    value = f"CASE WHEN random() < 0.1 THEN NULL ELSE ({SHAPES[element]}) END"
    row = f"[{value}, {value}, {value}]"
    database.execute(f"""
        CREATE TABLE {table} (value {element}[]);
        INSERT INTO {table} SELECT ARRAY[{row}, {row}] FROM generate_series(1, 500) g;
        INSERT INTO {table} SELECT format('[%s:%s]=%s', g - 9, g - 7, (ARRAY{row})::text)::
            {element}[] FROM generate_series(1, 9) g WHERE g <> 10;
    """)  # noqa: S608
    async with session(database) as connection:
        selection = await select(connection, table, on_special="text")
        landed, specials = await read(connection, selection, table, "text")
        expected = [each[0] for each in await printed(connection, table)]
    assert specials == {"value": 509}
    assert landed["value__variant"].to_pylist() == expected
