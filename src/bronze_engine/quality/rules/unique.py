"""Rows whose values came before: within a slice they are told one by one, across slices counted."""

from __future__ import annotations

from typing import Any, Final, final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.config.quality_rule import UniqueRule, columns_of
from bronze_engine.model.arrow import Array
from bronze_engine.model.quality import RuleResult
from bronze_engine.quality.conditions.evaluate import column_of
from bronze_engine.quality.keys import KeySet
from bronze_engine.quality.rules.scope import Scope
from bronze_engine.quality.rules.tally import Tally

__all__ = ["Unique"]


class _Seen(msgspec.Struct, frozen=True, array_like=True):
    tally: bytes
    keys: bytes
    across: int


@final
class Unique:
    """`contracts.Rule`; its state has the keys themselves, or 128 bits of each.

    `key` is what they are hashed with: the same in every process of a run.
    """

    def __init__(self, config: UniqueRule, key: bytes) -> None:
        self._scope: Final = Scope(config)
        self.columns: Final = columns_of(config)
        self.tally: Final = Tally(config)
        self._keys: Final = KeySet(key)
        self._across = 0
        """Rows whose key another slice had."""

    @property
    def size_bytes(self) -> int:
        """What it holds."""
        return self._keys.size_bytes

    def observe(self, batch: pa.RecordBatch, /) -> pa.BooleanArray | None:
        columns = [column_of(batch, name) for name in self.columns]
        rows = self._scope.rows(batch)
        self.tally.checked += batch.num_rows if rows is None else rows.true_count
        for column in columns:
            if column.null_count:
                valid = column.is_valid()
                rows = valid if rows is None else pc.and_(rows, valid)
        if rows is not None:
            columns = [column.filter(rows) for column in columns]
        if not len(columns[0]):
            return None
        known: Any = self._keys.add([_widened(column) for column in columns])
        if not known.any():
            return None
        broken = known
        if rows is not None:
            broken = np.zeros(batch.num_rows, np.bool_)
            broken[pc.indices_nonzero(rows).to_numpy()[known]] = True
        mask: pa.BooleanArray = pa.array(broken)
        self.tally.add(mask, batch, self.columns)
        return mask

    def see(self, batch: pa.RecordBatch, /) -> None:
        """Know the keys of rows that have landed."""
        self.observe(batch)
        self.tally.failed, self.tally.examples = 0, ()

    def state(self) -> bytes:
        return msgspec.msgpack.encode(_Seen(self.tally.state(), self._keys.state(), self._across))

    def merge(self, state: bytes, /) -> None:
        seen = msgspec.msgpack.decode(state, type=_Seen)
        self.tally.merge(seen.tally)
        again = int(self._keys.join(seen.keys).sum())
        self._across += seen.across + again
        self.tally.failed += again

    def finish(self) -> RuleResult:
        if not self._across:
            return self.tally.result()
        return self.tally.result(
            is_partition_wide=True,
            detail=f"{self._across:,} rows have values that a row of another slice has",
        )


def _widened(column: Array) -> Array:
    """Integers as int64: the set holds those as they are."""
    kind = column.type
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return column.cast(pa.int64())
    return column
