"""`format = "arrow"`: Arrow IPC, as a file (Feather 2) or as a stream."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, final

import pyarrow as pa

from bronze_engine.contracts import Decoder, Emit, Request, Resources
from bronze_engine.errors import ExtractError
from bronze_engine.sources.files.batches import (
    NO_COLUMN,
    check_names,
    check_rows,
    hand_on,
    only_columns,
    reading_as,
    without_dictionaries,
)
from bronze_engine.sources.files.format import Content
from bronze_engine.sources.files.soundness import is_sound

__all__ = ["ArrowFormat"]

_FILE: Final = b"ARROW1"
_FEATHER_1: Final = b"FEA1"
_MARK: Final = b"\xff\xff\xff\xff"
"""Before each message of a stream, since format 0.15."""

_END: Final = _MARK + b"\0\0\0\0"
"""Of a stream. Writers may leave it out, and just stop."""


@final
class ArrowFormat:
    """Arrow IPC from a local disk: files of stores and servers are copied there first.

    Memory is bounded by the batches that the file is made of: one is held at a time.
    """

    def __init__(self, request: Request, resources: Resources) -> None:
        self._workers = resources.workers
        self._tally = resources.tally
        self._decoder = resources.arrow_decoder(request)

    async def read(self, content: Content, emit: Emit, /) -> None:
        info = content.info
        async with content.local() as path:
            batches = _batches(path, info.path)
            if not await hand_on(batches, info.number, emit, self._workers):
                self._tally.warn(f"{info.path} {NO_COLUMN}")
            if not await self._workers.run(_has_end, path):
                self._tally.warn(
                    f"{info.path} has no mark of its end: if it was cut off between two batches,"
                    " rows are missing that nobody can tell of"
                )

    def decoder(self) -> Decoder:
        return self._decoder


def _batches(path: Path, name: str) -> Iterator[pa.RecordBatch]:
    with reading_as("Arrow IPC", name), pa.OSFile(str(path), "r") as file:
        head = file.read(len(_FILE))
        if not head:
            raise ExtractError(f"{name} is empty: Arrow IPC begins with a schema")
        if head.startswith(_FEATHER_1):
            raise ExtractError(
                f"{name} is Feather 1, which is not read; have it written as Feather 2, which is"
                " Arrow IPC"
            )
        file.seek(0)
        stream = _of_file(file) if head == _FILE else _of_stream(file)
        rows = 0
        for batch in stream:
            if not rows:
                check_names(batch.schema.names, name)
            rows += batch.num_rows
            check_rows(batch.num_columns, batch.num_rows, name)
            if not all(map(is_sound, batch.columns)):
                raise ExtractError(
                    f"{name} is damaged: values of it lie outside of it; fetch it again"
                )
            yield without_dictionaries(batch)


def _has_end(path: Path) -> bool:
    """Whether a stream has its end; of a file, or one of before 0.15, its reader tells."""
    with path.open("rb") as file:
        head = file.read(len(_FILE))
        if not head.startswith(_MARK):
            return True
        file.seek(-len(_END), os.SEEK_END)
        return file.read() == _END


def _of_file(file: pa.NativeFile) -> Iterator[pa.RecordBatch]:
    reader = pa.ipc.open_file(file)
    for place in range(reader.num_record_batches):
        yield reader.get_batch(place)
    if not reader.num_record_batches:
        yield only_columns(reader.schema)


def _of_stream(file: pa.NativeFile) -> Iterator[pa.RecordBatch]:
    reader = pa.ipc.open_stream(file)
    is_empty = True
    for batch in reader:
        is_empty = False
        yield batch
    if is_empty:
        yield only_columns(reader.schema)
