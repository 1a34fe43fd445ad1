"""`encoding`: which columns are written as differences, and that each value comes back."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.config.output import Encoding, Output
from bronze_engine.encode.parquet import ParquetEncoder
from bronze_engine.model.arrow import DataType

pytestmark = pytest.mark.unit

ROWS: Final = 1000
DELTA: Final = "DELTA_BINARY_PACKED"
MOMENT: Final = datetime(2025, 1, 15, 12, tzinfo=UTC)

COLUMNS: Final[dict[str, tuple[DataType, Callable[[int], object]]]] = {
    "i8": (pa.int8(), lambda i: i % 256 - 128),
    "i16": (pa.int16(), lambda i: 32767 - 32 * i),
    "i32": (pa.int32(), lambda i: (-1) ** i * (2**31 - 1 - i)),
    "i64": (pa.int64(), lambda i: (-1) ** i * (2**63 - 1 - i)),
    "u8": (pa.uint8(), lambda i: i * 7 % 256),
    "u16": (pa.uint16(), lambda i: i * 77 % 2**16),
    "u32": (pa.uint32(), lambda i: i % 2 * (2**32 - 1) ^ i),
    "u64": (pa.uint64(), lambda i: i % 2 * (2**64 - 1) ^ i),
    "day": (pa.date32(), lambda i: date(1, 1, 1) + timedelta(days=3650 * (i % ROWS))),
    "t32": (pa.time32("ms"), lambda i: i % ROWS * 86_399_999 // ROWS),
    "t64": (pa.time64("us"), lambda i: i % ROWS * 86_399_999_999 // ROWS),
    "t64_ns": (pa.time64("ns"), lambda i: i % ROWS * 86_399_999_999_999 // ROWS),
    "at_ms": (pa.timestamp("ms"), lambda i: MOMENT.replace(tzinfo=None) - timedelta(hours=i)),
    "at": (pa.timestamp("us", "UTC"), lambda i: MOMENT + timedelta(days=i * (-1) ** i)),
    "at_ns": (pa.timestamp("ns"), lambda i: (-1) ** i * (2**63 - 1 - i)),
    "d9": (pa.decimal128(9, 2), lambda i: Decimal(f"{(-1) ** i * (9_999_999 - i)}.99")),
    "d18": (pa.decimal128(18, 4), lambda i: (-1) ** i * Decimal(f"{10**14 - 1 - i}.9999")),
    "wide": (pa.decimal256(18, 0), lambda i: Decimal(10**18 - 1 - i)),
    "ints": (pa.list_(pa.int64()), lambda i: [i * i, None] if i % 3 else []),
    "o": (
        pa.struct([("n", pa.int32()), ("at", pa.list_(pa.struct([("d", pa.date32())])))]),
        lambda i: {"n": i - 500, "at": [{"d": date(2025, 1, 1) + timedelta(days=i)}]},
    ),
}
"""Columns that are written as differences: a type, and a value of each row."""

OTHERS: Final[dict[str, tuple[DataType, Callable[[int], object]]]] = {
    "d19": (pa.decimal128(19, 2), lambda i: Decimal(f"{10**16 - i}.01")),
    "d50": (pa.decimal256(50, 2), lambda i: Decimal(f"{10**16 - i}.01")),
    "ok": (pa.bool_(), lambda i: i % 3 == 0),
    "f": (pa.float64(), lambda i: i / 7),
    "s": (pa.string(), lambda i: f"{i * 7919 % ROWS}"),
    "b": (pa.binary(), lambda i: f"{i * 7919 % ROWS}".encode()),
}

REPEATING: Final[dict[str, tuple[DataType, Callable[[int], object]]]] = {
    "few": (pa.int64(), lambda i: i % 5),
    "few_days": (pa.date32(), lambda i: date(2025, 1, 1 + i % 100 // 10)),
    "one": (pa.date32(), lambda _: date(2025, 1, 15)),
    "few_lists": (pa.list_(pa.int32()), lambda i: [i % 5, i % 5]),
}

EVERY: Final = COLUMNS | OTHERS | REPEATING
ENCODINGS: Final[tuple[Encoding, ...]] = ("plain", "delta")


def table(columns: dict[str, tuple[DataType, Callable[[int], object]]], start: int = 0) -> pa.Table:
    """Every tenth value is NULL."""
    rows = range(start, start + ROWS)
    return pa.table(
        {
            name: pa.array([None if i % 10 == 3 else value(i) for i in rows], kind)
            for name, (kind, value) in columns.items()
        }
    )


def encode(tables: Sequence[pa.Table], encoding: Encoding = "delta") -> bytes:
    encoder = ParquetEncoder("x.parquet", tables[0].schema, Output(encoding=encoding))
    parts = [part for each in tables for part in encoder.write(each)]
    last, _ = encoder.finish()
    return b"".join(part.data for part in [*parts, *last])


def encodings(data: bytes) -> dict[str, set[str]]:
    """Of each leaf, over all row groups, from the footer; not those of the levels."""
    found: dict[str, set[str]] = {}
    metadata: Any = pq.read_metadata(io.BytesIO(data))
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            found.setdefault(column.path_in_schema, set()).update(column.encodings)
    return {path: used - {"RLE"} for path, used in found.items()}


def read(data: bytes) -> pa.Table:
    return pq.read_table(io.BytesIO(data))


def test_whole_numbers_are_differences_in_every_row_group() -> None:
    tables = [table(COLUMNS), table(COLUMNS, start=ROWS - 1)]
    data = encode(tables)
    used = encodings(data)
    assert {"ints.list.element", "o.n", "o.at.list.element.d"} < used.keys()
    assert used == {path: {DELTA} for path in used}
    assert read(data).equals(pa.concat_tables(tables))


def test_by_default_nothing_is() -> None:
    tables = [table(COLUMNS)]
    used = encodings(encode(tables, Output().encoding))
    assert used == {path: {"PLAIN"} for path in used}


def test_what_is_no_whole_number_stays_as_it_is() -> None:
    tables = [table(OTHERS)]
    data = encode(tables)
    used = encodings(data)
    assert used == {path: {"PLAIN"} for path in used}
    assert data == encode(tables, "plain")


def test_a_dictionary_goes_before() -> None:
    tables = [table(REPEATING)]
    data = encode(tables)
    assert all(
        used >= {"RLE_DICTIONARY"} and DELTA not in used for used in encodings(data).values()
    )
    assert data == encode(tables, "plain")


def test_numbers_that_ascend_are_differences_until_a_hundred_times_each() -> None:
    sorted_values = pa.table({str(each): [i // each for i in range(ROWS)] for each in (1, 99, 111)})
    data = encode([sorted_values])
    assert [path for path, used in encodings(data).items() if used == {DELTA}] == ["1", "99"]
    assert "RLE_DICTIONARY" in encodings(encode([sorted_values], "plain"))["99"]
    assert read(data).equals(sorted_values)


def test_the_same_input_gives_the_same_bytes() -> None:
    assert encode([table(COLUMNS | OTHERS)]) == encode([table(COLUMNS | OTHERS)])


def test_pages_stay_of_version_1() -> None:
    """A page's header begins with its type: 0 of version 1, 3 of version 2 (as 6: zigzag)."""
    data = encode([table(COLUMNS)])
    group: Any = pq.read_metadata(io.BytesIO(data)).row_group(0)
    for column in map(group.column, range(group.num_columns)):
        assert data[column.data_page_offset :][:2] == b"\x15\x00"


