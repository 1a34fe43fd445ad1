"""The plain script: pyarrow's streaming readers into its ParquetWriter, no checksums, no commit.

The columns have the types that ours have, the codec is the same; blocks are parsed by all cores,
which is pyarrow's default. Its reader of NDJSON takes no decimals and no days: amounts are read as
doubles and days as texts, and cast.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.json as pj
import pyarrow.parquet as pq

from benchmarks.jobs.file import FileJob
from benchmarks.jobs.job import run

COLUMNS: list[Any] = [
    ("id", pa.int64()),
    ("account", pa.string()),
    ("name", pa.string()),
    ("quantity", pa.int32()),
    ("amount", pa.decimal128(12, 2)),
    ("price", pa.float64()),
    ("active", pa.bool_()),
    ("day", pa.date32()),
    ("changed_at", pa.timestamp("ms")),
    ("note", pa.string()),
]
SCHEMA = pa.schema(COLUMNS)


def batches(job: FileJob) -> Iterator[pa.RecordBatch]:
    match job.format:
        case "csv":
            options = pc.ConvertOptions(
                column_types=SCHEMA, strings_can_be_null=True, quoted_strings_can_be_null=False
            )
            parse = pc.ParseOptions(newlines_in_values=False)
            yield from pc.open_csv(job.path, parse_options=parse, convert_options=options)
        case "ndjson":
            schema = SCHEMA.set(4, pa.field("amount", pa.float64()))
            schema = schema.set(7, pa.field("day", pa.string()))
            json = pj.ParseOptions(explicit_schema=schema)
            for batch in pj.open_json(job.path, parse_options=json):
                for place in (4, 7):
                    field = SCHEMA.field(place)
                    cast = batch.column(place).cast(field.type, safe=False)
                    batch = batch.set_column(place, field, cast)  # noqa: PLW2901
                yield batch
        case _:
            with pq.ParquetFile(job.path, pre_buffer=True) as file:
                yield from file.iter_batches(batch_size=128 * 1024)


def land(job: FileJob) -> None:
    out = job.out / "table.parquet"
    with pq.ParquetWriter(out, SCHEMA, compression="zstd", compression_level=1) as writer:
        held: list[pa.RecordBatch] = []
        rows = 0
        for batch in batches(job):
            held.append(batch)
            rows += batch.num_rows
            if rows >= 128 * 1024:  # a row group each, as ours; one for each batch is slower
                writer.write_table(pa.Table.from_batches(held, SCHEMA))
                held, rows = [], 0
        if held:
            writer.write_table(pa.Table.from_batches(held, SCHEMA))


if __name__ == "__main__":
    run(FileJob, land)
