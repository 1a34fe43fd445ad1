"""The rows of two dates, compared in bounded memory: once for the counts, once for examples.

Each batch becomes records of 40 bytes on disk; a bucket of them is compared at a time. Python
hashes row by row, about 100,000 of ten columns a second, and holds 300 MiB for 4 million rows
(measured): this is for people who look, not for pipelines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bronze_engine.reading.cells import plain
from bronze_engine.reading.comparison.buckets import Buckets, buckets_for
from bronze_engine.reading.comparison.digests import Records, digests_of, records_of
from bronze_engine.reading.comparison.report import ChangedRow, RowsComparison

__all__ = ["Batches", "compare_rows"]

Batches = Callable[[], pa.RecordBatchReader]
"""Reads one side from its beginning: asked for twice where examples are looked for."""

STEP_ROWS: Final = 16_384
"""Hashed at once: their texts are in memory beside the batch."""


def compare_rows(
    a: Batches,
    b: Batches,
    *,
    key: Sequence[str],
    columns: Sequence[str],
    row_count: int,
    examples: int,
) -> RowsComparison:
    """Compare the `columns` of both, by `key` or, without one, as a whole.

    `row_count` is that of both sides together; of each kind of difference up to `examples` are
    shown, those whose digests are lowest, so that they are the same every time.
    """
    counts = _Counts(_Wanted(examples), has_key=bool(key))
    with Buckets(buckets_for(row_count)) as buckets:
        for batch in _steps(a):
            buckets.add("a", records_of(batch, key, columns))
        for batch in _steps(b):
            buckets.add("b", records_of(batch, key, columns))
        for left, right in buckets.pairs():
            counts.add(left, right)
    wanted, shown = counts.wanted, key or columns
    found_a = _find(a, wanted.of("a", "changed"), key, columns)
    found_b = _find(b, wanted.of("b", "changed"), key, columns)
    return RowsComparison(
        key=tuple(key),
        columns=tuple(columns),
        only_a=counts.only_a,
        only_b=counts.only_b,
        changed=counts.changed,
        same=counts.same,
        examples_a=tuple(_part(found_a[one], shown) for one in wanted.of("a") if one in found_a),
        examples_b=tuple(_part(found_b[one], shown) for one in wanted.of("b") if one in found_b),
        examples_changed=tuple(
            _changed(found_a[one], found_b[one], key)
            for one in wanted.of("changed")
            if one in found_a and one in found_b
        ),
    )


@final
class _Counts:
    """What both sides have, bucket after bucket."""

    def __init__(self, wanted: _Wanted, *, has_key: bool) -> None:
        self.wanted = wanted
        self.only_a = self.only_b = self.changed = self.same = 0
        self._has_key = has_key

    def add(self, left: Records, right: Records) -> None:
        is_left, is_right = _matched(left, right)
        a, b = left[is_left], right[is_right]  # the same keys, in the same order
        if self._has_key:
            self._add_keys(left[~is_left], right[~is_right], a, b)
        else:
            self._add_rows(left[~is_left], right[~is_right], a, b)

    def _add_keys(self, only_a: Records, only_b: Records, a: Records, b: Records) -> None:
        differs = (a["r0"] != b["r0"]) | (a["r1"] != b["r1"]) | (a["rows"] != b["rows"])
        self.only_a += len(only_a)
        self.only_b += len(only_b)
        self.changed += int(differs.sum())
        self.same += int((~differs).sum())
        self.wanted.add("a", only_a)
        self.wanted.add("b", only_b)
        self.wanted.add("changed", a[differs])

    def _add_rows(self, only_a: Records, only_b: Records, a: Records, b: Records) -> None:
        """A row may come more often on one side than on the other."""
        same = np.minimum(a["rows"], b["rows"])
        self.only_a += int(only_a["rows"].sum() + (a["rows"] - same).sum())
        self.only_b += int(only_b["rows"].sum() + (b["rows"] - same).sum())
        self.same += int(same.sum())
        self.wanted.add("a", np.concatenate((only_a, a[a["rows"] > same])))
        self.wanted.add("b", np.concatenate((only_b, b[b["rows"] > same])))


@final
class _Wanted:
    """The keys that are shown, by what they are examples of."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._keys: dict[str, list[tuple[int, int]]] = {"a": [], "b": [], "changed": []}

    def add(self, kind: str, records: Records) -> None:
        lowest = records[np.lexsort((records["k1"], records["k0"]))[: self._most]]
        pairs = zip(lowest["k0"].tolist(), lowest["k1"].tolist(), strict=True)
        self._keys[kind] = sorted([*self._keys[kind], *pairs])[: self._most]

    def of(self, *kinds: str) -> list[tuple[int, int]]:
        return [key for kind in kinds for key in self._keys[kind]]


def _steps(batches: Batches) -> Iterator[pa.RecordBatch]:
    for batch in batches():
        for start in range(0, batch.num_rows, STEP_ROWS):
            yield batch.slice(start, STEP_ROWS)


def _matched(left: Records, right: Records) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which records of each side the other has, too. Both are in the order of their keys."""
    keys_left, keys_right = left[["k0", "k1"]], right[["k0", "k1"]]
    both = np.concatenate((keys_left, keys_right))
    order = np.lexsort((both["k1"], both["k0"]))
    ordered = both[order]
    twice = np.flatnonzero(ordered[1:] == ordered[:-1])
    is_both = np.zeros(len(both), np.bool_)
    is_both[order[twice]] = True
    is_both[order[twice + 1]] = True
    return is_both[: len(left)], is_both[len(left) :]


def _find(
    batches: Batches, keys: list[tuple[int, int]], key: Sequence[str], columns: Sequence[str]
) -> dict[tuple[int, int], dict[str, Any]]:
    """The first row of each of these keys; reading ends with the last of them."""
    found: dict[tuple[int, int], dict[str, Any]] = {}
    firsts = np.array([first for first, _ in keys], np.uint64)
    missing = set(keys)
    for batch in _steps(batches) if keys else ():
        digests = digests_of(batch, key or columns)
        for row in np.flatnonzero(np.isin(digests[:, 0], firsts)).tolist():
            one = (int(digests[row, 0]), int(digests[row, 1]))
            if one in missing:
                missing.discard(one)
                found[one] = {name: plain(batch.column(name)[row]) for name in batch.schema.names}
        if not missing:
            break
    return found


def _part(row: dict[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in columns}


def _changed(a: dict[str, Any], b: dict[str, Any], key: Sequence[str]) -> ChangedRow:
    differing = [name for name in a if a[name] != b[name]]
    return ChangedRow(key=_part(a, key), a=_part(a, differing), b=_part(b, differing))
