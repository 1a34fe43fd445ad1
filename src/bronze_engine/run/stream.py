"""Record batches without a partition: what `Engine.batches` hands out."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import final

import anyio
import msgspec
import pyarrow as pa
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.source import captures_pages
from bronze_engine.contracts import Decoded
from bronze_engine.errors import ExtractError, SliceLost, SnapshotLost
from bronze_engine.land.fold import decode_slice
from bronze_engine.model.layout import Layout
from bronze_engine.model.slice import Slice
from bronze_engine.quality.duplicates import DuplicateFilter
from bronze_engine.quality.judge import SliceRules, sifted
from bronze_engine.quality.operations import Operations
from bronze_engine.quality.thresholds import Threshold
from bronze_engine.run.rules import judge, released, row_history, run_rules
from bronze_engine.run.services import Identity, Services
from bronze_engine.run.survey import survey
from bronze_engine.telemetry.metrics import SourceTally

__all__ = ["BatchStream"]

_Batches = tuple[MemoryObjectSendStream[pa.RecordBatch], MemoryObjectReceiveStream[pa.RecordBatch]]


@final
class BatchStream:
    """The records of one pipeline and date as record batches, slice after slice, in order.

        async with engine.batches("myteam.orders", run_date=day) as stream:
            async for batch in stream:
                ...

    Reading starts on entry and runs a few groups ahead; it stops while nobody takes the
    batches: this is the backpressure. Nothing is written: no partition, no watermark. A
    batch has the columns of its records, without those that a run stamps; it may have
    more columns than the one before, where the source grew, and a column that has held
    only nulls so far has the type null. Errors are those of `Engine.run`, raised by the
    iteration after every batch before them; with rejected records it is QualityError,
    by the same limits. `aclose` may be called from any task, and more than once; when it
    returns no task, thread or socket of the stream is left.
    """

    def __init__(self, pipeline: Pipeline, run_date: date, services: Services) -> None:
        self._pipeline = pipeline
        self._run_date = run_date
        self._services = services
        self._batches: _Batches | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> BatchStream:
        # A plain task: it must outlive this call, and no scope may be left open across
        # the caller's code. `aclose` waits for it.
        self._batches = anyio.create_memory_object_stream[pa.RecordBatch](1)
        self._task = asyncio.get_running_loop().create_task(self._read(self._batches[0]))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def __aiter__(self) -> BatchStream:
        return self

    async def __anext__(self) -> pa.RecordBatch:
        if self._task is None or self._batches is None:
            raise RuntimeError("enter the stream first: async with engine.batches(...) as stream")
        try:
            return await self._batches[1].receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            pass
        if self._task.done() and not self._task.cancelled():
            self._task.result()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop reading; returns when nothing of the stream is left."""
        if self._task is None or self._batches is None:
            return
        send, receive = self._batches
        receive.close()
        self._task.cancel()
        cancelled: asyncio.CancelledError | None = None
        with anyio.CancelScope(shield=True):
            while not self._task.done():
                try:
                    await asyncio.wait([self._task])
                except asyncio.CancelledError as exc:  # a native task.cancel() passes shields
                    cancelled = exc
        send.close()  # also where the task was cancelled before it began
        if not self._task.cancelled():
            self._task.exception()  # retrieved; the iteration raises it, if anyone asks
        if cancelled is not None:
            raise cancelled

    async def _read(self, send: MemoryObjectSendStream[pa.RecordBatch]) -> None:
        with send:
            try:
                await self._read_all(send)
            except (SliceLost, SnapshotLost) as exc:
                raise ExtractError(
                    f"{self._pipeline.name}: {exc}; what was handed out can't be taken back: begin"
                    " the stream again",
                    pipeline=self._pipeline.name,
                ) from exc

    async def _read_all(self, send: MemoryObjectSendStream[pa.RecordBatch]) -> None:
        services, pipeline = self._services, self._pipeline
        identity = Identity.new(services.clock)
        stores = await services.stores(pipeline)
        standing = await survey(stores, pipeline, self._run_date, identity)
        resources = services.resources(pipeline, SourceTally(f"{pipeline.name} {self._run_date}"))
        threshold = Threshold(pipeline.quality)
        source_type = await services.source_type(pipeline)
        history = await row_history(stores.target, pipeline, self._run_date)
        rules = run_rules(pipeline, services, identity, history)
        states: list[tuple[bytes, ...]] = []
        layout: Layout | None = None  # the decoder starts from the base, in the types configured
        reading = pipeline.source
        if captures_pages(reading):
            reading = msgspec.structs.replace(reading, capture=None)  # nothing is kept
        async with (
            released(rules),
            source_type.open(reading, standing.request, resources) as source,
        ):
            async for first in source.slices():
                piece: Slice | None = first
                while piece is not None:
                    duplicates = DuplicateFilter(
                        pipeline.quality.duplicates,
                        pipeline.primary_key,
                        resources.budget,
                        resources.workers,
                    )
                    with duplicates:
                        operations = Operations(pipeline.cdc, resources.workers)
                        judged = None if rules is None else SliceRules(rules)
                        sink = _Sink(send, threshold, operations, duplicates, judged, layout)
                        piece = await decode_slice(
                            source, source.decoder(), piece, resources, sink.consume, layout=layout
                        )
                    layout = sink.layout
                    if judged is not None:
                        states.append(await resources.workers.run(judged.states))
            threshold.finish()
            await judge(rules, states, layout)


@final
class _Sink:
    def __init__(
        self,
        send: MemoryObjectSendStream[pa.RecordBatch],
        threshold: Threshold,
        operations: Operations,
        duplicates: DuplicateFilter,
        rules: SliceRules | None,
        layout: Layout | None,
    ) -> None:
        self._send = send
        self._threshold = threshold
        self._operations = operations
        self._duplicates = duplicates
        self._rules = rules
        self.layout = layout

    async def consume(self, decoded: Decoded) -> Layout:
        decoded = await self._operations.apply(decoded)
        decoded = await sifted(decoded, self._duplicates, self._rules)
        self._threshold.count(decoded.batch.num_rows, decoded.rejects)
        self._threshold.check()
        self.layout = decoded.layout
        if decoded.batch.num_rows:
            await self._send.send(decoded.batch)
        return decoded.layout
