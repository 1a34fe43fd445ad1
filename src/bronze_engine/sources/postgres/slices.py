"""Where a reading is cut into slices: by the blocks of a table, or by ranges of a column.

How many there are, and where they begin, comes from the configuration and from the source;
never from cores or timing. Every row is in exactly one: the first range has no lower end and
takes the NULLs, the last has no upper end, and each begins where the one before it ends.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, final
from uuid import UUID

import asyncpg
import msgspec

from bronze_engine.config.database.postgres import PostgresSourceConfig
from bronze_engine.errors import ConfigError, ExtractError
from bronze_engine.model.identifier import quote_ident
from bronze_engine.sources.postgres.catalogue import CatalogueColumn, Relation
from bronze_engine.sources.postgres.query import Origin, first, literal

__all__ = [
    "ALL_ROWS",
    "BLOCK_RANGES_SINCE",
    "CHUNK_ROWS",
    "Piece",
    "auto_count",
    "block_bounds",
    "by_bounds",
    "cut_by_blocks",
    "cut_by_column",
    "even_bounds",
    "find_column",
    "foreseen",
    "plan_pieces",
]

SLICE_BYTES: Final = 1024**3
MOST_SLICES: Final = 64
ALL_ROWS: Final = "all rows"
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


@final
class Piece(msgspec.Struct, frozen=True):
    """The rows of one slice."""

    label: str
    condition: str | None = None
    """None for all rows."""


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


def block_bounds(sizes: Sequence[int], count: int) -> list[int]:
    """The blocks where pieces begin, but for the first, so that the tables together give
    about as many blocks to each."""
    total = sum(sizes)
    bounds: list[int] = []
    for number in range(1, count):
        wanted, low, high = total * number // count, 0, max(sizes, default=0)
        while low < high:
            middle = (low + high) // 2
            if sum(min(size, middle) for size in sizes) < wanted:
                low = middle + 1
            else:
                high = middle
        if low > (bounds[-1] if bounds else 0):
            bounds.append(low)
    return bounds


async def cut_by_column(
    connection: asyncpg.Connection,
    column: CatalogueColumn,
    origin: Origin,
    conditions: Sequence[str],
    count: int,
    relation: Relation | None,
) -> tuple[Piece, ...]:
    """Pieces of about as many rows each, by the server's statistics of a column; without any
    by equal steps from its lowest to its highest value.

    Raises ConfigError where there are no statistics and the type has no steps.
    """
    name, kind = quote_ident(column.name), _type_name(column)
    values = [] if relation is None else await _histogram(connection, relation, column)
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


def even_bounds(column: CatalogueColumn, low: str, high: str, count: int) -> list[str]:
    """Equal steps between two values, both excluded, as the server prints them."""
    read, write = _steps_of(column)
    try:
        first, last = read(low), read(high)
        bounds = [first + (last - first) * number // count for number in range(1, count)]
    except (ValueError, OverflowError, ArithmeticError):
        return []  # infinity, years before the first: one slice holds them all
    return [write(bound) for bound in dict.fromkeys(bounds) if bound > first]


def by_bounds(
    name: str, bounds: Sequence[str], what: str, *, nulls: bool = False
) -> tuple[Piece, ...]:
    """One piece below the first bound, one from each to the next, one from the last on."""
    if not bounds:
        return (Piece(ALL_ROWS),)
    total = len(bounds) + 1
    pieces: list[Piece] = []
    for number in range(total):
        low = f"{name} >= {bounds[number - 1]}" if number else None
        high = f"{name} < {bounds[number]}" if number < len(bounds) else None
        condition = " AND ".join(each for each in (low, high) if each is not None)
        if nulls and not number:
            condition = f"({condition} OR {name} IS NULL)"
        pieces.append(Piece(f"{number + 1} of {total} by {what}", condition))
    return tuple(pieces)


def _type_name(column: CatalogueColumn) -> str:
    return f"{quote_ident(column.type_schema)}.{quote_ident(column.type_name)}"


_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  # steps of naive ones, too
_MICROSECOND: Final = timedelta(microseconds=1)


def _steps_of(column: CatalogueColumn) -> tuple[Any, Any]:
    """How values of a type become whole numbers, and these values again."""
    match column.type_name:
        case "int2" | "int4" | "int8" | "oid" | "xid8":
            return int, str
        case "numeric":
            return (lambda text: int(Decimal(text).to_integral_value())), str
        case "date":
            return (lambda text: date.fromisoformat(text).toordinal()), (
                lambda number: date.fromordinal(number).isoformat()
            )
        case "timestamp" | "timestamptz":
            return _microseconds, _instant
        case "uuid":
            return (lambda text: UUID(text).int), (lambda number: str(UUID(int=number)))
        case _:
            raise ConfigError(
                f"source.partition_column {column.name!r} is of the type {column.source_type}, and"
                " there are no statistics to cut it by; run ANALYZE on the table, or take a column"
                " of integers, numbers, dates, timestamps or UUIDs"
            )


def _microseconds(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return (moment.replace(tzinfo=None) - _EPOCH) // _MICROSECOND  # the session's zone is UTC


def _instant(number: int) -> str:
    return f"{_EPOCH + number * _MICROSECOND}"


async def plan_pieces(
    connection: asyncpg.Connection,
    config: PostgresSourceConfig,
    columns: Sequence[CatalogueColumn],
    relation: Relation | None,
    origin: Origin,
    conditions: Sequence[str],
) -> tuple[Piece, ...]:
    """The pieces of one reading, as the configuration asks for them.

    A query, a view and what a condition narrows are one, unless a number or a column is
    configured: nothing tells how large they are. Raises ConfigError for what can't be cut.
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
            count = auto_count(size) if size else config.parallel
        if count == 1:
            return (Piece(ALL_ROWS),)
        return await cut_by_column(connection, column, origin, conditions, count, relation)
    is_asked = count != "auto"
    if count == "auto":
        is_narrow = config.where is not None or bool(conditions)
        count = 1 if relation is None or is_narrow else auto_count(size)
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
    near = difflib.get_close_matches(name, [column.name for column in columns], n=3)
    known = near or [column.name for column in columns]
    raise ExtractError(
        f"{option} names {name!r}, and there is no such column;"
        f" {'did you mean' if near else 'there are'} {', '.join(map(repr, known))}"
    )
