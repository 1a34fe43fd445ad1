"""The beginning of a Parquet file of a store or server, as a small file of its own.

    the first row groups, at the offsets that they have | the footer, as it is

Offsets in a footer count from the file's first byte, so those of the groups that were fetched
hold; the others are not read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from bronze_engine.errors import SliceLost
from bronze_engine.sources.files.entry import Entry
from bronze_engine.sources.files.places.local import LocalPlace
from bronze_engine.sources.files.spool import spooled
from bronze_engine.workers import Workers

__all__ = ["parquet_head"]

SMALL_BYTES: Final = 4 * 1024**2
"""A file up to this is fetched whole."""
ROWS: Final = 2 * 65_536 + 512
"""As many as the format reads before an inspection has enough: two batches, and the rows by
which it learns how heavy they are."""
_TAIL_BYTES: Final = 64 * 1024
_MAGIC: Final = b"PAR1"
_MOST_FOOTER_BYTES: Final = 64 * 1024**2


async def parquet_head(entry: Entry, workers: Workers, stack: AsyncExitStack) -> Entry:
    """The entry as a local copy of its beginning, removed with `stack`.

    The entry itself where it is small, is no Parquet file, needs all of its row groups, or
    lies on a server that sends no part of it.
    """
    size = entry.size_bytes
    if size <= SMALL_BYTES or entry.member is not None:
        return entry
    try:
        tail = await _range(entry, size - _TAIL_BYTES)
        footer_bytes = int.from_bytes(tail[-8:-4], "little") + 8
        if not tail.endswith(_MAGIC) or footer_bytes > min(size, _MOST_FOOTER_BYTES):
            return entry  # whoever reads it says what is wrong with it
        if footer_bytes > len(tail):
            tail = await _range(entry, size - footer_bytes)
    except SliceLost:
        return entry
    footer = tail[-footer_bytes:]
    end = await workers.run(_end_of_first, footer)
    if end is None or end + footer_bytes >= size:
        return entry
    path = await stack.enter_async_context(
        spooled(_beginning(entry, end, footer), workers, name=entry.path)
    )
    found = msgspec.structs.replace(entry.found, key=str(path), size_bytes=end + footer_bytes)
    return Entry(place=LocalPlace(workers, holds_copies=True), found=found)


def _end_of_first(footer: bytes) -> int | None:
    """Where the row groups end that have the first rows; None where the footer is broken."""
    try:
        metadata = pq.read_metadata(pa.BufferReader(_MAGIC + footer))
    except (pa.ArrowException, OSError):
        return None
    rows = end = 0
    for place in range(metadata.num_row_groups):
        group = metadata.row_group(place)
        for column in map(group.column, range(group.num_columns)):
            start = column.data_page_offset
            if column.has_dictionary_page and column.dictionary_page_offset is not None:
                start = min(start, column.dictionary_page_offset)
            end = max(end, start + column.total_compressed_size)
        rows += group.num_rows
        if rows >= ROWS:
            break
    return end


async def _beginning(entry: Entry, end: int, footer: bytes) -> AsyncIterator[bytes]:
    async with entry.place.read(entry.found, _ignore, length=end) as chunks:
        async for chunk in chunks:
            yield chunk
    yield footer


async def _range(entry: Entry, start: int) -> bytes:
    async with entry.place.read(entry.found, _ignore, start=start) as chunks:
        return b"".join([chunk async for chunk in chunks])


def _ignore(_: bytes) -> None:
    """Nobody hashes what is only looked at."""
