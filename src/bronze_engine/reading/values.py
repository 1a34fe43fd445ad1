"""What a file's partition values say of all of its rows, as readers use it to pass files over."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as ds

from bronze_engine.model.part import DataFile

__all__ = ["promise_of"]

_TYPES: Final = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_integer,
    pa.types.is_boolean,
    pa.types.is_date32,
)
"""Types whose values are read back from their text to the last bit by every version of Arrow."""


def promise_of(file: DataFile, schema: pa.Schema) -> ds.Expression | None:
    """That each column which its folders are called after is that value; None for no folders.

    Folders of days and hours say nothing here: the bounds in the files' footers do.
    """
    found: ds.Expression | None = None
    for key, text in file.values.items():
        place = schema.get_field_index(key)
        if place < 0:
            continue
        kind: Any = schema.field(place).type
        if not any(is_kind(kind) for is_kind in _TYPES):
            continue
        field = ds.field(key)
        try:
            term: Any = field.is_null() if text is None else field == pa.scalar(text).cast(kind)
        except pa.ArrowInvalid:  # it reads no date before the year 0, or past 9999
            continue
        found = term if found is None else found & term
    return found
