"""Parquet files, encoded row group by row group into parts."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bronze_engine.config.output import Output
from bronze_engine.encode.footer import Footer
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

__all__ = ["EncodedRowGroup", "ParquetEncoder"]

_SAMPLE_ROWS: Final = 16_384
_REPEATS: Final = 4
"""A dictionary pays where each value comes this often. It costs a hash a value, and one that
grows past its page is written for nothing."""
_REPEATS_ASCENDING: Final = 100
"""Of whole numbers that ascend, where differences may be written: until then these are smaller,
and less work (614,400 seconds that come 7 times each: 155 kB against 837 kB)."""
_ZSTD_LEVEL: Final = 1
_MAGIC: Final = b"PAR1"
"""At either end of a file."""
_LENGTH_BYTES: Final = 4
"""Of the footer's length, which stands between it and the end."""
_SCHEMA_KEY: Final = "ARROW:schema"
"""Where a file says of which Arrow types its columns are."""
_INT64_DIGITS: Final = 18
"""Of a decimal, with `store_decimal_as_integer`; of more it is bytes."""


class EncodedRowGroup(NamedTuple):
    """A row group as the bytes of a file, wherever in it they will lie."""

    pieces: Sequence[bytes]
    footer: bytes
    """Of a file that has this row group alone."""
    row_count: int


