"""How a reading is cut into slices: by the blocks of a table, or by ranges of a column.

How many there are, and where they begin, comes from the configuration and from the source;
never from cores or timing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import asyncpg

from bronze_engine.config.database.postgres import PostgresSourceConfig
from bronze_engine.errors import ConfigError, ExtractError
from bronze_engine.model.identifier import quote_ident
from bronze_engine.model.nearest import nearest
from bronze_engine.sources.postgres.bounds import (
    ALL_ROWS,
    Piece,
    block_bounds,
    by_bounds,
    even_bounds,
    has_steps,
)
from bronze_engine.sources.postgres.catalogue import CatalogueColumn, Relation
from bronze_engine.sources.postgres.query import Origin, first, literal

__all__ = [
    "BLOCK_RANGES_SINCE",
    "CHUNK_ROWS",
    "auto_count",
    "cut_by_blocks",
    "cut_by_column",
    "find_column",
    "foreseen",
    "plan_pieces",
]

SLICE_BYTES: Final = 1024**3
MOST_SLICES: Final = 64
SLICES_OF_A_QUERY: Final = 4
"""Into which a query or a view is cut by a column: nothing tells how large they are."""
CHUNK_ROWS: Final = 200_000
"""Of a keyset, where the configuration says nothing."""
BLOCK_RANGES_SINCE: Final = 14
"""The server's major version that reads a range of blocks without reading the others."""

_TREE: Final = """
WITH RECURSIVE tree (oid) AS (
  SELECT pg_catalog.to_regclass($1)::oid
  UNION SELECT inhrelid FROM pg_catalog.pg_inherits JOIN tree ON inhparent = tree.oid
)
SELECT c.relkind IN ('r', 'm') AND am.amname = 'heap' AS is_heap,
       pg_catalog.pg_relation_size(c.oid) / current_setting('block_size')::bigint AS blocks
  FROM tree JOIN pg_catalog.pg_class c USING (oid)
  LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
 WHERE c.relkind <> 'p'
"""


def auto_count(size_bytes: int) -> int:
    """How many slices a table of that size is cut into: one for each GiB, at most 64."""
    return max(1, min(MOST_SLICES, math.ceil(size_bytes / SLICE_BYTES)))


def foreseen(config: PostgresSourceConfig) -> str:
    """What the slices will be, for people, as far as the configuration says it."""
    count, column = config.partitions, config.partition_column
    if config.reading == "keyset":
        return f"{ALL_ROWS}, in chunks of {config.chunk_rows or CHUNK_ROWS:,}"
    if count == 1 or (column is None and config.query is not None):
        return ALL_ROWS
    what = "blocks" if column is None else column
    return f"by {what}, one for each GiB" if count == "auto" else f"{count} by {what}"


async def cut_by_blocks(
    connection: asyncpg.Connection, relation: Relation, count: int
) -> tuple[Piece, ...] | None:
    """Pieces of about as many blocks each; None where the relation has no blocks to cut by.

    Blocks of partitions and of tables that inherit are cut at the same numbers: a row is in
    one place of one table, and so in one piece.
    """
    tables = await connection.fetch(_TREE, relation.quoted)
    if not tables or not all(table["is_heap"] for table in tables):
        return None
    bounds = block_bounds([table["blocks"] for table in tables], count)
    return by_bounds("ctid", [literal(f"({block},0)", "tid") for block in bounds], "blocks")


