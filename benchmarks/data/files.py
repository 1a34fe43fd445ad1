"""Files of the benchmark, made by DuckDB: the same rows in every format, the same every time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from benchmarks.jobs.file import FIELDS

__all__ = ["FORMATS", "BenchFile", "make_file", "rows_of"]

FORMATS: Final = ("csv", "ndjson", "fixed", "parquet")

ROW_BYTES: Final[Mapping[str, int]] = {"csv": 123, "ndjson": 220, "fixed": 155, "parquet": 30}
"""On average, measured: how many rows a file of a given size has."""

ROWS: Final = """
SELECT
    i AS id,
    lpad((hash(i) % 10000000)::VARCHAR, 10, '0') AS account,
    'name ' || (hash(i * 3) % 100000)::VARCHAR AS name,
    (hash(i * 5) % 1000)::INTEGER AS quantity,
    ((hash(i * 7) % 20000000)::BIGINT - 10000000)::DECIMAL(14, 0)
        * 0.01::DECIMAL(3, 2) AS amount,
    (hash(i * 11) % 1000000) / 1024.0::DOUBLE AS price,
    hash(i * 13) % 2 = 0 AS active,
    DATE '2020-01-01' + (hash(i * 17) % 2000)::INTEGER AS day,
    TIMESTAMP '2020-01-01' + to_milliseconds((hash(i * 19) % 100000000000)::BIGINT) AS changed_at,
    CASE i % 8
        WHEN 0 THEN NULL
        WHEN 1 THEN 'said "' || (hash(i * 23) % 10000)::VARCHAR || '", and left'
        ELSE 'order ' || (hash(i * 29) % 1000000000)::VARCHAR || ' is on its way'
    END AS note
FROM range({rows}) t(i)
"""

FIXED: Final = """
SELECT
    lpad(id::VARCHAR, {id}, '0') || account || rpad(name, {name}, ' ')
    || lpad(quantity::VARCHAR, {quantity}, ' ')
    || lpad(abs(amount * 100)::BIGINT::VARCHAR, {amount} - 1, '0')
    || CASE WHEN amount < 0 THEN '-' ELSE ' ' END
    || lpad(price::VARCHAR, {price}, ' ') || rpad(active::VARCHAR, {active}, ' ')
    || day::VARCHAR || strftime(changed_at, '%Y-%m-%d %H:%M:%S.%g')
    || rpad(coalesce(note, ''), {note}, ' ') AS line
FROM ({rows})
"""


@dataclass(frozen=True)
class BenchFile:
    path: Path
    format: str
    rows: int
    facts: Mapping[str, str]
    """What whoever reads it must have landed: `FACTS` of `files_landed`."""


def rows_of(format: str, megabytes: float) -> int:  # noqa: A002  # the word of the configuration
    return max(1, int(megabytes * 10**6 / ROW_BYTES[format]))


def make_file(folder: Path, format: str, rows: int) -> Path:  # noqa: A002
    """The file of so many rows in `folder`, made where it is not there."""
    path = folder / f"rows-{rows}.{format}"
    if path.exists():
        return path
    partial = path.with_suffix(".partial")
    select = ROWS.format(rows=rows)
    dated = (
        "SELECT * REPLACE (strftime(changed_at, '%Y-%m-%d %H:%M:%S.%g') AS changed_at,"  # noqa: S608
        f" CAST(amount AS DECIMAL(12, 2)) AS amount) FROM ({select})"
    )
    match format:
        case "csv":
            copy = f"COPY ({dated}) TO '{partial}' (FORMAT csv, HEADER)"
        case "ndjson":
            copy = f"COPY ({dated}) TO '{partial}' (FORMAT json)"
        case "parquet":
            typed = (
                "SELECT * REPLACE (changed_at::TIMESTAMP_MS AS changed_at,"  # noqa: S608
                f" CAST(amount AS DECIMAL(12, 2)) AS amount) FROM ({select})"
            )
            copy = (
                f"COPY ({typed}) TO '{partial}'"
                " (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
            )
        case _:
            lines = FIXED.format(rows=select, **FIELDS)
            copy = (
                f"COPY ({lines}) TO '{partial}'"
                " (FORMAT csv, HEADER false, DELIMITER '\t', QUOTE '', ESCAPE '')"
            )
    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '2GB'")
        connection.execute(copy)
    partial.rename(path)
    return path
