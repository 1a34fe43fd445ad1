"""Every type lands exactly: each hard value, and many random ones, against the server's own text.

What is compared is what COPY prints in its text format, which calls the types' output functions,
and what comes of the binary one. Tables have one column, which may be NULL: the hardest for
whoever looks for the beginnings of rows.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
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
        CREATE TABLE {table} (value {case.declared});
        INSERT INTO {table} VALUES (NULL);
        INSERT INTO {table} SELECT value::{case.declared} FROM (VALUES {literals}) v (value);
        SELECT setseed(0.5);
        INSERT INTO {table} SELECT CASE WHEN random() < 0.1 THEN NULL ELSE ({case.random}) END
            FROM generate_series(1, {random_rows}) g;
    """)  # noqa: S608
    return table


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


Prepared = Callable[[int], Database]
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
    prepared: Prepared, version: int, case: TypeCase
) -> None:
    database = prepared(version)
    await check(database, case, create(database, case, random_rows=RANDOM_ROWS))


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
