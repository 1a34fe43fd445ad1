"""Whole rows of COPY BINARY to a record batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, final

import numpy as np
import pyarrow as pa

from bronze_engine.config.database.postgres import OnSpecial
from bronze_engine.errors import QualityError
from bronze_engine.model.arrow import Array
from bronze_engine.model.layout import VARIANT_SUFFIX
from bronze_engine.sources.copy_binary.buffers import empty
from bronze_engine.sources.copy_binary.cells import PADDING, Bytes, Cells, Mask
from bronze_engine.sources.copy_binary.field import Field
from bronze_engine.sources.copy_binary.framing import BrokenFraming
from bronze_engine.sources.copy_binary.kinds import READERS, has_specials
from bronze_engine.sources.copy_binary.rows import columns_of, count_of_empty
from bronze_engine.sources.copy_binary.windows import Shape

__all__ = ["CopyBinary", "DecodedRows", "selection_order"]

_MAX_BYTES: Final = 2**31 - 1 - 2 * PADDING
"""Arrow's offsets are int32. A row is at most 1 GiB, so a group that closes at 1 MiB fits."""

_SHOWN_LENGTH: Final = 200


class DecodedRows(NamedTuple):
    """What came of one group of rows."""

    batch: pa.RecordBatch
    specials: dict[str, int]
    """How many values of a column had no room in its type, for the columns that had any."""


def selection_order(fields: Sequence[Field]) -> list[int]:
    """The order in which a query had best select the fields, as indices into them.

    Rows are found by their first column: best is one of fixed width that is never NULL, and
    one of fixed width is better than none. The others stay as they are.
    """
    order = list(range(len(fields)))

    def rank(index: int) -> int:
        field = fields[index]
        return 2 if READERS[field.kind].width is None else int(field.nullable)

    best = min(order, key=rank, default=0)
    if best and rank(best) < rank(0):
        order.insert(0, order.pop(best))
    return order


@final
class CopyBinary:
    """Decodes the rows of one query. Pure and thread-safe: nothing is kept between calls."""

    def __init__(
        self,
        fields: Sequence[Field],
        *,
        on_special: OnSpecial = "fail",
        order: Sequence[int] | None = None,
    ) -> None:
        """`fields` as they land; `order` is the one in which the query selects them, where that
        is another (`selection_order`).

        What an Arrow type can't hold (NaN in a decimal, an infinite date) is an error with
        "fail", and NULL with "null". With "text" it is NULL, too, and its text stands in a
        column of its own behind each column that may have such values.
        """
        self._fields = tuple(fields)
        self._on_special = on_special
        self._order = tuple(range(len(fields)) if order is None else order)
        readers = [READERS[self._fields[at].kind] for at in self._order]
        self._shapes = [Shape(reader.width, reader.head_bytes) for reader in readers]
        self._first_is_null = bool(fields) and self._fields[self._order[0]].nullable
        landed: list[Any] = []
        for field in self._fields:
            may_be_null = field.nullable or (on_special != "fail" and has_specials(field))
            landed.append(pa.field(field.name, field.type, nullable=may_be_null))
            if self._has_variant(field):
                landed.append(pa.field(field.name + VARIANT_SUFFIX, pa.string()))
        self.schema: Final = pa.schema(landed)

    def decode(self, chunks: Sequence[bytes]) -> DecodedRows:
        """Decode whole rows, cut anywhere between them; the trailer may end the last chunk.

        Raises BrokenFraming where the chunks are not whole rows of these fields, QualityError
        for a special value with "fail", ExtractError for text that is no UTF-8.
        """
        data, end = _joined(chunks)
        if not self._fields:
            return DecodedRows(_of_no_columns(count_of_empty(data, PADDING, end)), {})
        columns = columns_of(data, PADDING, end, self._shapes, first_is_null=self._first_is_null)
        arrays: dict[str, Array] = {}
        specials: dict[str, int] = {}
        for at, cells in zip(self._order, columns, strict=True):
            field = self._fields[at]
            arrays[field.name], special = READERS[field.kind].read(cells, field)
            texts = None if special is None else self._judge(field, cells, special)
            if special is not None:
                specials[field.name] = int(np.count_nonzero(special))
            if self._has_variant(field):
                variant = pa.nulls(len(cells), pa.string()) if texts is None else texts
                arrays[field.name + VARIANT_SUFFIX] = variant
        landed = [arrays[name] for name in self.schema.names]
        return DecodedRows(pa.RecordBatch.from_arrays(landed, schema=self.schema), specials)

    def _has_variant(self, field: Field) -> bool:
        return self._on_special == "text" and has_specials(field)

    def _judge(self, field: Field, cells: Cells, special: Mask) -> Array | None:
        """The texts of the special values, where they are kept. Raises QualityError for "fail"."""
        show = READERS[field.kind].show
        if self._on_special == "null" or show is None:
            return None
        rows = np.flatnonzero(special).tolist()
        if self._on_special == "fail":
            value = _shortened(show(cells.value(rows[0]), field))
            raise QualityError(
                f'column "{field.name}" ({field.source_type or field.kind}) has the value '
                f"{value}, which {field.type} can't hold; set "
                f'source.on_special = "text" to keep such values in '
                f'"{field.name}{VARIANT_SUFFIX}", or "null" to land NULL for them',
                column=field.name,
            )
        texts: list[str | None] = [None] * len(cells)
        for row in rows:
            texts[row] = show(cells.value(row), field)
        return pa.array(texts, pa.string())


def _shortened(text: str) -> str:
    """A value as an error shows it: arrays and numerics may have megabytes."""
    if len(text) <= _SHOWN_LENGTH:
        return text
    return f"{text[:_SHOWN_LENGTH]}... ({len(text):,} characters)"


def _joined(chunks: Sequence[bytes]) -> tuple[Bytes, int]:
    """The chunks in one piece between zeros, in Arrow's memory, and where they end: the only
    copy that is made of them."""
    size = sum(map(len, chunks))
    if size > _MAX_BYTES:
        raise BrokenFraming(f"{size} bytes came at once, and {_MAX_BYTES} can be decoded")
    data = empty(size + 2 * PADDING, np.uint8)
    at = PADDING
    for chunk in chunks:
        data[at : at + len(chunk)] = np.frombuffer(chunk, np.uint8)
        at += len(chunk)
    data[:PADDING] = 0
    data[at:] = 0
    return data, at


def _of_no_columns(rows: int) -> pa.RecordBatch:
    """A batch that has rows and no columns."""
    return pa.RecordBatch.from_arrays([pa.nulls(rows)], names=[""]).select([])
