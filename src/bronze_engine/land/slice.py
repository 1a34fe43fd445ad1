"""One slice, landed: its blocks become data files and a quarantine file, staged.

    fold.decode_slice -> threshold, quarantine -> datafiles -> staged files
                      -> captured pages -> pagefiles -> staged files

A slice owns its files, so slices need no order among each other.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, final

import msgspec

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.source import captures_pages
from bronze_engine.contracts import Decoded, ReadsFiles, Request, Resources, Source, Store
from bronze_engine.decode.stamp import Stamps
from bronze_engine.encode.jsonl import RejectsEncoder
from bronze_engine.encode.sink import PART_BYTES
from bronze_engine.errors import BronzeError, ExtractError, OutcomeUnknown, QualityError, SliceLost
from bronze_engine.flow import Reservation
from bronze_engine.land.datafiles import DataFiles
from bronze_engine.land.fold import DECODE_FLOOR_BYTES, decode_slice
from bronze_engine.land.pagefiles import PageFiles
from bronze_engine.land.valuefiles import ValueFiles, value_files_bytes
from bronze_engine.model.changes import ChangeCounts
from bronze_engine.model.landed import LandedFile
from bronze_engine.model.layout import Layout
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.page import CapturedPage
from bronze_engine.model.part import Staged
from bronze_engine.model.slice import Slice
from bronze_engine.plan.window import highest
from bronze_engine.publish.names import data_name, pages_name, quarantine_name
from bronze_engine.quality.duplicates import DuplicateFilter, Repeats
from bronze_engine.quality.judge import RunRules, SliceRules, sifted
from bronze_engine.quality.operations import Operations
from bronze_engine.quality.quarantine import Kept, Quarantine
from bronze_engine.quality.thresholds import SliceCount, Threshold
from bronze_engine.shield import finish
from bronze_engine.telemetry.events import FileStaged, RowsWritten

__all__ = [
    "Job",
    "Landed",
    "Written",
    "file_bytes",
    "keep_rejected",
    "land_slice",
    "memory_bytes",
]

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


class Written(msgspec.Struct):
    """Rows that a run has written so far, over all its slices: for what is told meanwhile."""

    rows: int = 0


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What all slices of one run have in common."""

    pipeline: Pipeline
    request: Request
    partition: str
    generation: int
    target: Store
    state: Store
    rejected_key: str
    """Where the state store keeps the rejected records of a run that failed for them: those of
    its first slice; `rejected_key_of` names the others'."""
    threshold: Threshold
    resources: Resources
    grace_seconds: Callable[[], float]
    written: Written
    replayed: Manifest | None = None
    """The manifest whose captured pages are decoded again, in place of a reading."""
    mended: Manifest | None = None
    """The manifest whose quarantine is decoded again, beside what it has landed."""
    rules: RunRules | None = None
    """None where there are none."""
    writer: str = ""
    """What names the files, where that is not the run itself but a resumption of it."""
    memory: Reservation | None = None
    """What was set aside for the run, where that may be lent until there are rows."""

    @property
    def keeps_pages(self) -> bool:
        """Whether captured pages are written: those of a replay lie there already."""
        is_read = self.replayed is None and self.mended is None
        return captures_pages(self.pipeline.source) and is_read

    def rejected_key_of(self, piece: Slice) -> str:
        """Each slice has a file of its own: one would overwrite the other."""
        if piece.index == 0:
            return self.rejected_key
        folder, _, name = self.rejected_key.rpartition("/")
        run, _, suffix = name.partition(".")
        return f"{folder}/{run}-{piece.index:05}.{suffix}"

    @property
    def stamps(self) -> Stamps:
        """The columns that are added to each row."""
        output, request = self.pipeline.output, self.request
        extracted_at = request.started_at if output.extracted_at else None
        if not output.load_columns:
            return Stamps(extracted_at=extracted_at)
        return Stamps(
            load_date=request.run_date,
            system=request.system,
            entity=request.entity,
            extracted_at=extracted_at,
        )


class Landed(msgspec.Struct, frozen=True, kw_only=True):
    """What one slice left in the stores, whole and invisible."""

    index: int
    """The slice's place in the plan."""
    files: tuple[Staged, ...]
    rejects: Kept | None
    layout: Layout | None
    """None where the slice had no record."""
    high: str | None
    late_rows: int
    later_rows: int
    special_values: int = 0
    pages: tuple[Staged, ...] = ()
    """Files of captured pages."""
    sources: tuple[LandedFile, ...] = ()
    """The files that the slice has read, where its source reads files."""
    changes: ChangeCounts = ChangeCounts()
    """What the rows did, where they are changes."""
    repeats: Repeats = Repeats()
    """Rows whose key came before."""
    rules: tuple[bytes, ...] = ()
    """What each of `quality.rules` has seen, in their order."""
    accepted: int = 0
    rejected: int = 0
    """What it has added to the counts of the run's threshold."""

    @property
    def rows(self) -> int:
        return sum(staged.file.row_count for staged in self.files if staged.file is not None)

    @property
    def committed(self) -> tuple[Staged, ...]:
        """What the commit makes visible."""
        rejects = () if self.rejects is None else (self.rejects.committed,)
        return (*self.files, *rejects, *self.pages)

    async def discard(self, target: Store, state: Store) -> None:
        """Remove all of it; what the store refuses to remove is left to the next run's reap."""
        await _discard(target, self.committed)
        await self.discard_rejected(state)

    async def discard_rejected(self, state: Store) -> None:
        """Remove the rejected records that only a failed run keeps."""
        if self.rejects is not None:
            await _discard(state, [self.rejects.failed])


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
        files = ValueFiles if job.pipeline.output.partition_by else DataFiles
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
        await _discard(self._job.target, [*self._files.staged, *self._pages.staged])
        committed, failed = self._quarantine.committed, self._quarantine.failed
        if isinstance(error, QualityError) and failed is not None:
            await keep_rejected(self._job, failed)
            failed = None
        await _discard(self._job.target, [] if committed is None else [committed])
        await _discard(self._job.state, [] if failed is None else [failed])

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


async def _discard(store: Store, files: Sequence[Staged]) -> None:
    for staged in files:
        try:
            await store.discard(staged)
        except BronzeError as exc:
            log.warning("%s was not removed, and is left to the next run: %s", staged.key, exc)
