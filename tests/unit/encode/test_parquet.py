"""Parquet files in parts: readable by others, hashed as written, the same each time."""

from __future__ import annotations

import gc
import hashlib
import io
import weakref
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from bronze_engine.config.output import Output
from bronze_engine.encode.parquet import ParquetEncoder
from bronze_engine.model.part import DataFile, Part

pytestmark = pytest.mark.unit

PART_BYTES = 4096


def sample(rows: int = 3000, start: int = 0) -> pa.Table:
    return pa.table(
        {
            "id": pa.array(range(start, start + rows), pa.int64()),
            "status": ["new", "paid", "sent"] * (rows // 3),
            "ref": [hashlib.sha256(str(start + i).encode()).hexdigest() for i in range(rows)],
            "tags": [["a", "b"]] * rows,
            "o": [{"k": "v", "n": i} for i in range(rows)],
            "ok": [True, None, False] * (rows // 3),
        }
    )


def encode(
    tables: Sequence[pa.Table], options: Output | None = None, *, part_bytes: int = PART_BYTES
) -> tuple[list[Part], DataFile]:
    options = Output() if options is None else options
    encoder = ParquetEncoder(
        "x.parquet", tables[0].schema, options, layout=7, part_bytes=part_bytes
    )
    parts: list[Part] = []
    for each in tables:
        parts += encoder.write(each)
    last, file = encoder.finish()
    return [*parts, *last], file


def whole(parts: Sequence[Part]) -> bytes:
    return b"".join(part.data for part in parts)


def metadata(parts: Sequence[Part]) -> Any:
    return pq.read_metadata(io.BytesIO(whole(parts)))


def test_each_write_is_a_row_group_and_reads_back() -> None:
    tables = [sample(3000), sample(600, start=3000)]
    parts, file = encode(tables)
    assert pq.read_table(io.BytesIO(whole(parts))).equals(pa.concat_tables(tables))
    found = metadata(parts)
    assert [found.row_group(i).num_rows for i in range(found.num_row_groups)] == [3000, 600]
    assert (file.name, file.row_count, file.layout) == ("x.parquet", 3600, 7)


@pytest.mark.parametrize("encoding", ["plain", "delta"])
def test_row_groups_that_are_encoded_side_by_side_make_the_same_file(
    encoding: Literal["plain", "delta"],
) -> None:
    options = Output(encoding=encoding)
    tables = [sample(300, start=300 * i) for i in range(20)]
    encoder = ParquetEncoder("x", tables[0].schema, options, layout=7, part_bytes=PART_BYTES)
    encoder.begin(tables[0])
    with ThreadPoolExecutor(4) as pool:
        groups = list(pool.map(encoder.encode, tables))
    side_by_side = [part for group in groups for part in encoder.add(group)]
    last, file = encoder.finish()
    assert [part.data for part in [*side_by_side, *last]] == [
        part.data for part in encode(tables, options)[0]
    ]
    assert pq.read_table(io.BytesIO(whole([*side_by_side, *last]))).equals(pa.concat_tables(tables))
    assert file.row_count == 6000


def test_parts_are_numbered_of_equal_size_and_checksummed() -> None:
    parts, file = encode([sample()])
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert len(parts) > 3
    assert {len(part.data) for part in parts[:-1]} == {PART_BYTES}
    assert 0 < len(parts[-1].data) <= PART_BYTES
    assert [part.offset for part in parts] == [i * PART_BYTES for i in range(len(parts))]
    assert all(part.crc32 == zlib.crc32(part.data) for part in parts)
    assert file.size_bytes == len(whole(parts))
    assert file.sha256 == hashlib.sha256(whole(parts)).hexdigest()


def test_parts_leave_while_the_file_is_being_written() -> None:
    encoder = ParquetEncoder("x", sample().schema, Output(), part_bytes=PART_BYTES)
    parts = encoder.write(sample())
    assert parts
    assert encoder.rows_written == 3000
    assert encoder.bytes_written >= sum(len(part.data) for part in parts)


def test_the_same_input_gives_the_same_bytes() -> None:
    first, file = encode([sample(), sample(300)])
    second, again = encode([sample(), sample(300)], part_bytes=100_000)
    assert whole(first) == whole(second)
    assert file == again


def test_dictionaries_only_where_values_repeat() -> None:
    group = metadata(encode([sample()])[0]).row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    used = {path for path, c in columns.items() if "RLE_DICTIONARY" in c.encodings}
    assert used == {"status", "tags.list.element", "o.k"}


def test_lowest_and_highest_values_of_all_but_texts_that_neither_repeat_nor_ascend() -> None:
    table = sample().append_column("key", pa.array([f"{number:08}" for number in range(3000)]))
    group = metadata(encode([table])[0]).row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert {path for path, column in columns.items() if not column.is_stats_set} == {"ref"}
    assert columns["id"].statistics.max == 2999
    assert columns["key"].statistics.max == "00002999"


def test_rows_of_nan_are_found_by_readers_that_go_by_lowest_and_highest_values(
    tmp_path: Path,
) -> None:
    """Of [NaN, 1.0] Parquet says that all lies between 1.0 and 1.0; readers believe it."""
    nan = float("nan")
    floats = pa.array([0.5, 1.0], pa.float32())
    plain = pa.table({"x": [0.5, 1.0], "f": floats, "o": [{"x": [1.0]}, {"x": []}]})
    odd = pa.table({"x": [nan, 1.0], "f": floats, "o": [{"x": [1.0]}, {"x": [nan, None]}]})
    parts, _ = encode([plain, odd])
    known = [
        {
            group.column(place).path_in_schema: group.column(place).is_stats_set
            for place in range(group.num_columns)
        }
        for group in map(metadata(parts).row_group, range(2))
    ]
    assert known[0] == {"x": True, "f": True, "o.x.list.element": True}
    assert known[1] == {"x": False, "f": True, "o.x.list.element": False}
    file = tmp_path / "x.parquet"
    file.write_bytes(whole(parts))
    assert ds.dataset(file).count_rows(filter=pc.is_nan(pc.field("x"))) == 1
    with duckdb.connect() as connection:
        for condition in ("isnan(x)", "x = 'nan'", "x > 100", "x IN (SELECT 'nan'::DOUBLE)"):
            found = connection.read_parquet(str(file)).filter(condition)
            assert len(found.fetchall()) == 1, condition


@pytest.mark.parametrize(
    ("precision", "physical"), [(9, "INT32"), (18, "INT64"), (19, "FIXED_LEN_BYTE_ARRAY")]
)
def test_decimals_are_whole_numbers_where_they_fit(precision: int, physical: str) -> None:
    values = [Decimal("12.34"), None, Decimal("-0.01")] * 100
    table = pa.table({"d": pa.array(values, pa.decimal128(precision, 2))})
    parts, _ = encode([table])
    assert metadata(parts).schema.column(0).physical_type == physical
    assert pq.read_table(io.BytesIO(whole(parts)))["d"].to_pylist() == values


@pytest.mark.parametrize(
    ("compression", "level", "codec"),
    [
        ("zstd", None, "ZSTD"),
        ("zstd", 9, "ZSTD"),
        ("snappy", None, "SNAPPY"),
        ("gzip", 9, "GZIP"),
        ("lz4", None, "LZ4"),
        ("none", None, "UNCOMPRESSED"),
    ],
)
def test_compression_is_as_configured(compression: Any, level: int | None, codec: str) -> None:
    parts, _ = encode([sample()], Output(compression=compression, compression_level=level))
    assert metadata(parts).row_group(0).column(0).compression == codec


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_the_level_reaches_the_compressor(compression: Any) -> None:
    sizes = [
        encode([sample()], Output(compression=compression, compression_level=level))[1].size_bytes
        for level in (1, 9)
    ]
    assert sizes[0] != sizes[1]
    if compression == "zstd":
        assert encode([sample()])[1].size_bytes == sizes[0]


def test_a_file_without_rows_is_a_file() -> None:
    encoder = ParquetEncoder("x", sample().schema, Output())
    parts, file = encoder.finish()
    assert file.row_count == 0
    assert pq.read_table(io.BytesIO(whole(list(parts)))).schema == sample().schema


def test_an_abandoned_encoder_is_gone() -> None:
    encoder = ParquetEncoder("x", sample().schema, Output(), part_bytes=PART_BYTES)
    encoder.write(sample())
    trace = weakref.ref(encoder)
    del encoder
    gc.collect()
    assert trace() is None


def test_odd_names_and_wide_numbers_read_back() -> None:
    table = pa.table(
        {
            "": [1],
            "a.b": ["x"],
            "é😀": [Decimal("1234567890123456789012345678901234567890.12")],
            "t": pa.array([1], pa.timestamp("ns", "Europe/Berlin")),
            "nul\0": ["\0"],
        }
    )
    assert pq.read_table(io.BytesIO(whole(encode([table])[0]))).equals(table)
