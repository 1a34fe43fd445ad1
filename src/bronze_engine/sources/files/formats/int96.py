"""Timestamps of 96 bits in Parquet, which Hive, Impala and older Sparks write.

They hold nanoseconds over millions of years. Arrow's own way is timestamp[ns], in which years
before 1677 and after 2262 turn into others without a word. So they are read as microseconds, and
nanoseconds as well, and the two are compared: what microseconds don't hold is a fault, unless
the configuration asks for nanoseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bronze_engine.errors import QualityError

__all__ = ["Instants"]


@final
class Instants:
    """The timestamps of one file that have 96 bits."""

    def __init__(self, path: Path, names: list[str], unit: Literal["us", "ns"]) -> None:
        self.unit: Final[Literal["us", "ns"]] = unit
        """What they are read as."""
        self._names = names
        self._path = path
        self._other: Iterator[pa.RecordBatch] | None = None

    @classmethod
    def of(cls, path: Path, types: Mapping[str, str]) -> Instants:
        """Those of a file. Raises pa.ArrowException and OSError."""
        with pq.ParquetFile(path) as file:
            schema = file.schema
            columns = [schema.column(place) for place in range(len(schema))]
        names = [each.path for each in columns if each.physical_type == "INT96"]
        asks_ns = any(
            types.get(name.partition(".")[0], "").replace(" ", "").startswith("timestamp(ns")
            for name in names
        )
        return cls(path, names, "ns" if asks_ns else "us")

    def check(self, batch: pa.RecordBatch, path: str) -> None:
        """Raise QualityError for an instant that the unit does not hold. Batches come in order."""
        flat = [name for name in self._names if "." not in name]
        if not flat:
            return
        if self._other is None:
            self._other = self._read(flat, batch.num_rows)
        other = next(self._other)
        for name in flat:
            one, two = _ticks(batch.column(name)), _ticks(other.column(name))
            us, ns = (one, two) if self.unit == "us" else (two, one)
            with np.errstate(over="ignore"):
                rest = ns - us * 1000  # as both wrap alike, this is exact
            wrong = (rest != 0) if self.unit == "us" else ((ns // 1000) != us)
            if wrong.any():
                place = int(np.flatnonzero(wrong)[0])
                advice = (
                    f'type it as "timestamp(ns)" in schema.columns.{name}'
                    if self.unit == "us"
                    else "leave its type out"
                )
                raise QualityError(
                    f"{path}: column {name!r} has an instant that timestamp[{self.unit}] does not"
                    f" hold (near {batch.column(name)[place]}); {advice}",
                    column=name,
                )

    def _read(self, names: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        other: Literal["us", "ns"] = "ns" if self.unit == "us" else "us"
        with pq.ParquetFile(
            self._path, pre_buffer=False, coerce_int96_timestamp_unit=other
        ) as file:
            yield from file.iter_batches(batch_size=rows, columns=names, use_threads=False)


def _ticks(array: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    filled = array.cast(pa.int64()).fill_null(0)
    found: np.ndarray[Any, np.dtype[np.int64]] = filled.to_numpy(zero_copy_only=False)
    return found
