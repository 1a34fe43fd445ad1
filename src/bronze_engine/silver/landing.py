"""The files of a table's next generation: what DuckDB gives, encoded and staged.

An output is a slice of its own, so rows of different outputs never share a file. Batches come in
the order of the query, and files are cut by rows and bytes alone: the same rows in the same order
give the same files, however many outputs are landed side by side.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import chain
from operator import itemgetter
from typing import Final, Literal, final

import anyio
import msgspec
import pyarrow as pa

from bronze_engine.config.output import Output
from bronze_engine.contracts import Store
from bronze_engine.decode.stamp import Stamps
from bronze_engine.errors import BronzeError
from bronze_engine.flow import CANCELLED_WITHIN, each, ungrouped
from bronze_engine.land.datafiles import DataFiles
from bronze_engine.land.valuefiles import ValueFiles
from bronze_engine.model.layout import Layout
from bronze_engine.model.part import DataFile, Staged
from bronze_engine.publish.names import data_name, deleted_name
from bronze_engine.silver.database.database import Database
from bronze_engine.silver.merge.merge import Output as TableOutput
from bronze_engine.silver.merge.survivors import Survivors, ended, rows_left
from bronze_engine.workers import Workers

__all__ = ["Landing"]

_AT_ONCE: Final = 8
_AHEAD: Final = 2
"""Batches that DuckDB makes while one is encoded: 4 MB each."""
_DISCARD_SECONDS: Final = 10.0


@final
class Landing:
    """The files that one run stages in a table's folder."""

    def __init__(
        self,
        *,
        store: Store,
        folder: str,
        generation: int,
        run: str,
        output: Output,
        workers: Workers,
        on_rows: Callable[[int], None],
        on_file: Callable[[DataFile], None],
    ) -> None:
        self._data: list[tuple[int, Staged]] = []
        """Whole files, with the numbers of their slices; as they ended."""
        self._deleted: list[tuple[int, Staged]] = []
        self._store = store
        self._folder = folder
        self._generation = generation
        self._run = run
        self._output = output
        self._workers = workers
        self._on_rows = on_rows
        self._on_file = on_file
        self._slices = 0

    @property
    def data(self) -> list[Staged]:
        """The table's files, in the order of the outputs."""
        return _in_order(self._data)

    @property
    def deleted(self) -> list[Staged]:
        """Those of the keys that are gone."""
        return _in_order(self._deleted)

    @property
    def staged(self) -> list[Staged]:
        """What the commit makes visible."""
        return [*self.data, *self.deleted]

    async def land(
        self, database: Database, outputs: Sequence[TableOutput | Survivors], *, at_once: int = 1
    ) -> None:
        """Encode and stage the rows of some outputs. An empty one stages nothing.

        `at_once` are landed side by side, but never two that DuckDB makes: each of those is cut to
        what fits into its memory. Failed or cancelled, what is staged by then stays in `data` and
        `deleted`, for `discard`.
        """
        queries: list[tuple[int, TableOutput | Survivors]] = []
        survivors: list[tuple[int, TableOutput | Survivors]] = []
        for output in outputs:
            if isinstance(output, Survivors):
                survivors.append((self._slices, output))
                self._slices += 2  # rows that have ended have one of their own
            else:
                queries.append((self._slices, output))
                self._slices += 1
        shared = iter(survivors)

        async def lane(own: list[tuple[int, TableOutput | Survivors]]) -> None:
            for number, output in chain(own, shared):
                await self._land(database, number, output)

        lanes = [queries, *([[]] * (at_once - 1))]
        await each(lanes, lane, at_once=at_once)

    async def _land(self, database: Database, number: int, output: TableOutput | Survivors) -> None:
        layout = _layout(output.schema)
        if isinstance(output, Survivors):
            await self._land_survivors(database, number, output, layout)
            return
        async with self._slice(output.kind, number) as files:
            async with database.batches(output.sql, schema=output.schema) as batches:

                async def write(batch: pa.RecordBatch) -> None:
                    await files.write(batch, layout)

                await _ahead(batches, write)
            await files.finish(layout)

    async def _land_survivors(
        self, database: Database, number: int, survivors: Survivors, layout: Layout
    ) -> None:
        async with (
            self._slice("data", number) as current,
            self._slice("data", number + 1) as others,
        ):

            async def write(batch: pa.RecordBatch) -> None:
                if not survivors.splits:
                    await current.write(batch, layout)
                    return
                split = await self._workers.run(ended, batch)
                for files, part in zip((current, others), split, strict=True):
                    if part.num_rows:
                        await files.write(part, layout)

            # Where folders are by value, each row's values are looked at.
            as_indices = not self._output.partition_by
            left = rows_left(survivors, database, self._workers, as_indices=as_indices)
            async with left as batches:
                await _ahead(batches, write)
            await current.finish(layout)
            await others.finish(layout)

    @asynccontextmanager
    async def _slice(
        self, kind: Literal["data", "deleted"], number: int
    ) -> AsyncIterator[DataFiles | ValueFiles]:
        """The files of a slice. Whatever happens, what is whole of them is ours."""
        files = self._files(kind, number)
        try:
            async with files:
                yield files
        finally:
            staged = self._data if kind == "data" else self._deleted
            staged += [(number, one) for one in files.staged]

    async def discard(self) -> None:
        """Remove what is staged; what the store refuses to remove, the next run reaps."""

        async def discard(one: Staged) -> None:
            with suppress(BronzeError):
                await self._store.discard(one)

        # Cleanup is bounded by real time, also where the clock is a test's.
        with anyio.move_on_after(_DISCARD_SECONDS, shield=True):  # noqa: TID251
            await each(self.staged, discard, at_once=_AT_ONCE)

    def _files(self, kind: Literal["data", "deleted"], number: int) -> DataFiles | ValueFiles:
        is_data = kind == "data"
        name = data_name if is_data else deleted_name
        cut = self._output
        if not is_data:  # keys that are gone are looked up, never by a reader's folders
            cut = msgspec.structs.replace(cut, partition_by=())
        # Several are encoded side by side: without a budget none holds more than one row group.
        writes = ValueFiles if cut.partition_by else DataFiles
        return writes(
            store=self._store,
            partition=self._folder,
            name=lambda n: name(generation=self._generation, run=self._run, slice=number, number=n),
            output=cut,
            stamps=Stamps(),
            workers=self._workers,
            on_rows=self._on_rows if is_data else _untold,
            on_file=self._tell,
        )

    def _tell(self, one: Staged) -> None:
        if one.file is not None:
            self._on_file(one.file)


async def _ahead(
    batches: AsyncIterator[pa.RecordBatch], write: Callable[[pa.RecordBatch], Awaitable[None]]
) -> None:
    """Write batches in order, while the next are made."""
    send, receive = anyio.create_memory_object_stream[pa.RecordBatch](_AHEAD)
    is_whole = False

    async def feed() -> None:
        nonlocal is_whole
        async with send:
            async for batch in batches:
                await send.send(batch)
        is_whole = True

    with ungrouped():
        async with anyio.create_task_group() as tasks, receive:
            tasks.start_soon(feed)
            async for batch in receive:
                await write(batch)
    if not is_whole:
        raise RuntimeError(CANCELLED_WITHIN)


def _in_order(staged: list[tuple[int, Staged]]) -> list[Staged]:
    return [one for _, one in sorted(staged, key=itemgetter(0))]


def _layout(schema: pa.Schema) -> Layout:
    return Layout(version=0, schema=schema, is_settled=True)


def _untold(_rows: int) -> None:
    """Rows of keys that are gone are none of the table's."""