def test_columns_without_a_value() -> None:
    schema = pa.schema([(name, kind) for name, (kind, _) in COLUMNS.items()])
    nothing = pa.Table.from_pylist([{}] * ROWS, schema=schema)
    data = encode([nothing, table(COLUMNS)])
    assert read(data).equals(pa.concat_tables([nothing, table(COLUMNS)]))
    assert all(used == {DELTA} for used in encodings(data).values())
    assert read(encode([nothing])).equals(nothing)
    assert read(encode([schema.empty_table()])).equals(schema.empty_table())


def test_columns_whose_paths_are_the_same_are_plain() -> None:
    """Parquet's options go by the path with dots, which two columns may have in common."""
    columns = {
        "a.b": pa.array(range(ROWS), pa.int64()),
        "a": pa.array([{"b": f"{i * 7919}"} for i in range(ROWS)]),
        "c.d": pa.array(range(ROWS), pa.int64()),
        "c": pa.array([{"d": i % 5} for i in range(ROWS)]),
    }
    data = encode([pa.table(columns)])
    assert not any(DELTA in used for used in encodings(data).values())
    assert read(data).equals(pa.table(columns))


def test_odd_names() -> None:
    odd = pa.table({name: pa.array(range(ROWS)) for name in ("", "a.b", "é😀", "nul\0", "x y")})
    data = encode([odd])
    assert read(data).equals(odd)
    assert all(used == {DELTA} for used in encodings(data).values())


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=300))
def test_differences_may_overflow(values: list[int | None]) -> None:
    small = [None if value is None else value % 2**32 - 2**31 for value in values]
    odd = pa.table({"long": pa.array(values, pa.int64()), "int": pa.array(small, pa.int32())})
    assert read(encode([odd])).equals(odd)


def by_duckdb(path: str) -> pa.Table:
    with duckdb.connect() as connection:
        found: pa.Table = connection.read_parquet(path).to_arrow_table()
    return found


def by_polars(path: str) -> pa.Table:
    return pl.read_parquet(path).to_arrow()


@pytest.mark.parametrize("reader", [by_duckdb, by_polars])
def test_other_readers_find_every_value(tmp_path: Path, reader: Callable[[str], pa.Table]) -> None:
    columns = {name: column for name, column in EVERY.items() if name != "d50"}  # double of DuckDB
    tables = [table(columns), table(columns, start=ROWS - 1)]
    whole = pa.concat_tables(tables)
    found = dict.fromkeys(ENCODINGS, pa.table({}))
    for encoding in ENCODINGS:
        path = tmp_path / f"{encoding}.parquet"
        path.write_bytes(encode(tables, encoding))
        found[encoding] = reader(str(path))
    assert found["delta"].equals(found["plain"])
    for name, column in zip(columns, found["delta"].columns, strict=True):
        wanted = whole[name].cast(column.type, safe=False)  # some count no nanoseconds
        assert column.equals(wanted), name
