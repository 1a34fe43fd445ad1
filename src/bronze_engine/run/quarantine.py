"""Rejected records, read back: those beside a partition's data, and those of a failed run."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from datetime import date
from io import IOBase
from tempfile import TemporaryFile
from typing import IO, Final, cast

import msgspec
import pyarrow as pa

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.contracts import Store
from bronze_engine.errors import StateError, StoreError
from bronze_engine.model.manifest import partition_path
from bronze_engine.model.quarantine import Quarantined, QuarantineReport
from bronze_engine.run.services import Stores
from bronze_engine.state.partitions import read_partition
from bronze_engine.state.reports import rejected_key, rejected_runs
from bronze_engine.workers import Workers

__all__ = ["RejectsFile", "first_rejects", "read_quarantine", "read_rejects"]

_STEP_BYTES: Final = 256 * 1024
_LINE: Final = msgspec.json.Decoder(Quarantined)


class RejectsFile(msgspec.Struct, frozen=True, kw_only=True):
    """A quarantine file, where it lies."""

    key: str
    sha256: str | None = None
    """What the manifest says; None where no manifest names it."""


async def read_quarantine(
    stores: Stores,
    workers: Workers,
    pipeline: Pipeline,
    run_date: date,
    *,
    run: str | None = None,
    limit: int | None = None,
) -> QuarantineReport:
    """The rejected records of the committed partition, or of `run`, which may have failed.

    Raises StateError where there is no such partition or run, StoreError where a file is not
    what was written.
    """
    system, entity = pipeline.system, pipeline.entity
    partition = partition_path(system, entity, run_date)
    manifest = await read_partition(stores.target, system, entity, run_date)
    if manifest is not None and run in (None, manifest.run):
        files = [
            RejectsFile(key=f"{partition}/{file.name}", sha256=file.sha256)
            for file in manifest.quarantine
        ]
        records = await first_rejects(stores.target, files, workers, limit)
        return QuarantineReport(
            pipeline=pipeline.name,
            run_date=run_date,
            partition=f"{stores.target.url}/{partition}",
            run=manifest.run,
            is_committed=True,
            total=manifest.rejected_count,
            records=records,
        )
    known = await rejected_runs(stores.state, system, entity, run_date)
    if run is None or run not in known:
        raise StateError(
            (f"{partition} has no commit" if run is None else f"run {run} has kept no records")
            + (
                f"; runs of {run_date} that failed for rejected records: {', '.join(known)}"
                f" (bronze quarantine show {pipeline.name} --date {run_date} --run RUN)"
                if known
                else f"; no run of {pipeline.name} for {run_date} has failed for rejected records"
            ),
            partition=partition,
        )
    files = [RejectsFile(key=key) for key in known[run]]
    records = await first_rejects(stores.state, files, workers, limit)
    return QuarantineReport(
        pipeline=pipeline.name,
        run_date=run_date,
        partition=f"{stores.state.url}/{rejected_key(system, entity, run_date, run)}",
        run=run,
        is_committed=False,
        total=len(records) if limit is None or len(records) < limit else None,
        records=records,
    )


async def first_rejects(
    store: Store, files: Sequence[RejectsFile], workers: Workers, limit: int | None
) -> tuple[Quarantined, ...]:
    """The first `limit` records of some files, or all. Raises StoreError as `read_rejects`."""
    found: list[Quarantined] = []
    async with aclosing(read_rejects(store, files, workers)) as groups:
        async for group in groups:
            found += group
            if limit is not None and len(found) >= limit:
                break
    return tuple(found if limit is None else found[:limit])


async def read_rejects(
    store: Store, files: Sequence[RejectsFile], workers: Workers
) -> AsyncGenerator[list[Quarantined], None]:
    """The records of some files, in order, some at a time; each file is checked before that.

    Raises StoreError for a file that is not what was written.
    """
    for file in files:
        with TemporaryFile(prefix="bronze-quarantine-") as spool:  # Arrow reads zstd from a file
            digest = hashlib.sha256()
            async with store.read(file.key) as chunks:
                async for chunk in chunks:
                    digest.update(chunk)
                    await workers.run(spool.write, chunk)
            try:
                if file.sha256 not in (None, digest.hexdigest()):
                    raise ValueError("its sha256 is another")
                async with workers.iterate(_records(spool)) as groups:
                    async for group in groups:
                        yield group
            except (ValueError, OSError) as exc:
                raise StoreError(
                    f"{file.key} is not what was written: {exc}; `bronze verify` says more",
                    key=file.key,
                ) from exc


def _records(spool: IO[bytes]) -> Iterator[list[Quarantined]]:
    spool.seek(0)
    begun = b""
    with pa.CompressedInputStream(pa.PythonFile(cast("IOBase", spool), mode="r"), "zstd") as stream:
        while piece := stream.read(_STEP_BYTES):
            *lines, begun = (begun + piece).split(b"\n")
            if lines:
                yield [_LINE.decode(line) for line in lines]
    if begun:
        raise ValueError("its last line has no end")
