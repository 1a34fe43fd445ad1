"""Rows whose every value is a text: what CSV, fixed-width and spreadsheets hold before there are
types."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pyarrow as pa

from bronze_engine.model.block import Reject
from bronze_engine.model.line import Line

__all__ = ["TextRows"]


class TextRows(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one group, in order, on their way to the types of their columns."""

    batch: pa.RecordBatch
    """A string column for each key of the source, in its order. NULL is NULL, and "" a text. Or a
    column of the type that `schema.columns` gives its key, where a reader of digits has made it."""
    lines: Callable[[], Sequence[Line]]
    """Where each row came from, with its exact bytes; `Line.place` is its place in the batch.
    Called at most once, and only where a row is refused or `schema.raw` asks for it."""
    rejects: Sequence[tuple[int, Reject]] = ()
    """Records of which no row could be made, in order, each with the place of the row after it."""
