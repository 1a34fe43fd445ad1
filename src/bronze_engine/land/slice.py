"""One slice, landed: its blocks become data files and a quarantine file, staged.

    fold.decode_slice -> threshold, quarantine -> datafiles -> staged files
                      -> captured pages -> pagefiles -> staged files

A slice owns its files, so slices need no order among each other.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, final

import msgspec

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.source import captures_pages
from bronze_engine.contracts import Decoded, ReadsFiles, Source
from bronze_engine.encode.rejects import RejectsEncoder
from bronze_engine.encode.sink import PART_BYTES
from bronze_engine.errors import BronzeError, ExtractError, OutcomeUnknown, QualityError, SliceLost
from bronze_engine.land.datafiles import DataFiles
from bronze_engine.land.fold import DECODE_FLOOR_BYTES, decode_slice
from bronze_engine.land.job import Job
from bronze_engine.land.landed import Landed, discard
from bronze_engine.land.pagefiles import PageFiles
from bronze_engine.land.valuefiles import ValueFiles, value_files_bytes
from bronze_engine.model.layout import Layout
from bronze_engine.model.page import CapturedPage
from bronze_engine.model.part import Staged
from bronze_engine.model.slice import Slice
from bronze_engine.plan.window import highest
from bronze_engine.publish.names import data_name, pages_name, quarantine_name
from bronze_engine.quality.duplicates import DuplicateFilter
from bronze_engine.quality.judge import SliceRules, sifted
from bronze_engine.quality.operations import Operations
from bronze_engine.quality.quarantine import Quarantine
from bronze_engine.quality.thresholds import SliceCount
from bronze_engine.shield import finish
from bronze_engine.telemetry.events import FileStaged, RowsWritten

__all__ = ["file_bytes", "keep_rejected", "land_slice", "memory_bytes"]

log = logging.getLogger(__name__)

PARTS_HELD: Final = 5
"""Parts of one file at once: four on their way, and one that is being cut."""

ENCODE_MULTIPLE: Final = 2
"""Arrow bytes of a row group while it is gathered, and again while it is encoded."""

READS: Final = 3
"""How often one slice is read before its loss ends the run."""


def memory_bytes(pipeline: Pipeline) -> int:
    """What one slice of this pipeline holds at the least, beside its source's lane."""
    pages = PARTS_HELD * PART_BYTES if captures_pages(pipeline.source) else 0
    return file_bytes(pipeline) + pages + DECODE_FLOOR_BYTES


def file_bytes(pipeline: Pipeline) -> int:
    """What of it the data files take, from the first rows on."""
    output = pipeline.output
    encoder = ENCODE_MULTIPLE * output.row_group_bytes
    files = value_files_bytes(output) if output.partition_by else PARTS_HELD * output.part_bytes
    return encoder + files


async def land_slice(
    job: Job, source: Source, piece: Slice, layout: Layout | None
) -> tuple[Landed, Slice | None]:
    """Land one slice; returns it, and the next slice of its chain.

    A slice that is lost is read again, READS times in all. Failed or cancelled, nothing
    of it is left in the stores but the rejected records that a QualityError speaks of.
    """
    for reading in range(1, READS + 1):
        try:
            return await _land_once(job, source, piece, layout)
        except SliceLost as exc:
            if reading == READS:
                raise ExtractError(
                    f"{job.pipeline.name}: {piece.label} was lost {READS} times in a row: {exc};"
                    " run again when the source is quiet"
                ) from exc
            job.resources.tally.retries += 1
            log.warning("%s: %s; reading %s again", job.pipeline.name, exc, piece.label)
    raise AssertionError("the loop returns or raises")


async def _land_once(
    job: Job, source: Source, piece: Slice, layout: Layout | None
) -> tuple[Landed, Slice | None]:
    landing = _Landing(job, piece)
    try:
        async with landing:
            try:
                following = await decode_slice(
                    source,
                    source.decoder(),
                    piece,
                    job.resources,
                    landing.consume,
                    layout=layout,
                    capture=landing.capture,
                )
                landed = await landing.finish()
                if isinstance(source, ReadsFiles):
                    landed = msgspec.structs.replace(landed, sources=source.landed(piece))
            except QualityError:
                await landing.seal_rejects()
                raise
    except BaseException as exc:
        if isinstance(exc, SliceLost):
            landing.forget()
        # Outside of the landing: leaving it is where a cancellation may be seen first.
        await finish(landing.abort, exc, grace_seconds=job.grace_seconds)
        raise
    return landed, following


