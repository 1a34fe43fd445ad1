"""Parquet files, encoded row group by row group into parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bronze_engine.config.output import Output
from bronze_engine.encode.sink import PART_BYTES, PartSink
from bronze_engine.model.arrow import Array
from bronze_engine.model.part import DataFile, Part

__all__ = ["ParquetEncoder"]

_SAMPLE_ROWS: Final = 16_384
_REPEATS: Final = 4
"""A dictionary pays where each value comes this often. It costs a hash a value, and one that
grows past its page is written for nothing."""
_ZSTD_LEVEL: Final = 1


@final
class ParquetEncoder:
    """One Parquet file. An abandoned encoder holds memory only.

    The same tables, options and pyarrow give the same bytes.
    """

    def __init__(
        self,
        name: str,
        schema: pa.Schema,
        options: Output,
        *,
        layout: int = 0,
        part_bytes: int = PART_BYTES,
    ) -> None:
        self.name = name
        self.schema = schema
        self.rows_written = 0
        self._options = options
        self._layout = layout
        self._sink = PartSink(part_bytes)
        self._writer: pq.ParquetWriter | None = None

    @property
    def bytes_written(self) -> int:
        """Bytes of the file so far; the footer is still to come."""
        return self._sink.size_bytes

    def write(self, item: pa.Table, /) -> Sequence[Part]:
        """Write one row group and return the parts that are now full."""
        if self._writer is None:
            self._writer = self._open(item)
        if item.num_rows:
            self._writer.write_table(item, row_group_size=item.num_rows)
            self.rows_written += item.num_rows
        return self._sink.take()

    def finish(self) -> tuple[Sequence[Part], DataFile]:
        """Write the footer; the last parts, and the file as the manifest names it."""
        writer = self._open(self.schema.empty_table()) if self._writer is None else self._writer
        writer.close()
        return self._sink.end(name=self.name, row_count=self.rows_written, layout=self._layout)

    def _open(self, first: pa.Table) -> pq.ParquetWriter:
        options: dict[str, Any] = {}
        level = self._options.compression_level
        if self._options.compression == "zstd":
            options["compression_level"] = _ZSTD_LEVEL if level is None else level
        elif self._options.compression == "gzip" and level is not None:
            options["compression_level"] = level
        return pq.ParquetWriter(
            pa.PythonFile(self._sink, mode="w"),
            self.schema,
            version="2.6",
            compression=self._options.compression,
            use_dictionary=_repeating(first),  # type: ignore[arg-type]  # a list of paths is fine
            write_statistics=True,
            **options,
        )


def _repeating(table: pa.Table) -> list[str]:
    """The leaf columns, as Parquet names them, whose values repeat in the first row group."""
    sample = table.slice(0, _SAMPLE_ROWS)
    found: list[str] = []
    for name, column in zip(sample.schema.names, sample.columns, strict=True):
        for path, leaf in _leaves(name, column.combine_chunks()):
            values = len(leaf) - leaf.null_count
            if values and pc.count_distinct(leaf).as_py() * _REPEATS <= values:
                found.append(path)
    return found


def _leaves(path: str, array: Array) -> Iterator[tuple[str, Array]]:
    kind = array.type
    if pa.types.is_list(kind):
        yield from _leaves(f"{path}.list.element", array.flatten())
    elif pa.types.is_struct(kind):
        for i, child in enumerate(array.flatten()):
            yield from _leaves(f"{path}.{kind.field(i).name}", child)
    elif not pa.types.is_boolean(kind):  # one bit each: no dictionary is smaller
        yield path, array
