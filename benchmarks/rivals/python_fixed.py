"""A fixed-width parser as it is written by hand: a loop over lines, a slice for each field.

Values are made by the quickest means that Python has for each type; of every 100,000 rows pyarrow
gets a list a column.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.jobs.file import FIELDS, FileJob
from benchmarks.jobs.job import run
from benchmarks.rivals.pyarrow_files import SCHEMA

ROWS = 100_000


def amount_of(text: str) -> Decimal:
    digits = text.rstrip("- ")
    number = Decimal(digits[:-2] + "." + digits[-2:])
    return -number if text.endswith("-") else number


PARSERS: dict[str, Any] = {
    "id": int,
    "quantity": int,
    "amount": amount_of,
    "price": float,
    "active": lambda text: text == "true",
    "day": date.fromisoformat,
    "changed_at": datetime.fromisoformat,
}


def land(job: FileJob) -> None:
    cuts = []
    at = 0
    for name, width in FIELDS.items():
        cuts.append((slice(at, at + width), PARSERS.get(name, str)))
        at += width
    out = job.out / "table.parquet"
    with (
        pq.ParquetWriter(out, SCHEMA, compression="zstd", compression_level=1) as writer,
        job.path.open() as lines,
    ):
        columns: list[list[Any]] = [[] for _ in cuts]
        for line in lines:
            for (cut, parse), column in zip(cuts, columns, strict=True):
                text = line[cut].strip()
                column.append(parse(text) if text else None)
            if len(columns[0]) == ROWS:
                writer.write_table(pa.table(columns, schema=SCHEMA))
                columns = [[] for _ in cuts]
        writer.write_table(pa.table(columns, schema=SCHEMA))


if __name__ == "__main__":
    run(FileJob, land)
