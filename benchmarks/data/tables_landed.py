"""What a candidate has landed: read back by DuckDB, and compared with what the server holds."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import duckdb

from benchmarks.data.tables import SAMPLE, Column, Table
from benchmarks.harness.landed import FILES_READ, Landed, look

__all__ = ["read_back"]

SUMS: Mapping[Column, str] = {
    "integer": "sum({value}::HUGEINT)",
    "decimal": "sum(TRY_CAST({value} AS DECIMAL(38, 10)))",
    "double": "sum(round({value}::DOUBLE * 1000)::HUGEINT)",
    "bool": "count_if({value}::BOOLEAN)",
    "date": "sum(date_diff('day', DATE '1970-01-01', TRY_CAST({value} AS DATE)))",
    "timestamptz": "sum(epoch_us({value}))",
    "text": (
        "sum(strlen({value}::VARCHAR))"
        " + coalesce(sum(('0x' || left(md5({value}::VARCHAR), 8))::UBIGINT)"
        f" FILTER (WHERE {{key}} % {SAMPLE} = 0), 0)"
    ),
    "uuid": "sum(TRY_CAST('0x' || left({value}::VARCHAR, 8) AS UBIGINT))",
}


def read_back(table: Table, expected: Mapping[str, str], files: list[Path]) -> Landed:
    """Raises AssertionError where rows, or values of the key, are not those of the server."""
    landed = look(files)
    missing = [name for name in table.columns if name not in landed.types]
    assert not missing, f"columns {missing} did not land"
    sums = ", ".join(
        f"count({name}) || ' ' || ({_sum(table, name, landed.types[name])})::DECIMAL(38, 10)"
        for name in table.columns
    )
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        [row] = connection.execute(
            f"SELECT count(*), {sums} FROM {FILES_READ}",  # noqa: S608  # names of ours
            [[str(file) for file in files]],
        ).fetchall()
    found = {name: _plain(told) for name, told in zip(table.columns, row[1:], strict=True)}
    assert row[0] == int(expected[""]), f"landed {row[0]} rows of {expected['']}"
    changed = [name for name, told in found.items() if told != _plain(expected[name])]
    assert table.key not in changed, f"{table.key}: landed {found[table.key]}"
    return landed.but(changed)


def _sum(table: Table, name: str, type_: str) -> str:
    kind = table.columns[name]
    value = f"hex({name})" if kind == "uuid" and type_ == "BLOB" else name
    return SUMS[kind].format(value=value, key=table.key)


def _plain(told: str | None) -> tuple[int, Decimal]:
    count, _, total = (told or "0 0").partition(" ")
    return int(count), Decimal(total)
