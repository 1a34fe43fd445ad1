"""Row groups that were written apart, put together: the bytes of one writer, whatever it wrote."""

from __future__ import annotations

import io
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine.encode.footer import Footer

pytestmark = pytest.mark.unit

MAGIC = b"PAR1"

TABLE = pa.table(
    {
        "id": pa.array(range(400), pa.int64()),
        "kind": ["new", "paid", None, "é"] * 100,
        "amount": pa.array([Decimal(i).scaleb(-2) for i in range(400)], pa.decimal128(38, 2)),
        "day": [date(1, 1, 1), None, date(9999, 12, 31), date(2025, 1, 1)] * 100,
        "is_paid": [True, None, False, True] * 100,
        "tags": [["a", None], [], None, ["b"]] * 100,
        "at": [{"x": 1, "y": [{"z": 0.5}]}, None, {"x": None, "y": []}, {"x": 2, "y": None}] * 100,
        "nothing": pa.nulls(400),
        "text": ["\n" * i for i in range(400)],
    }
)


def written(tables: list[pa.Table], schema: pa.Schema, **options: Any) -> bytes:
    """A file of these row groups, by one writer."""
    file = io.BytesIO()
    with pq.ParquetWriter(file, schema, **options) as writer:
        for table in tables:
            writer.write_table(table, row_group_size=table.num_rows)
    return file.getvalue()


def taken_apart(file: bytes) -> tuple[bytes, bytes]:
    """What lies between the head and the footer, and the footer."""
    assert (file[:4], file[-4:]) == (MAGIC, MAGIC)
    length = int.from_bytes(file[-8:-4], "little")
    return file[4 : -8 - length], file[-8 - length : -8]


def joined(files: list[bytes], rows: int) -> bytes:
    """Files as one."""
    whole, groups, first = MAGIC, [], None
    for file in files:
        body, data = taken_apart(file)
        footer = Footer(data, moved_bytes=len(whole) - len(MAGIC))
        first = first or footer
        groups += footer.row_groups
        whole += body
    assert first is not None
    end = first.of(groups, rows)
    return whole + end + len(end).to_bytes(4, "little") + MAGIC


@pytest.mark.parametrize("count", [1, 2, 14, 15, 16, 200])
@pytest.mark.parametrize(
    "options",
    [
        {"compression": "zstd", "compression_level": 1},
        {"compression": "none", "use_dictionary": False, "data_page_version": "2.0"},
        {"compression": "snappy", "use_dictionary": ["kind"], "write_statistics": ["id", "day"]},
        {"compression": "gzip", "store_decimal_as_integer": True, "store_schema": False},
        {
            "compression": "lz4",
            "use_dictionary": False,
            "column_encoding": {"id": "DELTA_BINARY_PACKED", "text": "DELTA_BYTE_ARRAY"},
        },
        {"version": "1.0", "write_page_checksum": True, "data_page_size": 64},
    ],
)
def test_the_file_is_that_of_one_writer(options: dict[str, Any], count: int) -> None:
    size = TABLE.num_rows // count
    tables = [TABLE.slice(start, size) for start in range(0, size * count, size)]
    apart = [written([table], TABLE.schema, **options) for table in tables]
    assert joined(apart, size * count) == written(tables, TABLE.schema, **options)


def test_files_of_no_row_group_and_of_several_are_put_together_too() -> None:
    tables = [TABLE.slice(start, 100) for start in range(0, 400, 100)]
    parts: list[list[pa.Table]] = [[], tables[:1], tables[1:4], []]
    files = [written(part, TABLE.schema) for part in parts]
    assert joined(files, 400) == written(tables, TABLE.schema)


def test_a_file_of_many_columns_and_metadata() -> None:
    schema = pa.schema([(f"column {i}", pa.float32()) for i in range(300)], {"k": "v" * 1000})
    table = pa.table([[0.5] * 10] * 300, schema=schema)
    assert joined([written([table], schema)] * 3, 30) == written([table] * 3, schema)


@pytest.mark.parametrize("moved", [0, 1, 127, 2**31, 2**62])
def test_places_are_moved_however_far(moved: int) -> None:
    _, data = taken_apart(written([TABLE], TABLE.schema))
    footer = Footer(data, moved_bytes=moved)
    end = footer.of(footer.row_groups, 2**40)
    found = pq.read_metadata(pa.BufferReader(MAGIC + end + len(end).to_bytes(4, "little") + MAGIC))
    before = pq.read_metadata(pa.BufferReader(written([TABLE], TABLE.schema)))
    assert found.num_rows == 2**40
    for place in range(found.num_columns):
        here, there = found.row_group(0).column(place), before.row_group(0).column(place)
        assert here.data_page_offset == there.data_page_offset + moved
        assert here.has_dictionary_page == there.has_dictionary_page
        if there.dictionary_page_offset is not None:
            assert here.dictionary_page_offset == there.dictionary_page_offset + moved
        assert here.total_compressed_size == there.total_compressed_size


@pytest.mark.parametrize("data", [b"", b"\0", b"\x15\x04\0", b"\x1d\0"])
def test_what_is_no_footer_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="footer"):
        Footer(data)
