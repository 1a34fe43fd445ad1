"""What is written of a merge: the rows of marks, and the keys that are gone."""

from __future__ import annotations

from collections.abc import Sequence

from bronze_engine.silver.columns.shape import BRONZE_DATE, FROM, PART, ROW, TO, Shape
from bronze_engine.silver.database.database import Database
from bronze_engine.silver.database.sql import columns, identifier, literal
from bronze_engine.silver.fold.fold import (
    departed_of_marks,
    departed_schema,
    rows_of_marks,
    table_columns,
    table_schema,
)
from bronze_engine.silver.fold.winners import NO_DELETE
from bronze_engine.silver.merge.facts import ANEW, TOUCHED
from bronze_engine.silver.merge.held import HeldFile, departed_rows
from bronze_engine.silver.merge.pieces import PIECE_ROWS, pieces, rows_of_piece
from bronze_engine.silver.merge.plan import Output

__all__ = ["Source", "data_of", "departures", "events", "made_rows", "same_row"]

Source = tuple[str, str]
"""Records, and a SELECT of marks of some of them."""


def data_of(shape: Shape, sql: str) -> Output:
    """Rows of the table."""
    return Output(sql=sql, schema=table_schema(shape), kind="data")


def events(shape: Shape, records: str) -> Output:
    """Events without keys: all that a relation has, in the order in which they landed."""
    names, order = columns(table_columns(shape)), columns((BRONZE_DATE, PART, ROW))
    return data_of(shape, f"SELECT {names} FROM {records} WHERE {NO_DELETE} ORDER BY {order}")


async def made_rows(database: Database, shape: Shape, sources: Sequence[Source]) -> list[Output]:
    """The rows of marks, by key: of a full history the current ones apart."""
    seen = "NOT gone" if shape.sees_deletes and shape.deletes == "hard" else "TRUE"
    keys = columns(shape.keys)
    if shape.history == "current":
        return await _made_where(database, shape, sources, seen, keys)
    order = columns((*shape.keys, FROM))
    return [
        *await _made_where(database, shape, sources, "is_open", keys),
        *await _made_where(database, shape, sources, f"NOT is_open AND {seen}", order),
    ]


async def _made_where(
    database: Database, shape: Shape, sources: Sequence[Source], where: str, order: str
) -> list[Output]:
    """One output, or where there are many rows one for each piece of the records: the values of a
    piece are fetched by a join that fits a small memory."""
    names = columns(table_columns(shape))
    most = rows_of_piece(len(shape.names))
    share = literal(0) if most == PIECE_ROWS else f"nth // {literal(most)}"
    made: list[str] = []
    rows = 0
    for records, marks in sources:
        wanted = f"(SELECT * FROM ({marks}) WHERE {where})"
        counts = await database.execute(
            f"SELECT landed, part, {share}, count(*) FROM {wanted} GROUP BY ALL ORDER BY ALL"
        )
        rows += sum(count for *_, count in counts)
        for piece in pieces(counts, most):
            wide = f"(SELECT * FROM {records} WHERE {piece.of(BRONZE_DATE, PART, ROW)})"
            narrow = f"SELECT * FROM {wanted} WHERE {piece.of('landed', 'part', 'nth')}"
            made.append(f"SELECT {names} FROM ({rows_of_marks(shape, wide, narrow)})")
    if 0 < rows <= most:
        made = [" UNION ALL ".join(made)]
    return [data_of(shape, f"{sql} ORDER BY {order}") for sql in made]


async def departures(
    database: Database,
    shape: Shape,
    marks: Sequence[str],
    again: Sequence[tuple[int, HeldFile]] = (),
) -> list[Output]:
    """The keys that are gone, where no row of the table says so: those of relations of marks, and
    of files that are written anew what stays of them."""
    if not (shape.sees_deletes and shape.deletes == "hard"):
        return []
    schema = departed_schema(shape)
    parts = [departed_of_marks(shape, relation) for relation in marks]
    if again:
        last = f" AND r.{identifier(TO)} IS NULL" if shape.history == "full" else ""
        parts.append(
            f"SELECT {columns(schema.names, 'r')} FROM ({departed_rows(shape, again)}) r"
            f" ANTI JOIN {TOUCHED} t ON {same_row(shape, 'r', 't')}{last}"
            f" ANTI JOIN {ANEW} a ON {same_row(shape, 'r', 'a')}"
        )
    sql = f"SELECT {columns(schema.names)} FROM ({' UNION ALL '.join(parts)})"
    ((count,),) = await database.execute(f"SELECT count(*) FROM ({sql})")
    if not count:
        return []
    order = columns(schema.names[:-1])
    return [Output(sql=f"{sql} ORDER BY {order}", schema=schema, kind="deleted")]


def same_row(shape: Shape, wide: str, short: str) -> str:
    """A condition: a row of the table and a narrow relation have the same keys."""
    return " AND ".join(
        f"{wide}.{identifier(name)} IS NOT DISTINCT FROM {short}.k{number}"
        for number, name in enumerate(shape.keys)
    )
