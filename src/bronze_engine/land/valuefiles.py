"""The data files of one slice in folders of partition values, several of them open at once.

A value's file is opened when its first row group is written, and rolls over by rows, by bytes,
where a new column arrives, and where too many are open and it was written to least recently.
None of these depends on time, so the same input gives the same files.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final, final

import pyarrow as pa

from bronze_engine.config.output import Output
from bronze_engine.config.partition_by import PartitionField
from bronze_engine.contracts import Store
from bronze_engine.decode.stamp import Stamps, stamp, stamped_schema
from bronze_engine.encode.parquet import ParquetEncoder
from bronze_engine.encode.partition_values import Level, Values, divide, levels_of
from bronze_engine.encode.spread import Spread
from bronze_engine.errors import QualityError
from bronze_engine.flow import each
from bronze_engine.land.openfile import OpenFile
from bronze_engine.model.layout import Layout
from bronze_engine.model.part import Staged
from bronze_engine.publish.folders import values_folder
from bronze_engine.store.keys import MAX_SEGMENT_BYTES
from bronze_engine.workers import Workers

__all__ = ["MAX_FILES", "ValueFiles", "value_files_bytes"]

MAX_FILES: Final = 10_000
"""Of one slice. Each is a line of the manifest that every reader takes whole, and an upload."""

_PART_BYTES: Final = 5 * 1024**2
"""S3's least: each open file gathers one part."""

_PARTS_SENT: Final = 4
"""Parts of one file that a store has on their way at once."""

_SENDING: Final = 2
"""Files whose parts may be on their way: while one sends, the next is encoded."""

_CLOSING: Final = 8
"""Files that are ended side by side: each is a request or two, and most are small."""

_LEAST_HELD_BYTES: Final = 64 * 1024**2
"""Rows held by value: over 16 values 4 MiB each, a row group that compresses well."""


def value_files_bytes(output: Output) -> int:
    """What the files of one slice hold beside the row group that is being encoded."""
    parts = output.max_open_files + _SENDING * _PARTS_SENT
    return _held_bytes(output) + parts * _PART_BYTES


def _held_bytes(output: Output) -> int:
    return max(_LEAST_HELD_BYTES, 2 * output.row_group_bytes)


