"""A mended quarantine: its records once more, in the place of a source, beside what has landed.

    quarantine files of the manifest -> records -> decoder -> rules -> new data files
    new manifest: the data files that stand, the new ones, and a quarantine of what still fails

Nothing that stands is read into new files or written anew. Rules about the partition, and
`unique`, know the rows that stand.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from io import IOBase
from tempfile import TemporaryFile
from typing import IO, Final, cast, final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.source import CustomSource, FilesSourceConfig, HttpSourceConfig
from bronze_engine.contracts import Decoder, Emit, Preview, Source
from bronze_engine.errors import StateError
from bronze_engine.land.job import Job
from bronze_engine.model.arrow import schema_from_text
from bronze_engine.model.block import Block
from bronze_engine.model.layout import STAMP_COLUMNS, Layout
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.quarantine import Quarantined
from bronze_engine.model.slice import Slice
from bronze_engine.quality.judge import columns_spoken_of
from bronze_engine.quality.rules.make import AnyRule
from bronze_engine.run.rejects import RejectsFile, read_rejects
from bronze_engine.run.survey import Survey
from bronze_engine.sources.http.body.raw import one_line

__all__ = ["joined", "mendable", "open_quarantine", "show_what_stands"]

_BATCH_ROWS: Final = 64 * 1024


def mendable(standing: Survey, pipeline: Pipeline) -> tuple[Survey, Manifest]:
    """The survey of a mending, and the manifest whose quarantine it reads.

    The window is the recorded one, the columns those that have landed. Raises StateError where
    there is nothing to mend, or where a record alone does not say what it was.
    """
    manifest, partition = standing.base.committed, standing.partition
    again = f"run {pipeline.name} for {standing.request.run_date} again"
    if manifest is None:
        raise StateError(f"{partition} has no commit; {again}", partition=partition)
    if not manifest.quarantine:
        raise StateError(f"{partition} has no record in quarantine", partition=partition)
    source = pipeline.source
    is_json = isinstance(source, HttpSourceConfig) or (
        isinstance(source, FilesSourceConfig) and source.format in ("json", "ndjson")
    )
    if not is_json or pipeline.load == "cdc" or manifest.load != pipeline.load:
        why = (
            "its records come from a plug-in, and can't be decoded one by one"
            if isinstance(source, CustomSource)
            else "its records are no JSON, and can't be decoded one by one"
            if not is_json
            else f'load = "{pipeline.load}", and it was landed with "{manifest.load}"'
            if manifest.load != pipeline.load
            else "changes that land later than those behind them would be out of order"
        )
        raise StateError(f"{partition} can't be mended: {why}; {again}", partition=partition)
    request = msgspec.structs.replace(
        standing.request,
        epoch=manifest.epoch,
        override=manifest.override,
        base=_layout_of(manifest),
    )
    window = manifest.watermark
    if window is not None:
        request = msgspec.structs.replace(
            request,
            low=window.low,
            low_open=window.low_open,
            read_from=window.read_from,
            cap=request.cap if window.high is None else window.high,
            cap_open=request.cap_open if window.high is None else window.high_open,
        )
    return msgspec.structs.replace(standing, request=request), manifest


def _layout_of(manifest: Manifest) -> Layout | None:
    """The columns as they stand: all files of a partition have one type a column."""
    if not manifest.arrow_schema:
        return None
    fields = [
        field
        for field in schema_from_text(manifest.arrow_schema)
        if field.name not in STAMP_COLUMNS
    ]
    return Layout(version=0, schema=pa.schema(fields), is_settled=True, known=len(fields))


def joined(mended: Manifest, before: Manifest) -> Manifest:
    """The manifest of what stands and of what was mended.

    Raises StateError where a column has another type than it stands with.
    """
    if before.arrow_schema:
        stood = schema_from_text(before.arrow_schema)
        for field in schema_from_text(mended.arrow_schema):
            place = stood.get_field_index(field.name)
            if place >= 0 and stood.field(place).type != field.type:
                raise StateError(
                    f"column {field.name!r} stands as {stood.field(place).type}, and would land as"
                    f" {field.type}: all files of a partition have one type; run"
                    f" {before.pipeline} for {before.run_date} again"
                )
    changes = [each for each in mended.schema_changes if each not in before.schema_changes]
    return msgspec.structs.replace(
        mended,
        files=(*before.files, *mended.files),
        row_count=before.row_count + mended.row_count,
        duplicate_rows=before.duplicate_rows + mended.duplicate_rows,
        late_rows=before.late_rows + mended.late_rows,
        base_schema=before.base_schema,
        schema_changes=(*before.schema_changes, *changes),
        pages=before.pages,
        replay_of=before.replay_of,
        source=before.source,
        sources=before.sources,
        watermark=before.watermark,
        override=before.override,
    )


async def show_what_stands(job: Job, manifest: Manifest) -> None:
    """Let the rules see the rows that have landed, as far as more than one row matters."""
    job.threshold.accepted += manifest.row_count
    if job.rules is None:
        return
    run = job.resources.workers.run
    rules = job.rules.make()
    names = {name for rule in job.rules.configured for name in columns_spoken_of(rule)}
    for file in manifest.files:
        with TemporaryFile(prefix="bronze-standing-") as spool:
            async with job.target.read(f"{job.partition}/{file.name}") as chunks:
                async for chunk in chunks:
                    await run(spool.write, chunk)
            async with job.resources.workers.iterate(_batches(spool, names)) as batches:
                async for batch in batches:
                    await run(_observe, rules, batch)
    await run(job.rules.begin_with, rules)


def _batches(spool: IO[bytes], names: set[str]) -> Iterator[pa.RecordBatch]:
    spool.seek(0)
    file = pq.ParquetFile(pa.PythonFile(cast("IOBase", spool), mode="r"))
    present = [name for name in file.schema_arrow.names if name in names]
    yield from file.iter_batches(batch_size=_BATCH_ROWS, columns=present)


def _observe(rules: Sequence[AnyRule], batch: pa.RecordBatch) -> None:
    for rule in rules:
        rule.see(batch)


def open_quarantine(job: Job, manifest: Manifest) -> AbstractAsyncContextManager[Source]:
    """The source that a mending reads from."""
    return _opened(_Quarantine(job, manifest))


@asynccontextmanager
async def _opened(source: Source) -> AsyncIterator[Source]:
    yield source


@final
class _Quarantine:
    """`contracts.Source` over the quarantine files of a manifest: one slice."""

    token: Final = None

    def __init__(self, job: Job, manifest: Manifest) -> None:
        self._job = job
        self._manifest = manifest

    def preview(self) -> Preview:
        first = f"{self._manifest.rejected_count} records of run {self._manifest.run}"
        return Preview(location=self._manifest.source.location, first=first, slices=("quarantine",))

    async def check(self) -> str:
        return self.preview().first

    async def slices(self) -> AsyncIterator[Slice]:
        yield Slice(index=0, label="the quarantine")

    def decoder(self) -> Decoder:
        request = self._job.request
        if isinstance(self._job.pipeline.source, FilesSourceConfig):  # whose window is of files
            request = msgspec.structs.replace(request, incremental=None)
        return self._job.resources.json_decoder(request)

    async def read(self, _piece: Slice, emit: Emit, /) -> Slice | None:
        """Hand on the records in order. Raises StoreError where a file is not what was written."""
        job = self._job
        files = [
            RejectsFile(key=f"{job.partition}/{file.name}", sha256=file.sha256)
            for file in self._manifest.quarantine
        ]
        workers = job.resources.workers
        async with aclosing(read_rejects(job.target, files, workers)) as groups:
            async for group in groups:
                for block in await workers.run(_blocks, group):
                    await emit(block)
        return None


def _blocks(records: Sequence[Quarantined]) -> list[Block]:
    """Records that followed one another in their page are one block."""
    blocks: list[Block] = []
    held: list[Quarantined] = []
    for record in records:
        if held and (record.page, record.offset) != (held[0].page, held[0].offset + len(held)):
            blocks.append(_block(held))
            held = []
        held.append(record)
    if held:
        blocks.append(_block(held))
    return blocks


def _block(records: Sequence[Quarantined]) -> Block:
    raws = [record.record for record in records]
    lines = [_line_of(record) for record in records]
    return Block(
        data=b"".join(line + b"\n" for line in lines),
        records=len(raws),
        page=records[0].page,
        offset=records[0].offset,
        originals=tuple(raws) if lines != raws else None,
    )


def _line_of(record: Quarantined) -> bytes:
    """The record as it is decoded: on one line, with what was joined to it."""
    if record.decoded is not None:
        return record.decoded.encode()
    raw = record.record
    return one_line(raw) if b"\n" in raw else raw
