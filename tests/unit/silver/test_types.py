"""Whatever lands in Bronze goes through DuckDB without a change: to the last bit."""

from __future__ import annotations

import decimal
import math
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import duckdb
import hypothesis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from bronze_engine.errors import QualityError
from bronze_engine.model.arrow import Array, DataType
from bronze_engine.silver.database.database import Database
from bronze_engine.silver.database.decimals import (
    as_decimal,
    as_text,
    ordered_decimal,
    plain_decimal,
)
from bronze_engine.silver.database.rewriting import must_rewrite, rewriting
from bronze_engine.silver.database.types import carrier, is_carried, restored, sql_type, widened
from bronze_engine.workers import Workers

pytestmark = pytest.mark.unit

WIDE = pa.decimal256(60, 8)


def through(table: pa.Table, folder: Path) -> pa.Table:
    """A table as Parquet, rewritten where that is due, through DuckDB."""
    path = folder / "t.parquet"
    pq.write_table(table, path)
    if must_rewrite(path):
        other = folder / "other.parquet"
        for _ in rewriting(path, other):
            pass
        path = other

    async def read() -> list[pa.RecordBatch]:
        with Workers(1) as workers:
            async with (
                Database(
                    workers, folder, memory_bytes=64 * 1024**2, readable=[str(folder)]
                ) as database,
                database.batches(
                    f"SELECT * FROM read_parquet('{path}', file_row_number = true)"
                    " ORDER BY file_row_number",
                    schema=table.schema.append(pa.field("file_row_number", pa.int64())),
                ) as batches,
            ):
                return [batch async for batch in batches]

    found = pa.Table.from_batches(
        anyio.run(read), table.schema.append(pa.field("file_row_number", pa.int64()))
    )
    return found.drop(["file_row_number"])


def bits(array: Array) -> list[bytes | None]:
    """Of each value of a fixed width its bytes: NaN is itself, and -0.0 is not 0.0."""
    width = array.type.bit_width // 8
    raw = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    buffer: Any = raw.buffers()[1]
    held = buffer.to_pybytes()
    return [
        held[(raw.offset + at) * width : (raw.offset + at + 1) * width]
        if raw[at].is_valid
        else None
        for at in range(len(raw))
    ]


def numbers(digits: int, scale: int) -> st.SearchStrategy[Decimal]:
    most = 10**digits - 1
    ints = st.integers(-most, most) | st.sampled_from([0, 1, -1, most, -most])
    return ints.map(lambda unscaled: Decimal(unscaled).scaleb(-scale, WIDEST))


WIDEST = decimal.Context(prec=100, Emin=-200, Emax=200)


def whole(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high) | st.sampled_from([low, high, 0])


def counted(kind: DataType, low: int = -(2**63), high: int = 2**63 - 1) -> Any:
    """Arrays of a type that counts something in 64 bits."""
    return st.lists(st.none() | whole(low, high), max_size=20).map(
        lambda values: pa.array(values, pa.int64()).cast(kind)
    )


def arrays(kind: DataType, values: st.SearchStrategy[Any]) -> Any:
    return st.lists(st.none() | values, max_size=20).map(lambda each: pa.array(each, kind))


