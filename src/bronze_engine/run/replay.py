"""A replay: the captured pages of a committed partition in the place of its source.

    page files of the manifest -> lines -> pages, decoded side by side in workers -> blocks

Everything after that, and the commit, is as for any run. Nothing is asked of the API.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from itertools import groupby
from typing import Any, Final, final

import msgspec

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.source import CustomSource, FilesSourceConfig, HttpSourceConfig
from bronze_engine.config.tag import tag_of
from bronze_engine.contracts import Decoder, Emit, Preview, Replayable, Replayer, Source, SourceType
from bronze_engine.errors import BronzeError, ConfigError, StateError, StoreError
from bronze_engine.flow import Lane, ordered
from bronze_engine.land.job import Job
from bronze_engine.model.block import Block
from bronze_engine.model.frames import FrameReader
from bronze_engine.model.manifest import Manifest, PageFile
from bronze_engine.model.page_json import decode_page
from bronze_engine.model.slice import Slice
from bronze_engine.publish.names import FileName, parse
from bronze_engine.run.survey import Survey
from bronze_engine.telemetry.events import PageFetched

__all__ = ["fetched_by", "open_source", "replayable"]

_AHEAD: Final = 4
"""Pages decoded side by side; the groups behind them are, too."""

_DATABASE: Final = "a database, whose answers"

_MULTIPLE: Final = 3
"""What a page takes over its line: the line, its body, and its blocks."""


def replayable(standing: Survey, pipeline: Pipeline) -> tuple[Survey, Manifest]:
    """The survey of a replay, and the manifest whose pages it reads.

    The window is the recorded one, to its end: what the pages hold beyond it has landed, or
    will land, in another partition. Raises StateError where nothing can be replayed.
    """
    manifest = standing.base.committed
    date = standing.request.run_date
    if manifest is None:
        raise StateError(
            f"{standing.partition} holds nothing to replay; run {pipeline.name} for {date} first",
            partition=standing.partition,
        )
    if not isinstance(pipeline.source, HttpSourceConfig):
        origin = "files, which" if isinstance(pipeline.source, FilesSourceConfig) else _DATABASE
        if isinstance(pipeline.source, CustomSource):
            origin = "the source of a plug-in, whose answers"
        raise StateError(
            f"{standing.partition} came from {origin} are not kept; run {pipeline.name} for"
            f" {date} again",
            partition=standing.partition,
        )
    if not manifest.pages:
        raise StateError(
            f'{standing.partition} holds no captured pages: set capture = "pages" in'
            f" [pipelines.{pipeline.name}.source] and run it for {date} again",
            partition=standing.partition,
        )
    if manifest.load != pipeline.load:
        raise StateError(
            f"{standing.partition} was landed with load = {manifest.load!r}, and the configuration"
            f" says {pipeline.load!r}: a replay keeps the window that is recorded; put load back,"
            f" or run {pipeline.name} for {date} again",
            partition=standing.partition,
        )
    request = msgspec.structs.replace(
        standing.request, epoch=manifest.epoch, override=manifest.override
    )
    window = manifest.watermark
    if window is not None:
        request = msgspec.structs.replace(
            request,
            low=window.low,
            low_open=window.low_open,
            cap_open=request.cap_open if window.high is None else window.high_open,
            read_from=window.read_from,
            cap=request.cap if window.high is None else window.high,
        )
    return msgspec.structs.replace(standing, request=request), manifest


def fetched_by(manifest: Manifest) -> str:
    """The run that fetched the pages which a manifest names, whoever decoded them since."""
    return _name_of(manifest.pages[0]).run


def open_source(source_type: SourceType[Any], job: Job) -> AbstractAsyncContextManager[Source]:
    """What a run reads from: its source, or the pages that are replayed."""
    source = job.pipeline.source
    if job.replayed is None:
        return source_type.open(source, job.request, job.resources)
    if not isinstance(source_type, Replayable):
        tag = tag_of(source)
        raise ConfigError(f"a source of type = {tag!r} can't decode captured pages again")
    replayer = source_type.replayer(source, job.request, job.resources)
    floor_bytes = source_type.floor_bytes(source)
    return _opened(_CapturedSource(job, job.replayed, replayer, floor_bytes))


@asynccontextmanager
async def _opened(source: Source) -> AsyncIterator[Source]:
    yield source


def _name_of(file: PageFile) -> FileName:
    name = parse(file.name)
    if name is None:
        raise StateError(f"the manifest names captured pages {file.name!r}, which is no such name")
    return name


def _slice_of(file: PageFile) -> int:
    return _name_of(file).slice


@final
class _CapturedSource:
    """`contracts.Source` over page files: the slices are those of the run that wrote them."""

    token: Final = None

    def __init__(self, job: Job, manifest: Manifest, replayer: Replayer, floor_bytes: int) -> None:
        self._job = job
        self._manifest = manifest
        self._replayer = replayer
        self._floor_bytes = floor_bytes
        self._slices = [tuple(files) for _, files in groupby(manifest.pages, _slice_of)]

    def preview(self) -> Preview:
        location = self._manifest.source.location
        pages = sum(file.page_count for file in self._manifest.pages)
        first = f"{pages} captured pages of run {fetched_by(self._manifest)}"
        return Preview(location=location, first=first, slices=("captured pages",))

    async def check(self) -> str:
        return self.preview().first

    async def slices(self) -> AsyncIterator[Slice]:
        for index in range(len(self._slices)):
            yield Slice(index=index, label=f"captured pages of slice {index}")

    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        """Decode one slice's pages. Raises StoreError where a file is not what was written."""
        resources, request = self._job.resources, self._job.request
        lane = Lane(resources.budget, self._floor_bytes)

        async def blocks_of(line: bytes) -> tuple[Sequence[Block], int]:
            blocks = await resources.workers.run(self._blocks, line)
            return blocks, _MULTIPLE * len(line)

        async def hand_on(blocks: Sequence[Block]) -> None:
            resources.tally.pages += 1
            resources.publish(
                PageFetched(
                    pipeline=request.pipeline,
                    run=request.run,
                    page=resources.tally.pages,
                    records=sum(block.records for block in blocks),
                    bytes_in=0,
                )
            )
            for block in blocks:
                await emit(block)

        async with aclosing(self._lines(self._slices[piece.index])) as lines:
            await ordered(
                lines,
                blocks_of,
                hand_on,
                lane=lane,
                estimate=lambda line: _MULTIPLE * len(line),
                ahead=_AHEAD,
            )
        return None

    def decoder(self) -> Decoder:
        return self._replayer.decoder()

    def _blocks(self, line: bytes) -> Sequence[Block]:
        page = decode_page(line, self._job.partition)
        try:
            return self._replayer.blocks(page)
        except BronzeError as exc:
            where = f"page {page.page} ({page.url})"
            raise type(exc)(f"{where}: {exc.message}", **exc.context, url=page.url) from exc

    async def _lines(self, files: Sequence[PageFile]) -> AsyncGenerator[bytes, None]:
        for file in files:
            reading = _FileReading(file)
            run = self._job.resources.workers.run
            key = f"{self._job.partition}/{file.name}"
            try:
                async with self._job.target.read(key) as chunks:
                    async for chunk in chunks:
                        await run(reading.feed, chunk)
                        while (lines := await run(reading.lines)) is not None:
                            for line in lines:
                                yield line
                reading.end()
            except ValueError as exc:
                raise StoreError(
                    f"{key} is not what was committed: {exc}; `bronze verify` says more, and only"
                    " a run can replace it",
                    key=key,
                ) from exc


@final
class _FileReading:
    """One page file, line by line, checked against the manifest to its last byte."""

    def __init__(self, file: PageFile) -> None:
        self._file = file
        self._frames = FrameReader()
        self._digest = hashlib.sha256()
        self._begun: list[bytes] = []
        """The line whose end has not come, in pieces."""

    def feed(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self._frames.feed(chunk)

    def lines(self) -> list[bytes] | None:
        """The lines that the next frame ends; None where it is not there. Raises ValueError.

        A frame a job: what a chunk unfolds to has no bound that is near.
        """
        content = self._frames.take()
        if content is None:
            return None
        first, *rest = content.split(b"\n")
        self._begun.append(first)
        if not rest:
            return []
        lines = [b"".join(self._begun), *rest[:-1]]
        self._begun = [rest[-1]]
        return lines

    def end(self) -> None:
        self._frames.end()
        if self._digest.hexdigest() != self._file.sha256:
            raise ValueError("its sha256 is another")
