"""The `_raw` column: each row's record, to the byte, as the source sent it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pyarrow as pa

from bronze_engine.model.arrow import Array
from bronze_engine.model.block import Block
from bronze_engine.model.layout import Layout

__all__ = ["with_raw"]


def with_raw(
    batch: pa.RecordBatch, layout: Layout, blocks: Sequence[Block], places: Sequence[int] | None
) -> pa.RecordBatch:
    """The batch with its raw column filled, where `layout` has one.

    `places` says which record of the group each row is; None where they are the same.
    """
    number = next((i for i, c in enumerate(layout.columns()) if c.role == "raw"), None)
    if number is None or not batch.num_rows:
        return batch
    texts = pa.concat_arrays([_texts(block) for block in blocks])
    if places is not None:
        texts = texts.take(pa.array(places, pa.int64()))
    return batch.set_column(number, layout.schema.field(number), texts)


def _texts(block: Block) -> Array:
    if block.originals is not None:
        ends = np.cumsum([len(original) for original in block.originals], dtype=np.int32)
        return _cut(b"".join(block.originals), ends)
    breaks = np.flatnonzero(np.frombuffer(block.data, np.uint8) == ord("\n"))
    ends = (breaks - np.arange(len(breaks))).astype(np.int32)
    return _cut(block.data.replace(b"\n", b""), ends)


def _cut(values: bytes, ends: np.ndarray[tuple[int], np.dtype[np.int32]]) -> Array:
    """Texts that lie one after the other, by their ends. Their sum is below 2 GiB."""
    offsets = np.concatenate([np.zeros(1, np.int32), ends])
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(values)]
    return cast("Array", pa.Array.from_buffers(pa.string(), len(ends), buffers))