texts = st.text(st.characters(codec="utf-8"), max_size=30)
MILLISECONDS = (2**63 - 2) // 1000
LANDED: dict[str, Any] = {
    "bool": arrays(pa.bool_(), st.booleans()),
    "int8": arrays(pa.int8(), whole(-128, 127)),
    "int16": arrays(pa.int16(), whole(-(2**15), 2**15 - 1)),
    "int32": arrays(pa.int32(), whole(-(2**31), 2**31 - 1)),
    "int64": arrays(pa.int64(), whole(-(2**63), 2**63 - 1)),
    "uint8": arrays(pa.uint8(), whole(0, 255)),
    "uint16": arrays(pa.uint16(), whole(0, 2**16 - 1)),
    "uint32": arrays(pa.uint32(), whole(0, 2**32 - 1)),
    "uint64": arrays(pa.uint64(), whole(0, 2**64 - 1)),
    "float32": arrays(pa.float32(), st.floats(width=32)),
    "float64": arrays(pa.float64(), st.floats()),
    "decimal-9": arrays(pa.decimal128(9, 2), numbers(9, 2)),
    "decimal-18": arrays(pa.decimal128(18, 0), numbers(18, 0)),
    "decimal-38": arrays(pa.decimal128(38, 10), numbers(38, 10)),
    "decimal-38-all": arrays(pa.decimal128(38, 38), numbers(38, 38)),
    "decimal-39": arrays(pa.decimal256(39, 0), numbers(39, 0)),
    "decimal-60": arrays(WIDE, numbers(60, 8)),
    "decimal-76": arrays(pa.decimal256(76, 76), numbers(76, 76)),
    "decimal256-20": arrays(pa.decimal256(20, 2), numbers(20, 2)),
    "string": arrays(pa.string(), texts),
    "binary": arrays(pa.binary(), st.binary(max_size=20)),
    "fixed": arrays(pa.binary(4), st.binary(min_size=4, max_size=4)),
    "date": st.lists(st.none() | whole(-(2**31), 2**31 - 1), max_size=20).map(
        lambda values: pa.array(values, pa.int32()).cast(pa.date32())
    ),
    "time-us": counted(pa.time64("us"), 0, 86_400_000_000 - 1),
    "time-ns": counted(pa.time64("ns"), 0, 86_400_000_000_000 - 1),
    "timestamp-ms": counted(pa.timestamp("ms"), -MILLISECONDS, MILLISECONDS),
    "timestamp-us": counted(pa.timestamp("us")),
    "timestamp-ns": counted(pa.timestamp("ns")),
    "timestamp-us-utc": counted(pa.timestamp("us", "UTC")),
    "timestamp-ns-utc": counted(pa.timestamp("ns", "UTC")),
    "timestamp-us-zone": counted(pa.timestamp("us", "Europe/Berlin")),
    "list": arrays(pa.list_(pa.int32()), st.lists(st.none() | whole(-5, 5), max_size=3)),
    "list-of-lists": arrays(
        pa.list_(pa.list_(pa.string())), st.lists(st.none() | st.lists(texts, max_size=2))
    ),
    "list-decimal-60": arrays(pa.list_(WIDE), st.lists(st.none() | numbers(60, 8), max_size=3)),
    "struct": arrays(
        pa.struct([("a", pa.int32()), ("b", pa.list_(pa.string()))]),
        st.fixed_dictionaries({"a": st.none() | whole(-5, 5), "b": st.none() | st.lists(texts)}),
    ),
    "struct-decimal-60": arrays(
        pa.struct([("a", WIDE), ("b", pa.struct([("c", pa.list_(WIDE))]))]),
        st.fixed_dictionaries(
            {
                "a": st.none() | numbers(60, 8),
                "b": st.none()
                | st.fixed_dictionaries({"c": st.none() | st.lists(numbers(60, 8), max_size=2)}),
            }
        ),
    ),
    "struct-of-one-name": arrays(
        pa.struct([("a", pa.int32()), ("A", pa.string()), ("A_1", pa.int8()), ("é", pa.int8())]),
        st.fixed_dictionaries(
            {"a": whole(-5, 5), "A": texts, "A_1": st.just(1), "é": st.none() | st.just(2)}
        ),
    ),
}


@pytest.mark.parametrize("name", LANDED)
@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=10)
def test_column_is_the_same_after_duckdb(name: str, data: st.DataObject) -> None:
    array = data.draw(LANDED[name])
    table = pa.table({'odd "name"\n;é': array, "n": pa.array(range(len(array)), pa.int64())})
    with TemporaryDirectory() as folder:
        found = through(table, Path(folder))
    assert found.schema == table.schema
    if pa.types.is_floating(array.type):
        assert bits(found.column(0)) == bits(array) or not len(array)
    else:
        assert found.column(0).combine_chunks().equals(array)


@hypothesis.given(values=st.lists(st.none() | numbers(60, 8), max_size=20), start=st.integers(0, 5))
@hypothesis.settings(max_examples=50)
def test_text_of_a_wide_decimal_sorts_as_the_number_and_is_it(
    values: list[Decimal | None], start: int
) -> None:
    array = pa.array(values, WIDE).slice(min(start, len(values)))
    texts = as_text(array)
    assert as_decimal(texts, WIDE).equals(array)
    known = [value for value in values[start:] if value is not None]
    spoken = [text for text in texts.to_pylist() if text is not None]
    assert [text for _, text in sorted(zip(known, spoken, strict=True))] == sorted(spoken)


def asked(sql: str, *parameters: object) -> Any:
    with duckdb.connect() as connection:
        found = connection.execute(sql, list(parameters)).fetchone()
    assert found is not None
    return found[0]


@pytest.mark.parametrize(
    ("text", "scale"),
    [("-12.50", 2), ("0.00", 2), ("-0.00", 2), ("9" * 52, 0), ("-" + "9" * 52, 0), ("0.5", 1)],
)
def test_sql_writes_and_prints_wide_decimals_as_arrow_does(text: str, scale: int) -> None:
    carried = asked(f"SELECT {ordered_decimal('x', scale, WIDE)} FROM (SELECT ? AS x)", text)
    array = pa.array([Decimal(text)], WIDE)
    assert as_text(array).to_pylist() == [carried]
    plain = asked(f"SELECT {plain_decimal('x', WIDE)} FROM (SELECT ? AS x)", carried)
    assert plain == f"{abs(Decimal(text)) if not Decimal(text) else Decimal(text):.8f}"


