"""Polars: the table without the keys that have changed, and the changes behind it, into one file.

An anti-join and a concatenation are the fastest way that it has. Of all days, the newest instant
of each key and a semi-join with it: its `max_by` and a sorted `unique` take twice to three times
the CPU and two to four times the memory. Eager holds whole tables; streaming is its out-of-core
engine, and keeps no order. No checksums, no commit.
"""

from __future__ import annotations

import polars as pl

from benchmarks.jobs.merge import KEY, ORDER, MergeJob, run_merge

__all__: list[str] = []


def merge(job: MergeJob) -> None:
    plan = merged(job) if job.delta else newest(job)
    out = job.out / "table.parquet"
    if job.is_streaming:
        plan.sink_parquet(out, compression="zstd", compression_level=1, maintain_order=False)
    else:
        table = plan.collect(engine="in-memory")
        table.write_parquet(out, compression="zstd", compression_level=1)


def merged(job: MergeJob) -> pl.LazyFrame:
    changes = pl.scan_parquet(job.changes)
    kept = pl.scan_parquet(job.current).join(changes.select(KEY), on=KEY, how="anti")
    return pl.concat([kept, changes])


def newest(job: MergeJob) -> pl.LazyFrame:
    records = pl.scan_parquet(job.days)
    last = records.group_by(KEY).agg(pl.col(ORDER).max())
    return records.join(last, on=[KEY, ORDER], how="semi")


if __name__ == "__main__":
    run_merge(merge)
