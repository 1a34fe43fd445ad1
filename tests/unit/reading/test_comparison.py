"""Two dates compared: what differs is found, and what is the same is not told."""

from __future__ import annotations

import asyncio
import io
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine import ConfigError, StateError, open_reader
from bronze_engine.model.arrow import DataType
from bronze_engine.model.window import Window
from bronze_engine.reading.comparison import buckets
from bronze_engine.reading.comparison.compare import compare
from bronze_engine.reading.comparison.report import Comparison, RowsComparison
from bronze_engine.reading.comparison.rows import compare_rows
from bronze_engine.store.memory import MemoryStore
from tests.unit.reading.landed import DAY, NAME, Interrupted, lending
from tests.unit.reading.tables import land_tables

pytestmark = pytest.mark.unit

NEXT = DAY + timedelta(days=1)
COLUMNS: dict[str, DataType] = {"id": pa.int64(), "name": pa.string(), "_load_date": pa.date32()}
SCHEMA = pa.schema(COLUMNS)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def orders(*rows: tuple[int | None, str | None], day: int = 0) -> pa.Table:
    found = [{"id": key, "name": name, "_load_date": DAY} for key, name in rows]
    table = pa.Table.from_pylist(found, SCHEMA)
    stamp = pa.array([DAY + timedelta(days=day)] * len(table), pa.date32())
    return table.set_column(2, "_load_date", stamp)


def land_both(store: MemoryStore, a: pa.Table, b: pa.Table, **fields: Any) -> None:
    asyncio.run(land_tables(store, DAY, a))
    asyncio.run(land_tables(store, NEXT, b, **fields))


def compared(store: MemoryStore | Interrupted, **options: Any) -> Comparison:
    with open_reader("anywhere", stores=lending(store)) as reader:
        return compare(reader.partition(NAME, DAY), reader.partition(NAME, NEXT), **options)


def rows_of(store: MemoryStore, **options: Any) -> RowsComparison:
    rows = compared(store, data=True, **options).rows
    assert rows is not None
    return rows


def test_the_same_rows_on_two_dates_do_not_differ(store: MemoryStore) -> None:
    rows = [(1, "a"), (2, ""), (3, None)]
    land_both(store, orders(*rows), orders(*rows, day=1))
    found = compared(store, key=("id",), data=True)
    assert not found.differs
    assert found.statistics == ()  # the day on which they landed is no difference
    assert found.rows is not None
    assert (found.rows.same, found.rows.columns) == (3, ("id", "name"))


def test_counts_windows_and_columns_are_told_without_reading_a_row(store: MemoryStore) -> None:
    before = pa.table({"id": [1], "name": ["a"], "old": [1], "n": [1]})
    fields: list[Any] = [
        pa.field("name", pa.string()),
        pa.field("id", pa.int64(), nullable=False),
        pa.field("n", pa.decimal128(10, 2)),
        pa.field("new", pa.string()),
    ]
    schema = pa.schema(fields)
    after = pa.table(
        {"name": ["b", "b"], "id": [1, 2], "n": [Decimal(1), Decimal(2)], "new": ["x", None]},
        schema,
    )
    window = Window(column="id", type="integer", low="1", high="2")
    land_both(store, before, after, watermark=window, rejected_count=7)
    reads = Interrupted(store)
    found = compared(reads)
    assert found.differs
    assert (found.a.row_count, found.b.row_count, found.b.rejected_count) == (1, 2, 7)
    assert (found.a.window, found.b.window) == (None, window)
    changes = [(each.change, each.column, each.a, each.b) for each in found.columns]
    assert changes == [
        ("removed", "old", "int64", ""),
        ("added", "new", "", "string"),
        ("nullable", "id", "may be NULL", "never NULL"),
        ("type", "n", "int64", "decimal128(10, 2)"),
        ("order", "id", "before name", "after name"),
    ]
    statistics = {each.column: (each.a, each.b) for each in found.statistics}
    assert statistics["id"][0].high == 1
    assert statistics["id"][1].high == 2
    assert found.rows is None


def test_what_one_date_does_not_know_of_its_values_is_no_difference(store: MemoryStore) -> None:
    table = pa.table({"x": [0.0, 1.0], "y": ["b", "c"], "z": pa.array([None, None], pa.int64())})
    other = table.set_column(2, "z", pa.array([None, 5], pa.int64()))
    silent = parquet_without_statistics(other)
    asyncio.run(land_tables(store, DAY, table))
    asyncio.run(land_tables(store, NEXT, other, parquets=[silent]))
    assert not compared(store).differs
    asyncio.run(land_tables(store, NEXT, other))
    (change,) = compared(store).statistics
    assert (change.column, change.a.low, change.b.low) == ("z", None, 5)
    with open_reader("anywhere", stores=lending(store)) as reader:
        _, (x, *_) = reader.column_statistics(NAME, DAY)
    assert str(x.low) == "0.0"