@pytest.mark.parametrize(
    ("values", "have", "want"),
    [
        ([-125, None], pa.int32(), WIDE),
        ([2**64 - 1], pa.uint64(), WIDE),
        ([Decimal("-1.25"), None, Decimal(0)], pa.decimal128(10, 2), WIDE),
        ([Decimal("-9.5"), Decimal("3.1")], pa.decimal256(40, 1), WIDE),
        ([Decimal("-9.5"), None], pa.decimal128(10, 1), pa.decimal128(38, 20)),
        ([[-1, None, 2], None, []], pa.list_(pa.int32()), pa.list_(WIDE)),
        ([1, -2], pa.int8(), pa.int64()),
        (
            [{"a": 1, "d": Decimal("-1.25")}, None, {"a": None, "d": None}],
            pa.struct([("a", pa.int8()), ("d", pa.decimal128(10, 2))]),
            pa.struct([("A", pa.string()), ("d", WIDE), ("a", pa.int64()), ("n", pa.list_(WIDE))]),
        ),
        (
            [[{"l": [1, None]}, None], None, []],
            pa.list_(pa.struct([("l", pa.list_(pa.int32()))])),
            pa.list_(pa.struct([("l", pa.list_(WIDE)), ("L", pa.int8())])),
        ),
        (["x"], pa.string(), pa.string()),
        ([1.5, math.inf], pa.float32(), pa.float64()),
    ],
    ids=lambda value: str(value) if isinstance(value, pa.DataType) else None,
)
def test_sql_widens_without_loss(values: list[Any], have: DataType, want: DataType) -> None:
    array = pa.array(values, have)
    table = pa.table({"x": as_text(array) if is_carried(have) else array})
    with duckdb.connect() as connection:
        connection.register("t", table)
        found = connection.sql(f"SELECT {widened('x', have, want)} AS x FROM t").to_arrow_table()
    batch = restored(found.combine_chunks().to_batches()[0], pa.schema([("x", want)]))
    assert batch.column(0).equals(pa.array(values, want))


def test_null_stays_null_however_it_is_turned() -> None:
    for sql in (ordered_decimal("x", 0, WIDE), plain_decimal("x", WIDE)):
        assert asked(f"SELECT {sql} FROM (SELECT NULL::VARCHAR AS x)") is None


def kinds() -> Sequence[DataType]:
    return [hypothesis.find(strategy, lambda _: True).type for strategy in LANDED.values()]


def test_duckdb_knows_the_name_of_each_type_and_holds_what_is_carried_in_it() -> None:
    for kind in kinds():
        with duckdb.connect() as connection:
            made = connection.sql(f"SELECT CAST(NULL AS {sql_type(kind)}) AS x").to_arrow_table()
        restored(made.to_batches()[0], pa.schema([("x", kind)]))
        assert carrier(carrier(kind)) == carrier(kind)


def test_type_that_never_lands_has_no_name() -> None:
    with pytest.raises(TypeError, match="duration"):
        sql_type(pa.duration("us"))


@pytest.mark.parametrize(
    ("have", "want"),
    [
        (pa.float64(), pa.float32()),
        (pa.string(), pa.int64()),
        (pa.int64(), pa.float64()),
        (pa.timestamp("us"), pa.timestamp("us", "UTC")),
        (pa.struct([("a", pa.int8())]), pa.struct([("a", pa.int8()), ("b", pa.int8())])),
    ],
    ids=str,
)
def test_what_might_lose_something_is_refused(have: DataType, want: DataType) -> None:
    batch = pa.RecordBatch.from_arrays([pa.nulls(1, have)], names=["x"])
    with pytest.raises(RuntimeError, match="was asked for"):
        restored(batch, pa.schema([("x", want)]))


def test_value_that_would_lose_something_is_refused_by_name() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([1_500], pa.timestamp("us"))], names=["x"])
    with pytest.raises(QualityError, match=r"column 'x'.*would lose data.*columns\.drop"):
        restored(batch, pa.schema([("x", pa.timestamp("ms"))]))


@pytest.mark.parametrize("milliseconds", [2**62, -(2**62), 2**63 - 1])
def test_times_past_duckdbs_are_refused_where_they_are_read(
    tmp_path: Path, milliseconds: int
) -> None:
    times = pa.array([0, milliseconds], pa.int64()).cast(pa.timestamp("ms"))
    with pytest.raises(QualityError, match=r"columns\.drop"):
        through(pa.table({"id": [1, 2], "when": times}), tmp_path)


def test_no_more_than_one_row_group_is_held_at_once(tmp_path: Path) -> None:
    """Their bytes are bounded, and their rows are few where rows are large."""
    table = pa.table({"n": pa.array([Decimal(each) for each in range(10)], WIDE)})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=3)
    steps = sum(1 for _ in rewriting(tmp_path / "t.parquet", tmp_path / "other.parquet"))
    with pq.ParquetFile(tmp_path / "other.parquet") as other:
        groups = [other.metadata.row_group(each).num_rows for each in range(other.num_row_groups)]
    assert (steps, groups) == (4, [3, 3, 3, 1])
