"""A layout: an Arrow schema with a version, as the decoder's fold has it so far."""

from __future__ import annotations

from typing import final

import msgspec
import pyarrow as pa

__all__ = ["EXTRA_COLUMN", "MAX_NEW_COLUMNS", "VARIANT_SUFFIX", "Layout"]

VARIANT_SUFFIX = "__variant"
EXTRA_COLUMN = "_extra"
MAX_NEW_COLUMNS = 20
"""New columns that may each close a file in one run; what comes later goes to `_extra`."""


@final
class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of a slice's records, in the order in which they were first seen.

    A field of type `pa.null()` has held only nulls so far. Until the layout is settled it
    may still take any type; `settled()` is called when the first file opens, because all
    files of a partition have one physical type a column: from then on a column that was
    only null is a string.
    """

    version: int
    schema: pa.Schema
    """Columns of the records, without those that the engine adds to each row."""
    is_settled: bool = False
    grown: int = 0
    """New columns since the layout was settled, at most MAX_NEW_COLUMNS."""

    def settled(self) -> Layout:
        """This layout with its types fixed: nulls, at any depth, have become strings."""
        if self.is_settled:
            return self
        schema = pa.schema([field.with_type(_without_null(field.type)) for field in self.schema])
        return Layout(version=self.version + 1, schema=schema, is_settled=True)


def _without_null(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_without_null(kind.value_type)))
    if pa.types.is_struct(kind):
        fields = [kind.field(i) for i in range(kind.num_fields)]
        return pa.struct([field.with_type(_without_null(field.type)) for field in fields])
    return kind