@final
class _Landing:
    """Where the groups of one slice go. Leave it to remove what is not whole."""

    def __init__(self, job: Job, piece: Slice) -> None:
        self._job = job
        self._index = piece.index
        self._count = SliceCount(job.threshold)
        self._layout: Layout | None = None
        self._high: str | None = None
        self._late_rows = 0
        self._later_rows = 0
        self._special_values = 0
        self._rows = 0
        run, workers = job.writer or job.request.run, job.resources.workers
        quarantined = quarantine_name(generation=job.generation, run=run, slice=piece.index)
        self._quarantine = Quarantine(
            workers=workers,
            encoder=partial(RejectsEncoder, quarantined),
            partition=(job.target, f"{job.partition}/{quarantined}"),
            run=(job.state, job.rejected_key_of(piece)),
        )
        one_at_a_time = partial(DataFiles, budget=job.resources.budget)
        files = ValueFiles if job.pipeline.output.partition_by else one_at_a_time
        self._files = files(
            store=job.target,
            partition=job.partition,
            name=lambda number: data_name(
                generation=job.generation, run=run, slice=piece.index, number=number
            ),
            output=job.pipeline.output,
            stamps=job.stamps,
            workers=workers,
            on_rows=self._tell_rows,
            on_file=self._tell_file,
        )
        self._operations = Operations(job.pipeline.cdc, workers)
        self._duplicates = DuplicateFilter(
            job.pipeline.quality.duplicates,
            job.pipeline.primary_key,
            job.resources.budget,
            workers,
        )
        self._rules = None if job.rules is None else SliceRules(job.rules)
        self._pages = PageFiles(
            store=job.target,
            partition=job.partition,
            name=lambda number: pages_name(
                generation=job.generation, run=run, slice=piece.index, number=number
            ),
            max_bytes=job.pipeline.output.max_bytes_per_file,
            workers=workers,
        )

    @property
    def capture(self) -> Callable[[CapturedPage], Awaitable[None]] | None:
        """What takes captured pages; None where none are asked for."""
        return self._pages.write if self._job.keeps_pages else None

    async def __aenter__(self) -> _Landing:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        with self._duplicates:
            async with self._quarantine, self._files, self._pages:
                pass

    async def consume(self, decoded: Decoded) -> Layout:
        """Take one group, in order; returns the layout that later ones are decoded with."""
        if self._job.memory is not None:
            await self._job.memory.use()
        decoded = await self._operations.apply(decoded)
        decoded = await sifted(decoded, self._duplicates, self._rules)
        await self._operations.count(decoded)
        self._count.add(decoded.batch.num_rows, decoded.rejects)
        await self._quarantine.write(decoded.rejects)
        self._job.threshold.check()
        self._high = highest(self._high, decoded.high, self._job.request)
        self._late_rows += decoded.late_rows
        self._later_rows += decoded.later_rows
        self._special_values += decoded.special_values
        self._layout = await self._files.write(decoded.batch, decoded.layout)
        return self._layout

    async def finish(self) -> Landed:
        """End all files."""
        await self._files.finish(self._layout)
        if self._layout is not None and self._files.staged:
            self._layout = self._layout.settled()  # the next slice's files have these types too
        await self._pages.finish()
        rules = None if self._rules is None else self._rules.states
        return Landed(
            index=self._index,
            files=tuple(self._files.staged),
            rejects=await self._quarantine.seal(),
            layout=self._layout,
            high=self._high,
            late_rows=self._late_rows,
            later_rows=self._later_rows,
            special_values=self._special_values,
            pages=tuple(self._pages.staged),
            changes=self._operations.counts,
            repeats=self._duplicates.seen,
            rules=() if rules is None else await self._job.resources.workers.run(rules),
            accepted=self._count.accepted,
            rejected=self._count.rejected,
        )

    def forget(self) -> None:
        """Take back what was counted: the slice is read again."""
        self._count.withdraw()
        self._job.written.rows -= self._rows
        self._rows = 0
        if self._rules is not None:
            self._rules.forget()

    async def seal_rejects(self) -> None:
        """End the quarantine alone: it is all that will be left."""
        try:
            await self._quarantine.seal()
        except BronzeError as exc:  # the failure that brought us here stays the news
            log.warning("%s was not kept: %s", self._job.rejected_key, exc)

    async def abort(self, error: BaseException) -> None:
        """Remove the files that are whole; keep the rejected records if they are the reason."""
        await discard(self._job.target, [*self._files.staged, *self._pages.staged])
        committed, failed = self._quarantine.committed, self._quarantine.failed
        if isinstance(error, QualityError) and failed is not None:
            await keep_rejected(self._job, failed)
            failed = None
        await discard(self._job.target, [] if committed is None else [committed])
        await discard(self._job.state, [] if failed is None else [failed])

    def _tell_rows(self, rows: int) -> None:
        self._rows += rows
        written, request = self._job.written, self._job.request
        written.rows += rows
        self._job.resources.publish(
            RowsWritten(pipeline=request.pipeline, run=request.run, rows=written.rows)
        )

    def _tell_file(self, staged: Staged) -> None:
        request, file = self._job.request, staged.file
        assert file is not None  # noqa: S101  # it was sealed with one
        self._job.resources.publish(
            FileStaged(
                pipeline=request.pipeline,
                run=request.run,
                name=file.name,
                rows=file.row_count,
                size_bytes=file.size_bytes,
            )
        )


async def keep_rejected(job: Job, failed: Staged) -> None:
    """Make the rejected records of a failed run readable; the failure stays the news."""
    try:
        await job.state.complete(failed)
    except (BronzeError, OutcomeUnknown) as exc:
        log.warning("%s was not kept: %s", failed.key, exc)
