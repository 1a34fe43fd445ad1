"""What the catalogue tells of relations and queries, on each version of the server."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
import trustme

from bronze_engine.errors import ConfigError, ExtractError
from bronze_engine.sources.postgres.catalogue import (
    CatalogueColumn,
    columns_of_query,
    find_relation,
)
from tests.integration.databases.front import front
from tests.integration.postgres import Database, PostgresServer

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

SCHEMA = """
CREATE SCHEMA sales;
CREATE DOMAIN sales.cents AS numeric(9,2);
CREATE DOMAIN sales.price AS sales.cents NOT NULL;
CREATE DOMAIN sales.grid AS numeric(7,3)[][];
CREATE TYPE sales.mood AS ENUM ('sad', 'ok');
CREATE TABLE sales.orders (
    id bigint GENERATED ALWAYS AS IDENTITY,
    "Odd ""Name" text NOT NULL,
    dropped int,
    price sales.price,
    prices sales.price[],
    grid sales.grid,
    deep int[][][] NOT NULL,
    moods sales.mood[],
    exact numeric(18,4) NOT NULL,
    twice numeric GENERATED ALWAYS AS (exact * 2) STORED,
    vector int2vector,
    PRIMARY KEY ("Odd ""Name", id)
);
ALTER TABLE sales.orders DROP COLUMN dropped;
INSERT INTO sales.orders ("Odd ""Name", price, deep, exact)
    SELECT 'x', g, '{}', g FROM generate_series(1, 5000) g;
