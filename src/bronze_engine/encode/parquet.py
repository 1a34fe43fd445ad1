"""Parquet files, encoded row group by row group into parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bronze_engine.config.output import Output
from bronze_engine.encode.indices import (
    INDICES,
    is_indices,
    listed_anew,
    with_indices,
    with_texts,
)
from bronze_engine.encode.sink import PART_BYTES, PartSink
from bronze_engine.model.arrow import Array, DataType, schema_to_text
from bronze_engine.model.part import DataFile, Part

__all__ = ["ParquetEncoder"]

_SAMPLE_ROWS: Final = 16_384
_REPEATS: Final = 4
"""A dictionary pays where each value comes this often. It costs a hash a value, and one that
grows past its page is written for nothing."""
_REPEATS_ASCENDING: Final = 100
"""Of whole numbers that ascend, where differences may be written: until then these are smaller,
and less work (614,400 seconds that come 7 times each: 155 kB against 837 kB)."""
_ZSTD_LEVEL: Final = 1
_SCHEMA_KEY: Final = "ARROW:schema"
"""Where a file says of which Arrow types its columns are."""
_INT64_DIGITS: Final = 18
"""Of a decimal, with `store_decimal_as_integer`; of more it is bytes."""


@final
class ParquetEncoder:
    """One Parquet file. An abandoned encoder holds memory only.

    The same tables, options and pyarrow give the same bytes, whether texts come as values or as
    indices (`encode.indices`).
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
        self._as_indices: list[str] = []
        """Columns that are given to the writer as indices."""

    @property
    def bytes_written(self) -> int:
        """Bytes of the file so far; the footer is still to come."""
        return self._sink.size_bytes

    @property
    def hash_seconds(self) -> float:
        """What the checksums have taken so far; `write` and `finish` wait for them."""
        return self._sink.hash_seconds

    def write(self, item: pa.Table, /) -> Sequence[Part]:
        """Write one row group and return the parts that are now full."""
        if self._writer is None:
            self._writer = self._open(item)
        if item.num_rows:
            self._writer.write_table(self._as_opened(item), row_group_size=item.num_rows)
            self.rows_written += item.num_rows
        return self._sink.take()

    def finish(self) -> tuple[Sequence[Part], DataFile]:
        """Write the footer; the last parts, and the file as the manifest names it."""
        writer = self._open(self.schema.empty_table()) if self._writer is None else self._writer
        writer.close()
        return self._sink.end(name=self.name, row_count=self.rows_written, layout=self._layout)

    def _open(self, first: pa.Table) -> pq.ParquetWriter:
        as_differences = self._options.encoding == "delta"
        leaves = _kinds_of_leaves(first, as_differences=as_differences)
        options: dict[str, Any] = {}
        level = self._options.compression_level
        if self._options.compression == "zstd":
            options["compression_level"] = _ZSTD_LEVEL if level is None else level
        elif self._options.compression == "gzip" and level is not None:
            options["compression_level"] = level
        if as_differences:
            options["column_encoding"] = dict.fromkeys(leaves.numbers, "DELTA_BINARY_PACKED")
        repeating = frozenset(leaves.repeating)
        self._as_indices = [
            field.name
            for field in first.schema
            if is_indices(field.type) and field.name in repeating
        ]
        writer = pq.ParquetWriter(
            pa.PythonFile(self._sink, mode="w"),
            with_indices(self.schema, self._as_indices),
            version="2.6",
            compression=self._options.compression,
            use_dictionary=leaves.repeating,  # type: ignore[arg-type]  # a list of paths is fine
            write_statistics=leaves.ordered,
            store_decimal_as_integer=True,  # half of the bytes, and less work
            store_schema=not self._as_indices,
            **options,
        )
        if self._as_indices:  # readers get texts, as the schema says
            writer.add_key_value_metadata({_SCHEMA_KEY: schema_to_text(self.schema)})
        return writer

    def _as_opened(self, table: pa.Table) -> pa.Table:
        """A row group with indices in the columns that the file was opened with."""
        table = with_texts(table, but=self._as_indices)
        for name in self._as_indices:
            place = table.schema.get_field_index(name)
            field = table.schema.field(place).with_type(INDICES)
            table = table.set_column(place, field, listed_anew(table.column(place)))
        return table


class _Leaves(NamedTuple):
    """Leaf columns, as Parquet names them."""

    repeating: list[str]
    """Their values repeat in the first rows."""
    ordered: list[str]
    """By their lowest and highest value a reader may skip a row group."""
    numbers: list[str]
    """They are stored as whole numbers that do not repeat."""


def _kinds_of_leaves(table: pa.Table, *, as_differences: bool) -> _Leaves:
    """What the first rows say of each leaf.

    Texts that neither repeat nor ascend are no such: notes and random keys go from one end to
    the other in each row group, and comparing all of them is a tenth of the encoding.
    """
    sample = with_texts(table.slice(0, _SAMPLE_ROWS))
    repeating: list[str] = []
    ordered: list[str] = []
    numbers: list[str] = []
    others: set[str] = set()  # a column "a.b" and the field b of a struct a have one path
    for name, column in zip(sample.schema.names, sample.columns, strict=True):
        for path, leaf in _leaves(name, column.combine_chunks()):
            is_number = _is_whole_number(leaf.type)
            ascends = as_differences and is_number and _ascends(leaf)
            times = _REPEATS_ASCENDING if ascends else _REPEATS
            repeats = not pa.types.is_boolean(leaf.type) and _repeats(leaf, times)
            if repeats:  # of booleans no dictionary is smaller: they are one bit each
                repeating.append(path)
            if repeats or not _is_text(leaf.type) or _ascends(leaf):
                ordered.append(path)
            if is_number and not repeats:
                numbers.append(path)
            else:
                others.add(path)
    return _Leaves(repeating, ordered, [path for path in numbers if path not in others])


def _repeats(leaf: Array, times: int) -> bool:
    values = len(leaf) - leaf.null_count
    return bool(values) and pc.count_distinct(leaf).as_py() * times <= values


def _ascends(leaf: Array) -> bool:
    known = leaf.drop_null()
    return bool(pc.all(pc.less_equal(known[:-1], known[1:])).as_py()) if len(known) else True


def _is_text(kind: DataType) -> bool:
    checks = (pa.types.is_string, pa.types.is_binary, pa.types.is_large_string)
    return any(check(kind) for check in (*checks, pa.types.is_large_binary))


def _is_whole_number(kind: DataType) -> bool:
    """Whether Parquet stores it as INT32 or INT64, which differences are taken of."""
    if pa.types.is_decimal(kind):
        return bool(kind.precision <= _INT64_DIGITS)
    checks = (pa.types.is_integer, pa.types.is_date, pa.types.is_time, pa.types.is_timestamp)
    return any(check(kind) for check in checks)


def _leaves(path: str, array: Array) -> Iterator[tuple[str, Array]]:
    kind = array.type
    if pa.types.is_list(kind):
        yield from _leaves(f"{path}.list.element", array.flatten())
    elif pa.types.is_struct(kind):
        for i, child in enumerate(array.flatten()):
            yield from _leaves(f"{path}.{kind.field(i).name}", child)
    else:
        yield path, array
