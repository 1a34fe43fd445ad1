"""The data files of one slice: batches in, staged files out, one file open at a time.

A file rolls over by rows, by bytes, and where a new column arrives. None of these
depends on time, so the same input gives the same files. Where a worker is idle and there is memory
for it, a full row group is encoded while the next one is gathered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, final

import pyarrow as pa

from bronze_engine.config.output import Output
from bronze_engine.contracts import Store
from bronze_engine.decode.stamp import Stamps, stamp, stamped_schema
from bronze_engine.encode.parquet import ParquetEncoder
from bronze_engine.encode.rowgroups import RowGroups, gathered
from bronze_engine.flow.budget import Budget
from bronze_engine.land.openfile import OpenFile
from bronze_engine.model.layout import Layout
from bronze_engine.model.part import Staged
from bronze_engine.workers import Workers

__all__ = ["DataFiles"]

_GROUP_MULTIPLE: Final = 2
"""Arrow bytes of a row group that is being encoded, and of what its encoder makes of them."""


@final
class DataFiles:
    """Writes one slice's rows. Leave it to remove the file that is still open.

    `name(n)` is the n-th file's path within the partition. `on_file` is told of each
    file that is staged, `on_rows` of the rows of each row group. What row groups hold that are
    encoded while others are gathered comes from `budget`, where it has as much: without one there
    are none.
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
        budget: Budget | None = None,
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
        self._begun: deque[Sequence[pa.RecordBatch]] = deque()
        """The batches of the row groups that the open file is still to add."""
        self._ahead = _Ahead(budget, output, at_most=workers.threads)
        self._open: OpenFile | None = None
        self._layout: Layout | None = None
        """The layout of the open file."""
        self.staged: list[Staged] = []
        """Files that are whole, in order."""

    async def __aenter__(self) -> DataFiles:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        try:
            if self._open is not None:
                await self._open.aclose()
        finally:
            self._ahead.shrink(0)

    async def write(self, batch: pa.RecordBatch, layout: Layout) -> Layout:
        """Take one batch, in order; returns the layout that the next must be decoded with.

        That is `layout`, or `layout.settled()` from when the first file is open: until
        then columns that were only null may still take a type.
        """
        if self._layout is not None and layout.schema != self._layout.schema:
            await self._end_layout(self._layout)
        while self._is_encoded:
            await self._add()
        self._groups.add(batch)
        while self._groups.is_full:
            layout = layout.settled()
            await self._write_next(layout)
        return layout

    async def finish(self, layout: Layout | None) -> None:
        """Write what is left, and end the last file."""
        if layout is not None:
            await self._drain(layout.settled())
        await self._close()

    async def _end_layout(self, layout: Layout) -> None:
        """Write all full row groups; where they leave a file open, the rest goes into it."""
        while self._begun or self._groups.is_full:
            if self._begun:
                await self._add()
            else:
                await self._write_row_group(layout)
        if self._open is not None:
            await self._drain(layout)
            await self._close()

    async def _drain(self, layout: Layout) -> None:
        while self._begun or self._groups.held_rows:
            if not self._groups.held_rows:
                await self._add()
            elif self._begun:
                await self._write_next(layout)
            else:
                await self._write_row_group(layout)

    async def _write_next(self, layout: Layout) -> None:
        """Write a row group of what is held, or begin to; else write what was begun first."""
        if self._may_begin():
            await self._begin_row_group(layout)
        elif self._begun:
            await self._add()
        else:
            await self._write_row_group(layout)

    def _may_begin(self) -> bool:
        """Whether a row group may be encoded meanwhile. The first of a file never is: by it is
        decided how the others are."""
        return (
            self._open is not None
            and not self._groups.ends_file
            and self._workers.is_idle
            and self._ahead.has_room(len(self._begun) + 1)
        )

    async def _begin_row_group(self, layout: Layout) -> None:
        file = await self._opened(layout)

        def make() -> pa.Table:
            self._begun.append(self._groups.cut())
            return stamp(gathered(self._begun[-1], layout.schema), self._stamps)

        await file.begin_row_group(make)
        while self._is_encoded:
            await self._add()

    @property
    def _is_encoded(self) -> bool:
        """Whether `add` would wait for no encoding."""
        return bool(self._begun) and self._open is not None and self._open.is_encoded

    async def _add(self) -> None:
        """Write the row group that was begun first. Where it ends the file, those begun behind it
        are cut anew: the next file may have others."""
        assert self._open is not None  # noqa: S101  # row groups are begun of an open file
        self._on_rows(await self._open.add())
        self._begun.popleft()
        if self._open.is_full(self._output):
            await self._open.forget()
            while self._begun:
                self._groups.put_back(self._begun.pop())
            await self._close()
        self._ahead.shrink(len(self._begun))

    async def _write_row_group(self, layout: Layout) -> None:
        file = await self._opened(layout)
        groups, stamps = self._groups, self._stamps
        self._on_rows(await file.write(lambda: stamp(groups.take(layout.schema), stamps)))
        if file.is_full(self._output):
            await self._close()

    async def _opened(self, layout: Layout) -> OpenFile:
        if self._open is None:
            self._open = await self._begin(layout)
            self._layout = layout
        return self._open

    async def _begin(self, layout: Layout) -> OpenFile:
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
        self._groups.begin_file()
        await file.aclose()
        self._on_file(self.staged[-1])


@final
class _Ahead:
    """How many row groups may be encoded while the next is gathered, and their share of a budget.

    Beside the one that is being gathered, a slice has reserved what one takes that is encoded.
    """

    def __init__(self, budget: Budget | None, output: Output, *, at_most: int) -> None:
        self._budget = budget
        self._group_bytes = _GROUP_MULTIPLE * output.row_group_bytes
        self._at_most = at_most
        self._reserved = 0

    def has_room(self, count: int) -> bool:
        """Whether so many may be; what they take is reserved then."""
        if self._budget is None or count > self._at_most:
            return False
        if self._reserved < count:
            if not self._budget.reserve_now(self._group_bytes):
                return False
            self._reserved += 1
        return True

    def shrink(self, left: int) -> None:
        """Give back what is reserved for more than are left."""
        while self._budget is not None and self._reserved > left:
            self._budget.release(self._group_bytes)
            self._reserved -= 1
