"""The data files of one slice: batches in, staged files out, one file open at a time.

A file rolls over by rows, by bytes, and where a new column arrives. None of these
depends on time, so the same input gives the same files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import pyarrow as pa

from bronze_engine.config.output import Output
from bronze_engine.contracts import Store
from bronze_engine.decode.stamp import Stamps, stamp, stamped_schema
from bronze_engine.encode.parquet import ParquetEncoder
from bronze_engine.encode.rowgroups import RowGroups
from bronze_engine.land.openfile import OpenFile
from bronze_engine.model.layout import Layout
from bronze_engine.model.part import Staged
from bronze_engine.workers import Workers

__all__ = ["DataFiles"]


@final
class DataFiles:
    """Writes one slice's rows. Leave it to remove the file that is still open.

    `name(n)` is the n-th file's path within the partition. `on_file` is told of each
    file that is staged, `on_rows` of the rows of each row group.
    """

    def __init__(
        self,
        *,
        store: Store,
        partition: str,
        name: Callable[[int], str],
        output: Output,
        stamps: Stamps,
        workers: Workers,
        on_rows: Callable[[int], None],
        on_file: Callable[[Staged], None],
    ) -> None:
        self._store = store
        self._partition = partition
        self._name = name
        self._output = output
        self._stamps = stamps
        self._workers = workers
        self._on_rows = on_rows
        self._on_file = on_file
        self._groups = RowGroups(
            rows=output.row_group_rows,
            bytes_=output.row_group_bytes,
            max_rows_per_file=output.max_rows_per_file,
        )
        self._open: OpenFile | None = None
        self._layout: Layout | None = None
        """The layout of the open file."""
        self.staged: list[Staged] = []
        """Files that are whole, in order."""

    async def __aenter__(self) -> DataFiles:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._open is not None:
            await self._open.aclose()

    async def write(self, batch: pa.RecordBatch, layout: Layout) -> Layout:
        """Take one batch, in order; returns the layout that the next must be decoded with.

        That is `layout`, or `layout.settled()` from when the first file is open: until
        then columns that were only null may still take a type.
        """
        if self._layout is not None and layout.schema != self._layout.schema:
            await self._drain(self._layout)
            await self._close()
        self._groups.add(batch)
        while self._groups.is_full:
            layout = layout.settled()
            await self._write_row_group(layout)
        return layout

    async def finish(self, layout: Layout | None) -> None:
        """Write what is left, and end the last file."""
        if layout is not None:
            await self._drain(layout.settled())
        await self._close()

    async def _drain(self, layout: Layout) -> None:
        while self._groups.held_rows:
            await self._write_row_group(layout)

    async def _write_row_group(self, layout: Layout) -> None:
        if self._open is None:
            self._open = await self._begin(layout)
            self._layout = layout
        groups, stamps = self._groups, self._stamps
        self._on_rows(await self._open.write(lambda: stamp(groups.take(layout.schema), stamps)))
        if self._open.is_full(self._output):
            await self._close()

    async def _begin(self, layout: Layout) -> OpenFile:
        self._groups.begin_file()
        encoder = ParquetEncoder(
            self._name(len(self.staged)),
            stamped_schema(layout.schema, self._stamps),
            self._output,
            layout=layout.version,
            part_bytes=self._output.part_bytes,
        )
        return await OpenFile.begin(self._store, self._partition, encoder, self._workers)

    async def _close(self) -> None:
        if self._open is None:
            return
        file = self._open
        self.staged.append(await file.end())
        self._open = self._layout = None
        await file.aclose()
        self._on_file(self.staged[-1])