ANALYZE sales.orders;
CREATE TABLE "x.y" (id int NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE part1 PARTITION OF "x.y" FOR VALUES FROM (0) TO (1000);
CREATE TABLE part2 PARTITION OF "x.y" FOR VALUES FROM (1000) TO (9000);
INSERT INTO "x.y" SELECT g FROM generate_series(0, 4999) g;
ANALYZE "x.y";
CREATE VIEW seen AS SELECT * FROM sales.orders;
CREATE MATERIALIZED VIEW kept AS SELECT id FROM "x.y";
CREATE TABLE parent (id int NOT NULL);
CREATE TABLE child () INHERITS (parent);
CREATE SEQUENCE counter;
CREATE TABLE nothing ();
"""


@pytest.fixture(scope="module")
def catalogued(any_postgres: PostgresServer) -> Database:
    database = any_postgres.create_database()
    database.execute(SCHEMA)
    return database


@asynccontextmanager
async def read_only(database: Database, user: str | None = None) -> AsyncIterator[Any]:
    """A connection in a READ ONLY transaction: all that a standby has."""
    dsn = database.dsn
    if user is not None:
        server = database.server
        host = quote(str(server.folder), safe="")
        dsn = f"postgresql://{user}@/{database.name}?host={host}&port={server.port}"
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction(readonly=True):
            yield connection
    finally:
        await connection.close()


def by_name(columns: tuple[CatalogueColumn, ...]) -> dict[str, CatalogueColumn]:
    return {column.name: column for column in columns}


async def test_types_come_to_what_they_are_below_domains_and_arrays(catalogued: Database) -> None:
    async with read_only(catalogued) as connection:
        relation = await find_relation(connection, "Sales.Orders")
    columns = by_name(relation.columns)
    assert list(columns) == [
        "id", 'Odd "Name', "price", "prices", "grid", "deep", "moods", "exact", "twice", "vector",
    ]  # fmt: skip
    told = {
        name: (column.source_type, column.type_name, column.is_array, column.dimensions)
        for name, column in columns.items()
    }
    assert told["price"] == ("sales.price", "numeric", False, 0)
    assert told["prices"] == ("sales.price[]", "numeric", True, 1)
    assert told["grid"] == ("sales.grid", "numeric", True, 2)
    assert told["deep"] == ("integer[]", "int4", True, 3)
    assert told["moods"] == ("sales.mood[]", "mood", True, 1)
    assert told["exact"] == ("numeric(18,4)", "numeric", False, 0)
    assert told["vector"] == ("int2vector", "int2vector", False, 0)
    assert columns["moods"].type_kind == "enum"
    assert columns["price"].modifier == columns["prices"].modifier == (9 << 16) + 2 + 4
    assert columns["grid"].modifier == (7 << 16) + 3 + 4
    assert columns["twice"].modifier == -1
    assert [name for name, column in columns.items() if column.is_required] == [
        "id", 'Odd "Name', "deep", "exact",
    ]  # fmt: skip
    assert [name for name, column in columns.items() if column.is_generated] == ["twice"]


async def test_keys_and_sizes_are_told(catalogued: Database) -> None:
    async with read_only(catalogued) as connection:
        orders = await find_relation(connection, "sales.orders")
        parts = await find_relation(connection, '"x.y"')
        view = await find_relation(connection, "seen")
        kept = await find_relation(connection, "kept")
        nothing = await find_relation(connection, "nothing")
    assert orders.primary_key == ('Odd "Name', "id")
    assert orders.quoted == '"sales"."orders"'
    assert (orders.kind, orders.row_estimate, orders.has_children) == ("table", 5000, False)
    assert orders.size_bytes >= 5000 * 40
    assert orders.block_bytes == 8192
    assert (parts.kind, parts.row_estimate, parts.has_children) == (
        "partitioned table", 5000, True,
    )  # fmt: skip
    assert parts.size_bytes > 5000 * 28
    assert parts.columns[0].is_required
    assert (view.kind, view.row_estimate, view.size_bytes) == ("view", None, 0)
    assert not any(column.is_required for column in view.columns)
    assert view.primary_key == ()
    assert (kept.kind, kept.size_bytes > 0) == ("materialized view", True)
    assert (nothing.columns, nothing.row_estimate) == ((), None)


async def test_not_null_counts_only_where_every_row_obeys_it(catalogued: Database) -> None:
    async with read_only(catalogued) as connection:
        parent = await find_relation(connection, "parent")
        child = await find_relation(connection, "child")
    assert not parent.columns[0].is_required, "a child may have dropped it"
    assert child.columns[0].is_required


async def test_a_constraint_that_is_not_valid_does_not_count(catalogued: Database) -> None:
    if catalogued.server.version >= 18:  # the first to have them of NOT NULL
        catalogued.execute(
            "CREATE TABLE unchecked (id int); INSERT INTO unchecked VALUES (NULL);"
            "ALTER TABLE unchecked ADD CONSTRAINT filled NOT NULL id NOT VALID;"
        )
    else:
        catalogued.execute("CREATE TABLE unchecked (id int);")
    async with read_only(catalogued) as connection:
        relation = await find_relation(connection, "unchecked")
    assert not relation.columns[0].is_required


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ordres", r"no table or view ordres; did you mean sales\.orders\?"),
        ("orders", r"no table or view orders; did you mean sales\.orders\?"),
        ("sales.ordrs", r"did you mean sales\.orders\?"),
        ('"SEEN"', "did you mean seen"),
        ("zzz.zzz", r"known are public\.child, public\.kept, .*sales\.orders"),
        ("counter", "no table or view counter"),
    ],
)
async def test_a_relation_that_is_not_there_is_told_with_those_near_it(
    catalogued: Database, text: str, message: str
) -> None:
    async with read_only(catalogued) as connection:
        with pytest.raises(ExtractError, match=message):
            await find_relation(connection, text)


async def test_what_is_no_name_is_a_fault_of_the_configuration(catalogued: Database) -> None:
    async with read_only(catalogued) as connection:
        with pytest.raises(ConfigError, match=r"source\.table: 'order items' is no name"):
            await find_relation(connection, "order items")


async def test_a_missing_privilege_is_told_with_its_grant(catalogued: Database) -> None:
    user = f"reader_{uuid.uuid4().hex[:8]}"
    catalogued.execute(
        f"CREATE ROLE {user} LOGIN; CREATE TABLE secrets_{user} (id int, salary int, note text);"
        f"GRANT SELECT (id, note) ON secrets_{user} TO {user};"
        f"CREATE TABLE closed_{user} (id int)"
    )
    async with read_only(catalogued, user) as connection:
        relation = await find_relation(connection, f"secrets_{user}")
        relation.check_readable(["id", "note"])
        with pytest.raises(ExtractError) as caught:
            relation.check_readable(["id", "salary"])
        assert (
            f'GRANT SELECT ("salary") ON "public"."secrets_{user}" TO "{user}"'
            in caught.value.message
        )
        relation = await find_relation(connection, f"closed_{user}")
        with pytest.raises(ExtractError) as caught:
            relation.check_readable(["id"])
        assert f'GRANT SELECT ON "public"."closed_{user}" TO "{user}"' in caught.value.message
        relation = await find_relation(connection, "sales.orders")
        with pytest.raises(ExtractError, match=f'GRANT USAGE ON SCHEMA "sales" TO "{user}"'):
            relation.check_readable(["id"])


async def test_a_query_has_its_types_with_their_modifiers(catalogued: Database) -> None:
    async with read_only(catalogued) as connection:
        columns = await columns_of_query(
            connection,
            "SELECT exact, price, prices, exact * 2 AS product, 1::numeric(5,1) AS made,"
            " deep, moods, NULL AS \"none\", ROW(1, 2) AS pair, 'a'::varchar(3) AS short"
            " FROM sales.orders",
        )
        assert await connection.fetchval("SELECT 1") == 1, "the connection is as it was"
    told = {
        column.name: (column.source_type, column.type_name, column.modifier) for column in columns
    }
    assert told["exact"] == ("numeric(18,4)", "numeric", (18 << 16) + 4 + 4)
    assert told["price"] == ("numeric(9,2)", "numeric", (9 << 16) + 2 + 4), "a domain is sent so"
    assert told["prices"] == ("sales.price[]", "numeric", (9 << 16) + 2 + 4)
    assert told["made"] == ("numeric(5,1)", "numeric", (5 << 16) + 1 + 4)
    assert told["product"] == ("numeric", "numeric", -1)
    assert told["none"][:2] == ("text", "text")
    assert told["pair"][:2] == ("record", "record")
    assert told["short"][0] == "character varying(3)"
    assert [column.name for column in columns if column.is_array] == ["prices", "deep", "moods"]
    assert not any(column.is_required for column in columns)


async def test_a_query_that_can_not_land_is_a_fault_of_the_configuration(
    catalogued: Database,
) -> None:
    async with read_only(catalogued) as connection:
        with pytest.raises(ConfigError, match="more than one is called 'id'"):
            await columns_of_query(connection, "SELECT 1 AS id, 2 AS id")
    async with read_only(catalogued) as connection:
        with pytest.raises(ConfigError, match="gives no rows; write a SELECT"):
            await columns_of_query(connection, "DELETE FROM nothing")


async def test_a_query_of_many_columns_is_described_whole(catalogued: Database) -> None:
    many = ", ".join(f"{place}::numeric(9,{place % 9}) AS c{place}" for place in range(1600))
    async with read_only(catalogued) as connection:
        columns = await columns_of_query(connection, f"SELECT {many}")
    scales = [(column.modifier & 0x7FF) - 4 for column in columns]
    assert scales == [place % 9 for place in range(1600)]


async def test_a_query_is_described_over_tls(catalogued: Database) -> None:
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(tls)
    upstream = ("127.0.0.1", catalogued.server.port)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with front(upstream, tls=tls) as there:
        dsn = catalogued.dsn.replace(
            f"127.0.0.1:{catalogued.server.port}", f"localhost:{there.port}"
        )
        connection = await asyncpg.connect(dsn, ssl=trusting)
        try:
            [column] = await columns_of_query(connection, "SELECT 1::numeric(7,3) AS amount")
            assert column.source_type == "numeric(7,3)"
            assert await connection.fetchval("SELECT 2") == 2
        finally:
            await connection.close()
        assert there.encrypted == 1


async def test_a_query_that_fails_leaves_the_connection_as_it_was(catalogued: Database) -> None:
    connection = await asyncpg.connect(catalogued.dsn)
    try:
        with pytest.raises(asyncpg.UndefinedColumnError):
            await columns_of_query(connection, "SELECT nope FROM sales.orders")
        [column] = await columns_of_query(connection, "SELECT 1::numeric(7,3) AS amount")
        assert column.source_type == "numeric(7,3)"
    finally:
        await connection.close()
