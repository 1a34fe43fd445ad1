"""deltalake's merge: matched keys are updated, the others inserted, in one commit of its log.

The source is streamed, which is its default and the leaner; it may spill past 256 MiB, without
which it takes a tenth more memory at the same speed. No checksums.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, WriterProperties, write_deltalake

from benchmarks.jobs.merge import KEY, MergeJob, run_merge, start_from

__all__: list[str] = []

NAME = "delta"
WRITER = WriterProperties(compression="ZSTD", compression_level=1)
SPILL_BYTES = 256 * 1024**2
BATCH_ROWS = 128 * 1024


def prepare(job: MergeJob) -> None:
    if not (job.path / NAME).exists():
        write_deltalake(job.path / NAME, batches(job.current), writer_properties=WRITER)


def begin(job: MergeJob) -> None:
    start_from(job.path / NAME, job.out / NAME)


def merge(job: MergeJob) -> None:
    (
        DeltaTable(job.out / NAME)
        .merge(
            batches(job.changes),
            f"t.{KEY} = s.{KEY}",
            source_alias="s",
            target_alias="t",
            writer_properties=WRITER,
            max_spill_size=SPILL_BYTES,
        )
        .when_matched_update_all()
        .when_not_matched_insert_all()
        .execute()
    )


def batches(path: Path) -> pa.RecordBatchReader:
    file = pq.ParquetFile(path)
    return pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches(BATCH_ROWS))


if __name__ == "__main__":
    run_merge(merge, prepare, begin)
