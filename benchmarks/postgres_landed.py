"""What a candidate has landed: read back by DuckDB, and compared with what the server holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb

from benchmarks.postgres_tables import SAMPLE, Column, Table

__all__ = ["Landed", "read_back"]

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


@dataclass(frozen=True)
class Landed:
    rows: int
    types: dict[str, str]
    """What each column landed as, in DuckDB's words."""
    changed: list[str]
    """Columns whose values are not those of the server."""
    codec: str
    files: int
    size_bytes: int


def read_back(table: Table, expected: Mapping[str, str], files: list[Path]) -> Landed:
    """Raises AssertionError where rows, or values of the key, are not those of the server."""
    assert files, f"nothing landed of {table.name}"
    names = [str(file) for file in files]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        files_read = "read_parquet(?, hive_partitioning = false, union_by_name = true)"
        described = connection.execute(f"DESCRIBE FROM {files_read}", [names]).fetchall()
        types = {name: str(type_) for name, type_, *_ in described}
        missing = [name for name in table.columns if name not in types]
        assert not missing, f"columns {missing} did not land"
        sums = ", ".join(
            f"count({name}) || ' ' || ({_sum(table, name, types[name])})::DECIMAL(38, 10)"
            for name in table.columns
        )
        [row] = connection.execute(
            f"SELECT count(*), {sums} FROM {files_read}",  # noqa: S608  # names of ours
            [names],
        ).fetchall()
        codecs = connection.execute(
            "SELECT DISTINCT compression FROM parquet_metadata(?)", [names]
        ).fetchall()
    found = {name: _plain(told) for name, told in zip(table.columns, row[1:], strict=True)}
    assert row[0] == int(expected[""]), f"landed {row[0]} rows of {expected['']}"
    changed = [name for name, told in found.items() if told != _plain(expected[name])]
    assert table.key not in changed, f"{table.key}: landed {found[table.key]}"
    return Landed(
        rows=row[0],
        types={name: types[name] for name in table.columns},
        changed=changed,
        codec="+".join(sorted(codec.lower() for (codec,) in codecs)),
        files=len(files),
        size_bytes=sum(file.stat().st_size for file in files),
    )


def _sum(table: Table, name: str, type_: str) -> str:
    kind = table.columns[name]
    value = f"hex({name})" if kind == "uuid" and type_ == "BLOB" else name
    return SUMS[kind].format(value=value, key=table.key)


def _plain(told: str | None) -> tuple[int, Decimal]:
    count, _, total = (told or "0 0").partition(" ")
    return int(count), Decimal(total)
