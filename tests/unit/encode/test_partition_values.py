"""Rows by partition values: the same as a plain group-by, and types that make no folders."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.partition_by import PartitionField
from bronze_engine.encode.partition_values import Values, divide, levels_of
from bronze_engine.errors import QualityError
from bronze_engine.model.layout import Column

pytestmark = pytest.mark.unit

BERLIN = ZoneInfo("Europe/Berlin")
TYPES: dict[str, pa.DataType] = {
    "text": pa.string(),
    "number": pa.int64(),
    "flag": pa.bool_(),
    "price": pa.decimal128(10, 2),
    "day": pa.date32(),
    "at": pa.timestamp("us", "UTC"),
    "berlin": pa.timestamp("ms", "Europe/Berlin"),
    "naive": pa.timestamp("ns"),
    "ratio": pa.float64(),
    "blob": pa.binary(),
    "gone": pa.null(),
}
SCHEMA = pa.schema(TYPES)
INSTANTS = st.integers(0, 4_000_000_000_000).map(
    lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "text": st.none() | st.sampled_from(["", "DE", "de", "a/b", "é"]),
            "number": st.none() | st.integers(-2, 2),
            "flag": st.none() | st.booleans(),
            "price": st.none() | st.decimals(-3, 3, places=2),
            "day": st.none() | st.dates(date(1969, 12, 30), date(1970, 1, 3)),
            "at": st.none() | INSTANTS,
            "berlin": st.none() | INSTANTS,
            "naive": st.none() | st.datetimes(datetime(1960, 1, 1), datetime(1980, 1, 1)),  # noqa: DTZ001
        }
    ),
    max_size=30,
)


def text_of(entry: str, row: dict[str, Any]) -> str | None:
    """What a row's folder says, worked out by hand."""
    field = PartitionField.parse(entry)
    value = row[field.column]
    if value is None:
        return None
    if field.column == "berlin":
        value = value.astimezone(BERLIN)
    forms = {"year": "%Y", "month": "%Y-%m", "day": "%Y-%m-%d", "hour": "%Y-%m-%dT%H"}
    if field.by != "value":
        return str(value.strftime(forms[field.by]))
    return str(value).lower() if isinstance(value, bool) else str(value)


def divided(batch: pa.RecordBatch, entries: list[str]) -> list[Values]:
    """The values of each row."""
    fields = [PartitionField.parse(entry) for entry in entries]
    found = divide(batch, levels_of(fields, [Column.parse(field) for field in batch.schema]))
    assert list(dict.fromkeys(found.codes.tolist())) == list(range(len(found.keys)))
    return [found.keys[code] for code in found.codes]


ENTRIES = (
    *("text", "number", "flag", "price", "day", "month(day)", "year(day)", "day(at)", "hour(at)"),
    *("month(at)", "day(berlin)", "hour(berlin)", "day(naive)", "hour(naive)"),
)


@settings(max_examples=150, deadline=None)
@given(ROWS, st.lists(st.sampled_from(ENTRIES), min_size=1, max_size=3, unique=True))
def test_rows_are_sorted_out_as_by_hand(rows: list[dict[str, Any]], entries: list[str]) -> None:
    batch = pa.RecordBatch.from_pylist(rows, schema=SCHEMA)
    wanted = [tuple(text_of(entry, row) for entry in entries) for row in rows]
    assert divided(batch, entries) == wanted
    assert divided(batch.slice(1), entries) == wanted[1:]


def test_an_hour_of_a_clock_change_is_that_of_the_clocks() -> None:
    first = datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    rows = [{"berlin": first}, {"berlin": first + timedelta(hours=1)}]
    batch = pa.RecordBatch.from_pylist(rows, schema=SCHEMA)
    assert divided(batch, ["hour(berlin)"]) == [("2025-10-26T02",)] * 2


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("1.50", pa.decimal128(10, 2)),
        ("-0.0000000001", pa.decimal128(20, 10)),
        ("7", pa.decimal32(5, 0)),
        (f"{10**50}.10", pa.decimal256(60, 2)),
    ],
)
def test_a_decimal_is_all_of_its_digits(value: str, kind: pa.DataType) -> None:
    with localcontext() as context:
        context.prec = 80
        batch = pa.RecordBatch.from_arrays([pa.array([Decimal(value)], kind)], names=["c"])
        assert divided(batch, ["c"]) == [(value,)]


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view()])
def test_texts_of_any_kind_are_texts(kind: pa.DataType) -> None:
    batch = pa.RecordBatch.from_arrays([pa.array(["x", None], kind)], names=["c"])
    assert divided(batch, ["c"]) == [("x",), (None,)]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_first_and_the_last_instant_lie_in_folders_of_their_own_days(unit: Any) -> None:
    """Those of microseconds are what DuckDB exports -infinity and infinity as."""
    kind = pa.timestamp(unit, "UTC")
    batch = pa.RecordBatch.from_pydict({"at": pa.array([-(2**63) + 1, -1, 0, 2**63 - 1], kind)})
    layout = [Column(name="at", type=kind, key="at")]
    folders: dict[str, list[str | None]] = {}
    for entry in ("year(at)", "day(at)", "hour(at)"):
        levels = levels_of([PartitionField.parse(entry)], layout)
        folders[entry] = [key[0] for key in divide(batch, levels).keys]
    assert folders["day(at)"][1:3] == ["1969-12-31", "1970-01-01"]
    years = {"s": ("-292277022657", "292277026596"), "us": ("-290308", "294247")}
    years |= {"ms": ("-292275055", "292278994"), "ns": ("1677", "2262")}
    first, last = years[unit]
    for texts in folders.values():
        assert (str(texts[0])[: len(first)], str(texts[3])[: len(last)]) == (first, last)


def test_what_no_record_has_yet_is_null() -> None:
    batch = pa.RecordBatch.from_pylist([{"text": "x"}], schema=SCHEMA)
    assert divided(batch, ["nowhere", "gone", "text"]) == [(None, None, "x")]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("ratio", "column 'ratio' is double, and only texts, integers, booleans, decimals"),
        ("blob", "column 'blob' is binary, and only texts"),
        ("at", r"it would have a folder an instant; write day\(at\)"),
        ("hour(day)", r"a date has no hours; write day\(day\)"),
        ("day(text)", 'give it a type: schema.columns.text = "timestamp"'),
    ],
)
def test_types_that_make_no_folders_are_told(entry: str, message: str) -> None:
    batch = pa.RecordBatch.from_pylist([{}], schema=SCHEMA)
    with pytest.raises(QualityError, match=message):
        divided(batch, [entry])


def test_a_folder_never_hides_a_column() -> None:
    types: dict[str, pa.DataType] = {"at": pa.timestamp("us", "UTC"), "At_Day": pa.string()}
    schema = pa.schema(types)
    with pytest.raises(QualityError, match="readers that go by folders would not see it"):
        divided(pa.RecordBatch.from_pylist([{}], schema=schema), ["day(at)"])


def test_a_column_that_a_database_does_not_have_is_told_at_once() -> None:
    column = Column(name="country", type=pa.string(), key="country", source_type="text")
    with pytest.raises(QualityError, match="no such column; did you mean 'country'"):
        levels_of([PartitionField("contry")], [column])