def parquet_without_statistics(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, write_statistics=False)
    return sink.getvalue()


def test_rows_are_found_again_by_their_key(store: MemoryStore) -> None:
    land_both(
        store,
        orders((1, "a"), (2, "b"), (3, "c"), (4, None), (None, "n")),
        orders((5, "e"), (3, "c"), (2, "B"), (4, ""), (None, "n"), day=1),
    )
    rows = rows_of(store, key=("id",), examples=5)
    assert (rows.only_a, rows.only_b, rows.changed, rows.same) == (1, 1, 2, 2)
    assert rows.examples_a == ({"id": 1},)
    assert rows.examples_b == ({"id": 5},)
    changed = sorted(
        (each.key["id"], each.a["name"], each.b["name"]) for each in rows.examples_changed
    )
    assert changed == [(2, "b", "B"), (4, None, "")]


def test_without_a_key_each_row_counts_as_often_as_it_comes(store: MemoryStore) -> None:
    land_both(
        store,
        orders((1, "a"), (1, "a"), (1, "a"), (2, "b")),
        orders((1, "a"), (2, "b"), (2, "b"), (3, "c"), day=1),
    )
    rows = rows_of(store, examples=5)
    assert (rows.only_a, rows.only_b, rows.changed, rows.same) == (2, 2, 0, 2)
    assert rows.examples_a == ({"id": 1, "name": "a"},)
    shown = sorted(each["id"] for each in rows.examples_b)
    assert shown == [2, 3]


def test_a_column_of_another_type_is_compared_as_text(store: MemoryStore) -> None:
    land_both(store, pa.table({"x": [1, 2]}), pa.table({"x": ["1", "two"]}))
    rows = rows_of(store)
    assert (rows.only_a, rows.only_b, rows.same) == (1, 1, 1)


def test_a_key_that_comes_twice_is_compared_with_all_of_its_rows(store: MemoryStore) -> None:
    land_both(
        store,
        orders((1, "a"), (1, "b"), (2, "a"), (2, "b")),
        orders((1, "b"), (1, "a"), (2, "a"), (2, "c"), day=1),
    )
    rows = rows_of(store, key=("id",))
    assert (rows.only_a, rows.only_b, rows.changed, rows.same) == (0, 0, 1, 1)


def test_no_examples_are_looked_for_where_none_are_asked_for(store: MemoryStore) -> None:
    land_both(store, orders((1, "a")), orders((2, "a"), day=1))
    rows = rows_of(store, key=("id",), examples=0)
    assert (rows.only_a, rows.examples_a, rows.examples_b) == (1, (), ())


def test_a_date_without_rows_has_none_of_the_other(store: MemoryStore) -> None:
    asyncio.run(land_tables(store, DAY))
    asyncio.run(land_tables(store, NEXT, orders((1, "a"), (2, "b"))))
    rows = rows_of(store, key=("id",), examples=9)
    assert (rows.only_a, rows.only_b, rows.same) == (0, 2, 0)
    assert len(rows.examples_b) == 2


def test_a_key_that_is_no_column_of_both_is_refused(store: MemoryStore) -> None:
    land_both(store, orders((1, "a")), orders((1, "a")))
    with pytest.raises(ConfigError, match="nr is no column of both"):
        compared(store, key=("nr",), data=True)
    assert not compared(store, key=("nr",)).differs


def test_a_date_that_is_committed_anew_meanwhile_is_told(store: MemoryStore) -> None:
    land_both(store, orders((1, "a")), orders((1, "a")))
    racing = Interrupted(store)
    compared(racing, data=True)
    calls = len(racing.calls)
    racing = Interrupted(store)
    racing.actions[calls] = lambda: land_tables(store, NEXT, orders((9, "z")))
    with pytest.raises(StateError, match="committed anew"):
        compared(racing, data=True)


def test_a_date_that_was_never_committed_is_told(store: MemoryStore) -> None:
    asyncio.run(land_tables(store, DAY, orders((1, "a"))))
    with pytest.raises(StateError, match=f"dt={NEXT}.* nothing was committed"):
        compared(store)


KEY_AND_VALUE: dict[str, DataType] = {"k": pa.int64(), "v": pa.string()}


