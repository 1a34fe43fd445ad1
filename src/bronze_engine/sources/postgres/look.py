"""What a run learns before its snapshot: what is read, and how far.

In a transaction of its own, in which each statement sees what is committed by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

import asyncpg
import msgspec

from bronze_engine.config.database.postgres import PostgresSourceConfig
from bronze_engine.contracts import Request
from bronze_engine.model.identifier import quote_ident
from bronze_engine.sources.copy_binary.batch import selection_order
from bronze_engine.sources.postgres.catalogue import (
    CatalogueColumn,
    Relation,
    columns_of_query,
    find_relation,
)
from bronze_engine.sources.postgres.cursor import SYSTEM_CURSOR, Cursor
from bronze_engine.sources.postgres.hold import SentType, sent_types
from bronze_engine.sources.postgres.query import Origin, Values, render_query, select
from bronze_engine.sources.postgres.selection import Selection, select_columns
from bronze_engine.sources.postgres.slices import find_column
from bronze_engine.sources.postgres.window import Reach, find_reach

__all__ = ["Look", "describe_source", "look_at"]

_UNKNOWN: Final = "NULL"
"""What bounds are while only the columns of a query are asked for."""


@final
class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What is read."""

    config: PostgresSourceConfig
    relation: Relation | None
    """None of a query."""
    columns: tuple[CatalogueColumn, ...]
    """All that there are."""
    selection: Selection
    cursor: Cursor | None
    sent: tuple[SentType, ...] = ()
    """The types of what `selection` asks for, in the order in which it is sent."""
    reach: Reach = Reach()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know of it."""
        relation, told = self.relation, list(self.selection.warnings)
        if relation is not None and relation.is_filtered:
            told.append(
                f"row-level security of {relation} decides which rows {relation.user!r} sees, and"
                f" no others land; ALTER ROLE {quote_ident(relation.user)} BYPASSRLS shows it all"
            )
        if self.reach.warning is not None:
            told.append(self.reach.warning)
        return tuple(told)

    def origin(self, values: Values) -> Origin:
        """Where the rows come from, with what placeholders stand for."""
        config = self.config
        if self.relation is not None:
            return Origin.of_table(self.relation.quoted, config.where, values)
        return Origin.of_query(config.query or "", config.where, values)

    def sql(self, origin: Origin, *conditions: str | None, order_by: Sequence[str] = ()) -> str:
        """The query of the columns of `selection`, as COPY sends them best."""
        fields = self.selection.columns
        columns = [fields[at].sql for at in selection_order(self.selection.fields)]
        return select(columns, origin, *conditions, order_by=order_by)


async def describe_source(
    connection: asyncpg.Connection, config: PostgresSourceConfig, request: Request
) -> Look:
    """Find the relation or the query's columns, choose those to read, and find the cursor."""
    relation = None
    values = Values(run_date=request.run_date, low=_UNKNOWN, high=_UNKNOWN)
    if config.table is not None:
        relation = await _locked(connection, config.table)
        columns = relation.columns
    else:
        query = render_query(config.query or "", values)
        columns = await columns_of_query(connection, query)
    selection = select_columns(
        columns,
        config,
        request.schema,
        request.base,
        origin="the query" if relation is None else str(relation),
    )
    for name in request.primary_key:
        find_column(columns, name, "primary_key")
    cursor = _cursor(columns, relation, request)
    if relation is not None:
        used = [each.source.name for each in selection.columns]
        used += [cursor.name] if cursor is not None else []
        used += [config.partition_column] if config.partition_column is not None else []
        relation.check_readable(list(dict.fromkeys(used)))
    look = Look(
        config=config, relation=relation, columns=columns, selection=selection, cursor=cursor
    )
    if cursor is not None:
        values = msgspec.structs.replace(values, low=cursor.unknown, high=cursor.unknown)
    sent = await sent_types(connection, look.sql(look.origin(values)))
    return msgspec.structs.replace(look, sent=sent)


async def look_at(
    connection: asyncpg.Connection, config: PostgresSourceConfig, request: Request
) -> Look:
    """As `describe_source`; and where the pipeline has a cursor, find how far it may be read,
    which may have to be waited for (`settle`)."""
    look = await describe_source(connection, config, request)
    if look.cursor is None:
        return look
    reach = await find_reach(connection, request, look.cursor, look.origin)
    return msgspec.structs.replace(look, reach=reach)


async def _locked(connection: asyncpg.Connection, name: str) -> Relation:
    """The relation as it will be until this transaction ends."""
    relation = await find_relation(connection, name)
    if not relation.is_usable:
        return relation  # its columns are told all the same, and what is to be granted
    # It may have been altered since; with a lock on it, it is not.
    await sent_types(connection, f"SELECT FROM {relation.quoted}")  # quoted
    return await find_relation(connection, relation.quoted)


def _cursor(
    columns: tuple[CatalogueColumn, ...],
    relation: Relation | None,
    request: Request,
) -> Cursor | None:
    incremental = request.incremental
    if incremental is None:
        return None
    name, kind = incremental.cursor, incremental.cursor_type
    is_system = name == SYSTEM_CURSOR and kind == "xid8" and relation is not None
    if is_system and name not in {column.name for column in columns}:
        return Cursor.of_xmin()
    column = find_column(columns, name, "incremental.cursor")
    return Cursor.of_column(column, kind, incremental.cursor_timezone)