@final
class ParquetEncoder:
    """One Parquet file. An abandoned encoder holds memory only.

    Row groups are encoded apart from each other, so several may be at once, and are added in
    order. The same tables, options and pyarrow give the same bytes, which are those of one
    `pq.ParquetWriter`, whether texts come as values or as indices (`encode.indices`). But a row
    group has no lowest and highest value of a column in which it has a NaN: Parquet leaves NaN out
    of them, and DuckDB, Arrow and pyiceberg then pass over the rows that a search for it, or for
    all above a number (DuckDB), should find.
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
        self._leaves: _Leaves | None = None
        self._as_indices: list[str] = []
        """Columns that are given to the writer as indices."""
        self._alone: bytes | None = None
        """The footer of the first row group, until there is a second one: small files have none,
        and theirs is taken as it is (a fifth of what encoding 100 rows costs)."""
        self._footer: Footer | None = None
        """Of the first row group, where there are others."""
        self._row_groups: list[bytes] = []
        """Of the footer."""

    @property
    def bytes_written(self) -> int:
        """Bytes of the file so far; the footer is still to come."""
        return self._sink.size_bytes

    @property
    def hash_seconds(self) -> float:
        """What the checksums have taken so far; `add` and `finish` wait for them."""
        return self._sink.hash_seconds

    def write(self, item: pa.Table, /) -> Sequence[Part]:
        """Write one row group and return the parts that are now full."""
        self.begin(item)
        return self.add(self.encode(item)) if item.num_rows else ()

    def begin(self, first: pa.Table) -> None:
        """Decide by the first row group how columns are written; no more once that is done."""
        if self._leaves is not None:
            return
        self._leaves = _kinds_of_leaves(first, as_differences=self._options.encoding == "delta")
        repeating = frozenset(self._leaves.repeating)
        self._as_indices = [
            field.name
            for field in first.schema
            if is_indices(field.type) and field.name in repeating
        ]

    def encode(self, table: pa.Table) -> EncodedRowGroup:
        """A row group for `add`, in whatever thread, once `begin` has been called."""
        written = _Written()
        with self._open(written, _with_nan(table)) as writer:
            if table.num_rows:
                writer.write_table(self._as_begun(table), row_group_size=table.num_rows)
        return EncodedRowGroup(*written.taken_apart(), table.num_rows)

    def add(self, group: EncodedRowGroup) -> Sequence[Part]:
        """Append a row group and return the parts that are now full."""
        if not self._sink.size_bytes:
            self._sink.write(_MAGIC)
            self._alone = group.footer
        else:
            if self._alone is not None:
                self._footer = Footer(self._alone)
                self._row_groups += self._footer.row_groups
                self._alone = None
            moved_bytes = self._sink.size_bytes - len(_MAGIC)
            self._row_groups += Footer(group.footer, moved_bytes=moved_bytes).row_groups
        for piece in group.pieces:
            self._sink.write(piece)
        self.rows_written += group.row_count
        return self._sink.take()

    def finish(self) -> tuple[Sequence[Part], DataFile]:
        """Write the footer; the last parts, and the file as the manifest names it."""
        if not self._sink.size_bytes:  # a file without rows
            nothing = self.schema.empty_table()
            self.begin(nothing)
            self.add(self.encode(nothing))
        footer = self._alone
        if footer is None:
            assert self._footer is not None  # noqa: S101  # of two row groups
            footer = self._footer.of(self._row_groups, self.rows_written)
        self._sink.write(footer + len(footer).to_bytes(_LENGTH_BYTES, "little") + _MAGIC)
        return self._sink.end(name=self.name, row_count=self.rows_written, layout=self._layout)

    def _open(self, sink: _Written, with_nan: frozenset[str]) -> pq.ParquetWriter:
        assert self._leaves is not None  # noqa: S101  # begin comes first
        leaves = self._leaves
        options: dict[str, Any] = {}
        level = self._options.compression_level
        if self._options.compression == "zstd":
            options["compression_level"] = _ZSTD_LEVEL if level is None else level
        elif self._options.compression == "gzip" and level is not None:
            options["compression_level"] = level
        if self._options.encoding == "delta":
            options["column_encoding"] = dict.fromkeys(leaves.numbers, "DELTA_BINARY_PACKED")
        writer = pq.ParquetWriter(
            pa.PythonFile(sink, mode="w"),
            with_indices(self.schema, self._as_indices),
            version="2.6",
            compression=self._options.compression,
            use_dictionary=leaves.repeating,  # type: ignore[arg-type]  # a list of paths is fine
            write_statistics=[path for path in leaves.ordered if path not in with_nan],
            store_decimal_as_integer=True,  # half of the bytes, and less work
            store_schema=not self._as_indices,
            **options,
        )
        if self._as_indices:  # readers get texts, as the schema says
            writer.add_key_value_metadata({_SCHEMA_KEY: schema_to_text(self.schema)})
        return writer

    def _as_begun(self, table: pa.Table) -> pa.Table:
        """A row group with indices in the columns that the file was begun with."""
        table = with_texts(table, but=self._as_indices)
        for name in self._as_indices:
            place = table.schema.get_field_index(name)
            field = table.schema.field(place).with_type(INDICES)
            table = table.set_column(place, field, listed_anew(table.column(place)))
        return table


@final
class _Written(io.RawIOBase):
    """A write-only file object that keeps a whole small file, as the pieces that it came in."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._size_bytes = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size_bytes

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]
        piece = data if isinstance(data, bytes) else bytes(data)  # pyarrow gives bytes
        self._pieces.append(piece)
        self._size_bytes += len(piece)
        return len(piece)

    def taken_apart(self) -> tuple[Sequence[bytes], bytes]:
        """What the footer points at, and the footer; both without their frame."""
        frame = self._cut(_LENGTH_BYTES + len(_MAGIC))
        footer = self._cut(int.from_bytes(frame[:_LENGTH_BYTES], "little"))
        return [self._pieces[0][len(_MAGIC) :], *self._pieces[1:]], footer

    def _cut(self, size: int) -> bytes:
        """The last bytes of the file, which it loses."""
        cut: list[bytes] = []
        while size:
            piece = self._pieces.pop()
            if len(piece) > size:
                self._pieces.append(piece[:-size])
                piece = piece[-size:]
            cut.append(piece)
            size -= len(piece)
        return b"".join(reversed(cut))


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


def _with_nan(table: pa.Table) -> frozenset[str]:
    """The leaves of a row group that have a NaN."""
    return frozenset(
        path
        for name, column in zip(table.schema.names, table.columns, strict=True)
        if _has_floats(column.type)
        for chunk in column.chunks
        for path, leaf in _leaves(name, chunk)
        if pa.types.is_floating(leaf.type) and pc.any(pc.is_nan(leaf)).as_py()
    )


def _has_floats(kind: DataType) -> bool:
    """Whether there are any at whatever depth."""
    if pa.types.is_nested(kind):
        return any(_has_floats(kind.field(place).type) for place in range(kind.num_fields))
    return bool(pa.types.is_floating(kind))


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
