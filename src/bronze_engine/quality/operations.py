"""What each change of `load = "cdc"` did: told by a column, counted, and nothing else lands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.config.cdc import Cdc
from bronze_engine.contracts import Decoded, Refuse
from bronze_engine.errors import QualityError
from bronze_engine.model.arrow import Array, DataType
from bronze_engine.model.block import Reject
from bronze_engine.model.changes import ChangeCounts
from bronze_engine.model.layout import Layout
from bronze_engine.model.nearest import nearest
from bronze_engine.model.types.row_text import printed_rows
from bronze_engine.workers import Workers

__all__ = ["Operations", "check_order"]

Rows = np.ndarray[Any, np.dtype[np.int64]]

_KINDS: Final = ("insert", "update", "delete")
_SHOWN_CHARS: Final = 40


@final
class Operations:
    """Watches the changes of one reading of one slice, group by group in order."""

    def __init__(self, cdc: Cdc | None, workers: Workers) -> None:
        self._cdc = cdc
        self._workers = workers
        self.counts = ChangeCounts()

    async def apply(self, decoded: Decoded) -> Decoded:
        """The group without the rows whose operation is none, which are rejects now.

        Raises QualityError (QUAL001) where no record has the column, or its type has no codes.
        """
        if self._cdc is None or not decoded.batch.num_rows:
            return decoded
        return await self._workers.run(_judge, decoded, self._cdc, stage="quality")

    async def count(self, decoded: Decoded) -> None:
        """Count what is left of a group once all have judged it: these rows land."""
        if self._cdc is not None and decoded.batch.num_rows:
            self.counts += await self._workers.run(_count, decoded, self._cdc)


def _judge(decoded: Decoded, cdc: Cdc) -> Decoded:
    texts = _texts(decoded, cdc.operation)
    places = _places(texts, cdc)
    if not places.null_count:
        return decoded
    return _without(decoded, places, _reasons(texts.filter(places.is_null()), cdc.operation))


def _count(decoded: Decoded, cdc: Cdc) -> ChangeCounts:
    places = _places(_texts(decoded, cdc.operation), cdc).to_numpy(zero_copy_only=False)
    ends = np.cumsum([len(getattr(cdc, kind)) for kind in _KINDS])
    counts = np.bincount(np.searchsorted(ends, places, side="right"), minlength=len(_KINDS))
    return ChangeCounts(inserts=int(counts[0]), updates=int(counts[1]), deletes=int(counts[2]))


def _places(texts: Array, cdc: Cdc) -> Array:
    """Of each row the place of its code among all that there are; NULL for none of them."""
    codes: Array = pa.array([*cdc.insert, *cdc.update, *cdc.delete], pa.string())
    return pc.index_in(texts, value_set=codes)


def _texts(decoded: Decoded, name: str) -> Array:
    """The column's values as texts."""
    layout = decoded.layout
    column = next((each for each in layout.columns() if each.is_called(name)), None)
    if column is None:
        raise QualityError(
            f"cdc.operation names {name!r}, and no record has such a column;"
            f" {nearest(name, layout.schema.names, write=repr)}",
            column=name,
        )
    array: Array = decoded.batch.column(column.name)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if not _has_codes(array.type):
        raise QualityError(
            f"cdc.operation: column {column.name!r} is {array.type}, and codes are texts, integers"
            " or booleans; name another column",
            column=name,
        )
    return array.cast(pa.string())


def _has_codes(kind: DataType) -> bool:
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer)
    more = (pa.types.is_string_view, pa.types.is_boolean, pa.types.is_null)
    return any(check(kind) for check in (*checks, *more))


def _reasons(texts: Array, name: str) -> list[str]:
    found = []
    for text in texts.to_pylist():
        if text is None:
            found.append(f"cdc.operation: {name} is NULL")
            continue
        shown = text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "..."
        found.append(f"cdc.operation: {name} is {shown!r}, a code of no insert, update or delete")
    return found


def _without(decoded: Decoded, places: Array, reasons: Sequence[str]) -> Decoded:
    """The group without the rows that have no place among the codes."""
    none: Rows = np.flatnonzero(places.is_null().to_numpy(zero_copy_only=False))
    kept: Rows = np.flatnonzero(places.is_valid().to_numpy(zero_copy_only=False))
    refuse = decoded.refuse
    at: list[int] = none.tolist()
    if refuse is None:
        rows = zip(at, reasons, printed_rows(decoded.batch, at), strict=True)
        rejects: Sequence[Reject] = [
            Reject(reason=reason, page=0, offset=place, raw=raw) for place, reason, raw in rows
        ]
    else:
        rejects = refuse(at, reasons)
    left: Decoded = msgspec.structs.replace(
        decoded,
        batch=decoded.batch.filter(places.is_valid()),
        rejects=(*decoded.rejects, *rejects),
        refuse=None if refuse is None else _among(kept, refuse),
    )
    return left


def _among(kept: Rows, refuse: Refuse) -> Refuse:
    """Who knows the records of rows that others are gone from among."""

    def refuse_kept(places: Sequence[int], reasons: Sequence[str]) -> Sequence[Reject]:
        return refuse([int(kept[place]) for place in places], reasons)

    return refuse_kept


def check_order(cdc: Cdc | None, layout: Layout | None) -> None:
    """Raise QualityError where `order_by` names what no record has."""
    if cdc is None or layout is None:
        return
    columns = layout.columns()
    for name in cdc.order_by:
        if not any(column.is_called(name) for column in columns):
            raise QualityError(
                f"cdc.order_by names {name!r}, and no record has such a column;"
                f" {nearest(name, layout.schema.names, write=repr)}",
                column=name,
            )
