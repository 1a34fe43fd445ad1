"""Rows whose primary key came before: pages that shift while they are read show them twice."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.config.quality import Duplicates
from bronze_engine.contracts import Decoded, Refuse
from bronze_engine.errors import QualityError
from bronze_engine.flow import Budget
from bronze_engine.model.arrow import Array
from bronze_engine.model.block import Reject
from bronze_engine.model.layout import Layout
from bronze_engine.model.types.row_text import printed_values
from bronze_engine.quality.keys import KeySet
from bronze_engine.workers import Workers

__all__ = ["DuplicateFilter", "Repeats", "duplicate_warnings"]

Kept = np.ndarray[Any, np.dtype[np.intp]]

_SHOWN_KEYS: Final = 3
_SHOWN_BYTES: Final = 80


class Repeats(msgspec.Struct, frozen=True, kw_only=True):
    """What a slice has had of repeated keys."""

    rows: int = 0
    """Rows whose key came before."""
    keyless: int = 0
    """Rows without a value in one of the key's columns: they are never duplicates."""
    keys: tuple[str, ...] = ()
    """The first keys that came again."""


@final
class DuplicateFilter:
    """Watches the keys of one slice, group by group in order. Leave it to give memory back.

    Keys are held in memory to the end of the slice: 16 bytes each where the key is one
    int64 column, else 32, what joining them takes included. Together with what other runs keep
    that may be half of what the engine's memory_limit leaves beside its reservations; a run
    whose keys do not fit is QualityError (QUAL001).
    """

    def __init__(
        self, mode: Duplicates, primary_key: Sequence[str], budget: Budget, workers: Workers
    ) -> None:
        self._mode = mode
        self._names = tuple(primary_key)
        self._budget = budget
        self._workers = workers
        self._keys = KeySet()
        self._kept_bytes = 0
        self.seen = Repeats()

    def __enter__(self) -> DuplicateFilter:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._budget.keep(-self._kept_bytes)
        self._kept_bytes = 0

    @property
    def is_watching(self) -> bool:
        """Whether keys are compared."""
        return self._mode != "keep"

    async def apply(self, decoded: Decoded) -> Decoded:
        """The group without what is left out. Raises QualityError as the mode and memory say."""
        if self._mode == "keep" or not decoded.batch.num_rows:
            return decoded
        judged, repeated = await self._workers.run(self._judge, decoded, stage="quality")
        if self._mode == "fail" and self.seen.rows:
            raise QualityError(
                f"{self.seen.rows} rows have a primary_key that came before{self._examples()}; "
                "nothing was committed; read in a stable order (sort by the key, page by cursor or "
                'keyset), or set quality.duplicates to "drop"',
                column=", ".join(self._names),
            )
        grown = self._keys.size_bytes - self._kept_bytes
        if not self._budget.keep(grown):
            raise QualityError(
                f"the keys that quality.duplicates = {self._mode!r} compares take "
                f"{self._keys.size_bytes:,} bytes, more than half of what engine.memory_limit "
                f"({self._budget.limit_bytes:,}) leaves; nothing was committed; raise that, or "
                'set quality.duplicates to "keep"',
                column=", ".join(self._names),
            )
        self._kept_bytes += grown
        return judged if repeated and self._mode == "drop" else decoded

    def _judge(self, decoded: Decoded) -> tuple[Decoded, int]:
        batch = decoded.batch
        columns = _key_columns(batch, decoded.layout, self._names)
        missing = 0
        present = _with_key(columns)
        if present is not None:
            missing = batch.num_rows - int(pc.sum(present).as_py() or 0)
            known = self._keys.add([column.filter(present) for column in columns])
            places: Array = pc.indices_nonzero(present).filter(pa.array(known))
        else:
            known = self._keys.add(columns)
            places = pc.indices_nonzero(pa.array(known))
        repeated = len(places)
        self.seen = Repeats(
            rows=self.seen.rows + repeated,
            keyless=self.seen.keyless + missing,
            keys=(*self.seen.keys, *_shown(columns, places))[:_SHOWN_KEYS],
        )
        if not repeated:
            return decoded, 0
        keep = np.ones(batch.num_rows, np.bool_)
        keep[places.to_numpy()] = False
        refuse = None
        if decoded.refuse is not None:
            refuse = partial(_refuse_kept, decoded.refuse, np.flatnonzero(keep))
        kept: Decoded = msgspec.structs.replace(
            decoded, batch=batch.filter(pa.array(keep)), refuse=refuse
        )
        return kept, repeated

    def _examples(self) -> str:
        return f" (the first: {', '.join(self.seen.keys)})"


def duplicate_warnings(
    mode: Duplicates, names: Sequence[str], seen: Sequence[Repeats]
) -> list[str]:
    """What a person should know of the repeated keys of a run's slices."""
    rows = sum(each.rows for each in seen)
    keyless = sum(each.keyless for each in seen)
    found: list[str] = []
    if rows:
        what = "were left out, the first one stays" if mode == "drop" else "were kept"
        keys = [key for each in seen for key in each.keys][:_SHOWN_KEYS]
        found.append(
            f"{rows} rows whose primary_key came before {what} (the first: {', '.join(keys)}): "
            "records move between pages while they are read"
        )
    if keyless:
        found.append(
            f"{keyless} rows have no value in primary_key ({', '.join(names)}), and were not "
            "compared"
        )
    return found


def _refuse_kept(
    refuse: Refuse, kept: Kept, places: Sequence[int], reasons: Sequence[str]
) -> Sequence[Reject]:
    """Rejects of rows by their places among those that were kept."""
    whole: list[int] = kept[np.asarray(places)].tolist()
    return refuse(whole, reasons)


def _key_columns(batch: pa.RecordBatch, layout: Layout, names: Sequence[str]) -> list[Array]:
    """The columns of the key; one that no record has yet is all nulls."""
    columns = layout.columns()
    found: list[Array] = []
    for name in names:
        column = next((each for each in columns if each.is_called(name)), None)
        found.append(pa.nulls(batch.num_rows) if column is None else batch.column(column.name))
    return found


def _with_key(columns: Sequence[Array]) -> Array | None:
    """Which rows have every part of the key; None where all have."""
    masks = [column.is_valid() for column in columns if column.null_count]
    if not masks:
        return None
    mask: Any = masks[0]
    for other in masks[1:]:
        mask = pc.and_(mask, other)
    return mask


def _shown(columns: Sequence[Array], places: Array) -> list[str]:
    first = places.slice(0, _SHOWN_KEYS)
    rows = zip(*(printed_values(column.take(first)) for column in columns), strict=True)
    texts = ("/".join(map(str, row)) for row in rows)
    return [text if len(text) <= _SHOWN_BYTES else text[:_SHOWN_BYTES] + "..." for text in texts]