def reader_of(rows: Sequence[tuple[int, str | None]]) -> pa.RecordBatchReader:
    table = pa.table(
        {"k": pa.array([key for key, _ in rows]), "v": pa.array([v for _, v in rows], pa.string())},
        schema=pa.schema(KEY_AND_VALUE),
    )
    return pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=3))


some_rows = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from(["", "a", "b", "a|1", None])), max_size=25
)


@given(a=some_rows, b=some_rows, count=st.integers(1, 5), keyed=st.booleans())
def test_counts_are_those_of_counting_in_memory(
    a: list[tuple[int, str | None]], b: list[tuple[int, str | None]], count: int, *, keyed: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(buckets, "BUCKET_ROWS", max(1, (len(a) + len(b)) // count))
        rows = compare_rows(
            lambda: reader_of(a),
            lambda: reader_of(b),
            key=("k",) if keyed else (),
            columns=("k", "v"),
            row_count=len(a) + len(b),
            examples=100,
        )
    if keyed:
        left, right = by_key(a), by_key(b)
        both = left.keys() & right.keys()
        assert rows.only_a == len(left.keys() - right.keys())
        assert rows.only_b == len(right.keys() - left.keys())
        assert rows.same == sum(left[key] == right[key] for key in both)
        assert rows.changed == sum(left[key] != right[key] for key in both)
        assert {each["k"] for each in rows.examples_a} == left.keys() - right.keys()
    else:
        one, two = Counter(a), Counter(b)
        assert rows.only_a == (one - two).total()
        assert rows.only_b == (two - one).total()
        assert rows.same == (one & two).total()


def by_key(rows: list[tuple[int, str | None]]) -> dict[int, Counter[str | None]]:
    found: dict[int, Counter[str | None]] = {}
    for key, value in rows:
        found.setdefault(key, Counter())[value] += 1
    return found


def test_values_next_to_each_other_do_not_run_together(tmp_path: Path) -> None:
    def batches(*rows: dict[str, Any]) -> pa.RecordBatchReader:
        table = pa.Table.from_pylist(list(rows), pa.schema({"a": pa.string(), "b": pa.string()}))
        return pa.RecordBatchReader.from_batches(table.schema, table.to_batches())

    pairs: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"a": "x", "b": "yz"}, {"a": "xy", "b": "z"}),
        ({"a": None, "b": ""}, {"a": "", "b": None}),
        ({"a": "1|x", "b": ""}, {"a": "1", "b": "x"}),
        ({"a": "N", "b": None}, {"a": None, "b": "N"}),
    ]
    for one, other in pairs:
        rows = compare_rows(
            lambda one=one: batches(one),  # type: ignore[misc]
            lambda other=other: batches(other),  # type: ignore[misc]
            key=(),
            columns=("a", "b"),
            row_count=2,
            examples=0,
        )
        assert (rows.only_a, rows.only_b, rows.same) == (1, 1, 0)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_nothing_is_left_on_the_disk(temporary: Path) -> None:
    def broken() -> pa.RecordBatchReader:
        assert list(temporary.iterdir())
        raise StateError("cut off")

    with pytest.raises(StateError, match="cut off"):
        compare_rows(
            lambda: reader_of([(1, "a")]),
            broken,
            key=(),
            columns=("k", "v"),
            row_count=1,
            examples=1,
        )
    assert not list(temporary.iterdir())


def test_every_type_of_column_is_compared(store: MemoryStore) -> None:
    table = pa.table(
        {
            "id": [1, 2],
            "d": pa.array([Decimal("1.10"), None], pa.decimal256(50, 2)),
            "t": pa.array([1, 2], pa.int64()).cast(pa.timestamp("ns", "UTC")),
            "f": [0.1, float("nan")],
            "b": pa.array([b"\x00", None]),
            "l": pa.array([[1, None], None]),
            "s": pa.array([{"x": [{"y": Decimal(1)}]}, None]),
            "m": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
            "n": pa.array([None, None], pa.string()),
            "flag": [True, False],
        }
    )
    changed = table.set_column(
        6, "s", pa.array([{"x": [{"y": Decimal(2)}]}, None], table.schema.field("s").type)
    )
    land_both(store, table, changed)
    rows = rows_of(store, key=("id",), examples=1)
    assert (rows.changed, rows.same) == (1, 1)
    (example,) = rows.examples_changed
    assert (example.a, example.b) == ({"s": {"x": [{"y": "1"}]}}, {"s": {"x": [{"y": "2"}]}})
