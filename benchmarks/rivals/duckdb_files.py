"""DuckDB, from the file straight into Parquet, with the types of the columns said.

It gives up the order of rows for speed, as its guide to performance advises. It has no reader for
fixed-width files: one column of whole lines is cut by SQL.
"""

from __future__ import annotations

import duckdb

from benchmarks.jobs.file import COLUMNS, FIELDS, FileJob
from benchmarks.jobs.job import run

TYPES = {
    "int64": "BIGINT",
    "int32": "INTEGER",
    "string": "VARCHAR",
    "decimal(12,2)": "DECIMAL(12, 2)",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "date": "DATE",
    "timestamp(ms)": "TIMESTAMP",
}


def reader(job: FileJob) -> str:
    columns = ", ".join(f"'{name}': '{TYPES[kind]}'" for name, kind in COLUMNS.items())
    match job.format:
        case "csv":
            return f"SELECT * FROM read_csv('{job.path}', header = true, columns = {{{columns}}})"  # noqa: S608
        case "ndjson":
            return (
                f"SELECT * FROM read_json('{job.path}', format = 'newline_delimited',"  # noqa: S608
                f" columns = {{{columns}}})"
            )
        case "parquet":
            return f"SELECT * FROM read_parquet('{job.path}')"  # noqa: S608
    at, cuts = 1, []
    for name, width in FIELDS.items():
        text = f"trim(substr(line, {at}, {width}))"
        if name == "amount":
            text = (
                f"CASE WHEN {text} LIKE '%-' THEN '-' ELSE '' END"
                f" || substr(line, {at}, {width - 3}) || '.' || substr(line, {at + width - 3}, 2)"
            )
        cuts.append(f"CAST(nullif({text}, '') AS {TYPES[COLUMNS[name]]}) AS {name}")
        at += width
    return (
        f"SELECT {', '.join(cuts)} FROM read_csv('{job.path}', header = false, quote = '',"  # noqa: S608
        " escape = '', delim = '\t', columns = {'line': 'VARCHAR'})"
    )


def land(job: FileJob) -> None:
    with duckdb.connect() as connection:
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(
            f"COPY ({reader(job)}) TO '{job.out}/table.parquet'"
            " (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
        )


if __name__ == "__main__":
    run(FileJob, land)