async def cut_by_column(
    connection: asyncpg.Connection,
    column: CatalogueColumn,
    origin: Origin,
    conditions: Sequence[str],
    count: int,
    relation: Relation | None,
    *,
    is_part: bool,
) -> tuple[Piece, ...]:
    """Pieces of about as many rows each, by the server's statistics of a column. Without any,
    and where only a part of the table is read, by equal steps from the lowest to the highest
    value, if the type has such.

    Raises ConfigError where there are no statistics and the type has no steps.
    """
    name, kind = quote_ident(column.name), _type_name(column)
    values = []
    if relation is not None and not (is_part and has_steps(column)):
        values = await _histogram(connection, relation, column)
    if values:
        last = len(values) - 1
        bounds = [values[round(number * last / count)] for number in range(1, count)]
        bounds = [bound for bound in dict.fromkeys(bounds) if bound != values[0]]
    else:
        ends = [
            await connection.fetchval(
                first(
                    [f"{name}::text"],
                    [name],
                    origin,
                    *conditions,
                    f"{name} IS NOT NULL",
                    order_by=[f"{name} {order}"],
                )
            )
            for order in ("ASC", "DESC")
        ]
        bounds = [] if ends[0] is None else even_bounds(column, ends[0], ends[1], count)
    return by_bounds(name, [literal(bound, kind) for bound in bounds], column.name, nulls=True)


async def _histogram(
    connection: asyncpg.Connection, relation: Relation, column: CatalogueColumn
) -> list[str]:
    """Values with about as many rows between each two; where few values are all that there
    are, these; none where nothing is known."""
    array = f"{_type_name(column)}[]"
    found: list[str] | None = await connection.fetchval(
        f"SELECT coalesce(histogram_bounds::text::{array}, ARRAY("  # noqa: S608  # quoted
        f"SELECT unnest(most_common_vals::text::{array}) ORDER BY 1))::text[]"
        " FROM pg_catalog.pg_stats WHERE schemaname = $1 AND tablename = $2 AND attname = $3"
        " ORDER BY inherited DESC LIMIT 1",
        relation.schema,
        relation.name,
        column.name,
    )
    return found or []


def _type_name(column: CatalogueColumn) -> str:
    return f"{quote_ident(column.type_schema)}.{quote_ident(column.type_name)}"


async def plan_pieces(
    connection: asyncpg.Connection,
    config: PostgresSourceConfig,
    columns: Sequence[CatalogueColumn],
    relation: Relation | None,
    origin: Origin,
    conditions: Sequence[str],
    *,
    is_part: bool,
) -> tuple[Piece, ...]:
    """The pieces of one reading, as the configuration asks for them.

    `is_part` says that not the whole relation is read. A part, a query and a view are one
    piece, unless a number or a column is configured: nothing tells how large they are.
    Raises ConfigError for what can't be cut.
    """
    count, size = config.partitions, 0 if relation is None else relation.size_bytes
    if config.partition_column is not None:
        column = find_column(columns, config.partition_column, "source.partition_column")
        if column.is_array:
            raise ConfigError(
                f"source.partition_column {column.name!r} is an array; take a column of single"
                " values"
            )
        if count == "auto":
            count = auto_count(size) if size else SLICES_OF_A_QUERY
        if count == 1:
            return (Piece(ALL_ROWS),)
        return await cut_by_column(
            connection, column, origin, conditions, count, relation, is_part=is_part
        )
    is_asked = count != "auto"
    if count == "auto":
        count = 1 if relation is None or is_part else auto_count(size)
    if count == 1 or relation is None:
        return (Piece(ALL_ROWS),)
    pieces = None
    if connection.get_server_version().major >= BLOCK_RANGES_SINCE:
        pieces = await cut_by_blocks(connection, relation, count)
    if pieces is not None:
        return pieces
    if is_asked:
        raise ConfigError(
            f"source.partitions = {count}: {relation} is a {relation.kind} that can't be cut by"
            " its blocks; set source.partition_column to a column to cut it by"
        )
    return (Piece(ALL_ROWS),)


def find_column(columns: Sequence[CatalogueColumn], name: str, option: str) -> CatalogueColumn:
    """The column of that name. Raises ExtractError naming those that are there."""
    for column in columns:
        if column.name == name:
            return column
    known = nearest(name, [column.name for column in columns], write=repr)
    raise ExtractError(f"{option} names {name!r}, and there is no such column; {known}")