@final
class ValueFiles:
    """Writes one slice's rows, as `DataFiles` does. Leave it to remove the files still open.

    No row group is encoded while others are gathered: several files are open as it is.
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
        self._fields = [PartitionField.parse(entry) for entry in output.partition_by]
        self._levels: Sequence[Level] = ()
        self._spread = Spread(
            rows=output.row_group_rows,
            bytes_=output.row_group_bytes,
            held_bytes=_held_bytes(output),
            max_rows_per_file=output.max_rows_per_file,
        )
        self._layout: Layout | None = None
        """The layout of the open files."""
        self._open: dict[Values, tuple[int, OpenFile]] = {}
        """The files that are open, with their numbers; the one written to last comes last."""
        self._sending: deque[OpenFile] = deque()
        self._begun = 0
        self._whole: dict[int, Staged] = {}

    @property
    def staged(self) -> list[Staged]:
        """Files that are whole, in the order in which they were begun."""
        return [self._whole[number] for number in sorted(self._whole)]

    async def __aenter__(self) -> ValueFiles:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        async with AsyncExitStack() as stack:
            for _, file in self._open.values():
                stack.push_async_callback(file.aclose)

    async def write(self, batch: pa.RecordBatch, layout: Layout) -> Layout:
        """Take one batch, in order; returns the layout that the next must be decoded with.

        Raises QualityError where a column's type, or a value, makes no folder.
        """
        if not batch.num_rows:
            return layout
        if self._layout is None or layout.schema != self._layout.schema:
            await self._close_all()
            self._layout = layout
            self._levels = levels_of(self._fields, layout.columns())
        await self._workers.run(self._spread_out, batch, stage="encode")
        while keys := await self._workers.run(self._spread.fill, stage="encode"):
            layout = self._layout = layout.settled()
            await self._write_row_groups(keys)
        return layout

    async def finish(self, layout: Layout | None) -> None:
        """Write what is left, and end all files."""
        if layout is not None:
            self._layout = layout.settled()
        await self._close_all()
        await self._write_row_groups(self._spread.keys)
        await self._close_all()

    def _spread_out(self, batch: pa.RecordBatch) -> None:
        self._spread.begin(batch, divide(batch, self._levels))

    async def _write_row_groups(self, keys: Sequence[Values]) -> None:
        """Write what is held of these values; files make room that others wrote to least recently.

        As many as may be open at a time, so that those which make room are ended side by side.
        """
        most = self._output.max_open_files
        for start in range(0, len(keys), most):
            some = keys[start : start + most]
            idle = [key for key in self._open if key not in some]
            room = most - sum(key not in self._open for key in some)
            await each(idle[: max(0, len(self._open) - room)], self._close, at_once=_CLOSING)
            for key in some:
                await self._write_row_group(key)

    async def _write_row_group(self, key: Values) -> None:
        opened = self._open.pop(key, None)
        number, file = await self._begin(key) if opened is None else opened
        self._open[key] = number, file
        layout, spread, stamps = self._at_work, self._spread, self._stamps
        self._on_rows(await file.write(lambda: stamp(spread.take(key, layout.schema), stamps)))
        if file.is_full(self._output):
            await self._close(key)
        elif file.may_be_sending and file not in self._sending:
            self._sending.append(file)
            if len(self._sending) > _SENDING:
                await self._sending.popleft().settle()

    @property
    def _at_work(self) -> Layout:
        if self._layout is None:
            raise AssertionError("rows are written after they were given, with their layout")
        return self._layout

    async def _begin(self, key: Values) -> tuple[int, OpenFile]:
        if self._begun == MAX_FILES:
            raise QualityError(
                f"output.partition_by = {list(self._output.partition_by)} makes more than"
                f" {MAX_FILES:,} files in one slice; partition by columns of fewer values"
            )
        number, layout = self._begun, self._at_work
        self._begun += 1
        encoder = ParquetEncoder(
            f"{self._folder(key)}/{self._name(number)}",
            stamped_schema(layout.schema, self._stamps),
            self._output,
            layout=layout.version,
            part_bytes=_PART_BYTES,
        )
        file = await OpenFile.begin(self._store, self._partition, encoder, self._workers)
        return number, file

    def _folder(self, key: Values) -> str:
        folder = values_folder(self._values(key))
        for part, level, value in zip(folder.split("/"), self._levels, key, strict=True):
            if len(part.encode()) > MAX_SEGMENT_BYTES:
                raise QualityError(
                    f"output.partition_by: the value {_shown(value)} of {level.key!r} makes a"
                    f" folder of {len(part.encode())} bytes, and {MAX_SEGMENT_BYTES} is the limit;"
                    " partition by a column of shorter values",
                    column=level.column,
                )
        return folder

    def _values(self, key: Values) -> dict[str, str | None]:
        return {level.key: value for level, value in zip(self._levels, key, strict=True)}

    async def _close_all(self) -> None:
        """End every file, with the rows that are held of its value; others are held on."""
        held = set(self._spread.keys)
        for key in list(self._open):
            if key in held:
                await self._write_row_group(key)
        await each(list(self._open), self._close, at_once=_CLOSING)

    async def _close(self, key: Values) -> None:
        if key not in self._open:
            return
        number, file = self._open[key]
        self._whole[number] = await file.end(self._values(key))
        del self._open[key]
        if file in self._sending:
            self._sending.remove(file)
        self._spread.end_file(key)
        await file.aclose()
        self._on_file(self._whole[number])


def _shown(value: str | None) -> str:
    return repr(value if value is None or len(value) <= 60 else f"{value[:57]}...")
