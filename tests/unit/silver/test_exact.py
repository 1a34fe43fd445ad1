"""A table holds what Bronze holds, to the last bit, however often a merge has carried it on."""

from __future__ import annotations

import math
import struct
from datetime import date
from decimal import Context, Decimal
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine import open_engine
from bronze_engine.clock import SYSTEM_CLOCK

from .lake import NAME, Lake
from .oracle import Landed, Row, Table

pytestmark = pytest.mark.unit

WIDE: Final = pa.decimal256(50, 10)
NANOSECONDS: Final = pa.timestamp("ns", "UTC")
COLUMNS: Final[dict[str, Any]] = {
    "key": WIDE,
    "order": WIDE,
    "integer": pa.int64(),
    "uint64": pa.decimal128(20, 0),
    "double": pa.float64(),
    "single": pa.float32(),
    "narrow": pa.decimal128(38, 10),
    'text "quoted"\n; DROP': pa.string(),
    "": pa.int64(),
    "bytes": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("ns"),
    "at": NANOSECONDS,
    "local": pa.timestamp("us"),
    "list": pa.list_(WIDE),
    "nested": pa.struct([("a", pa.int8()), ("A", pa.list_(pa.struct([("", WIDE)])))]),
}
SCHEMA: Final = pa.schema(list(COLUMNS.items()))
COUNTED: Final = pa.schema(
    list((COLUMNS | dict.fromkeys(("time", "at", "local"), pa.int64())).items())
)
DAYS: Final = tuple(date(2025, 3, day) for day in (1, 2, 3))


def number(text: str) -> Decimal:
    return Decimal(text).quantize(Decimal("1e-10"), context=Context(prec=60))


def row(key: str | None, order: str | None, version: int) -> Row:
    """Values at the edges of their types, or NULL; `version` makes them differ."""
    is_null = version % 3 == 2
    values: Row = {
        "integer": 2**63 - 1 - version,
        "uint64": Decimal(2**64 - 1),
        "double": (math.nan, -0.0, math.inf)[version % 3],
        "single": (5e-45, math.nan, -math.inf)[version % 3],
        "narrow": Decimal("-" + "9" * 28 + ".9999999999"),
        'text "quoted"\n; DROP': ("", "a\0b\n'\"é🙂")[version % 2],
        "": version,
        "bytes": (b"", b"\xff\0'")[version % 2],
        "date": date(9999, 12, 31),
        "time": pa.scalar(86_399_999_999_999 - version, pa.int64()).cast(pa.time64("ns")),
        "at": pa.scalar(1_700_000_000_123_456_789 + version, pa.int64()).cast(NANOSECONDS),
        "local": pa.scalar(-62_135_596_800_000_000, pa.int64()).cast(pa.timestamp("us")),
        "list": [number("1" * 40 + ".5"), None, number("-0.0000000001")],
        "nested": {"a": version, "A": [{"": number("9" * 40)}, None]},
    }
    return {
        "key": None if key is None else number(key),
        "order": None if order is None else number(order),
        **(dict.fromkeys(values) if is_null else values),
    }


KEYS: Final = ("9" * 40, "-" + "9" * 40, "0.0000000001", "-0.0000000001", None)
LANDED: Final = (
    [row(key, "-5", 0) for key in KEYS] + [row(KEYS[0], None, 1)],
    [row(KEYS[0], "-4.9999999999", 3), row(KEYS[1], "-5.0000000001", 4), row("7", "0", 2)],
    [row(None, "9" * 40, 5), row(KEYS[2], "1", 5)],
)
NEWEST: Final = (
    LANDED[1][0], LANDED[0][1], LANDED[2][1], LANDED[0][3], LANDED[2][0], LANDED[1][2],
)  # fmt: skip


def bits(table: pa.Table) -> list[Row]:
    """Rows by their keys, without what Python's own types can't tell: a double is its bytes, for
    NaN is itself and -0.0 is not 0.0, and an instant its nanoseconds."""
    found = []
    for each in table.select(SCHEMA.names).cast(COUNTED).to_pylist():
        for name, form in (("double", "<d"), ("single", "<f")):
            if each[name] is not None:
                each[name] = struct.pack(form, each[name])
        found.append(each)
    return sorted(found, key=lambda each: (each["key"] is None, each["key"] or 0, str(each)))


def landed(rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(rows, SCHEMA)


def table_of(lake: Lake) -> pa.Table:
    manifest = lake.manifest()
    assert manifest is not None
    files = [lake.silver / file.name for file in manifest.files]
    return pa.concat_tables([pq.read_table(file, partitioning=None) for file in files])


@pytest.mark.parametrize("history", ["current", "full"])
@pytest.mark.parametrize("how", ["at-once", "day-by-day", "backwards"])
@pytest.mark.asyncio
async def test_every_type_stays_as_it_was(
    tmp_path: Path, history: Literal["current", "full"], how: str
) -> None:
    """Keyed and ordered by decimals of 50 digits; merged into files that were written before."""
    table = Table(columns=tuple(COLUMNS), keys=("key",), order=("order",), history=history)
    lake = Lake(tmp_path, table, SCHEMA, load="full")
    config = lake.config()
    days = list(enumerate(DAYS))
    async with open_engine(config, clock=SYSTEM_CLOCK) as engine:
        for place, day in reversed(days) if how == "backwards" else days:
            lake.land(Landed(run_date=day, files=(tuple(LANDED[place]),), load="incremental"))
            if how != "at-once":
                await engine.silver(NAME)
        await engine.silver(NAME)
    found = table_of(lake)
    kinds = {field.name: field.type for field in found.schema}
    assert {name: kinds[name] for name in COLUMNS} == COLUMNS
    if history == "full":
        assert found.schema.field("effective_from").type == WIDE
        assert bits(found) == bits(landed([row for day in LANDED for row in day]))
        found = found.filter(found["is_current"])
    assert bits(found) == bits(landed(list(NEWEST)))


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (WIDE, number("-12.5"), "-12.5000000000"),
        (pa.timestamp("us", "UTC"), 0, "1970-01-01T00:00:00.000000Z"),
        (pa.time64("us"), 36_000_000_000, "10:00:00.000000"),
        (pa.float64(), 1e300, "1e+300"),
    ],
    ids=["wide", "instant", "time", "double"],
)
@pytest.mark.asyncio
async def test_what_bronze_has_no_more_is_the_text_that_it_would_be_of_bronze(
    tmp_path: Path, kind: Any, value: Any, text: str
) -> None:
    table = Table(columns=("key", "n"), keys=("key",), order=("key",))
    columns: tuple[dict[str, Any], ...] = (
        {"key": pa.int64(), "n": kind},
        {"key": pa.int64(), "n": pa.string()},
    )
    typed, texts = (
        Lake(tmp_path, table, pa.schema(list(each.items())), load="incremental") for each in columns
    )
    async with open_engine(typed.config(), clock=SYSTEM_CLOCK) as engine:
        typed.land(Landed(run_date=DAYS[0], files=(({"key": 1, "n": value},),)))
        await engine.silver(NAME)
        texts.land(Landed(run_date=DAYS[1], files=(({"key": 2, "n": "x"},),)))
        typed.remove(DAYS[0])
        await engine.silver(NAME)
    assert {row["key"]: row["n"] for row in typed.rows() or []} == {1: text, 2: "x"}


@pytest.mark.asyncio
async def test_a_key_that_is_gone_since_a_decimal_past_38_digits_comes_back_with_a_greater_one(
    tmp_path: Path,
) -> None:
    table = Table(
        columns=("key", "order"),
        keys=("key",),
        order=("order",),
        deletes="hard",
        operation="op",
        delete_codes=("D",),
    )
    columns: dict[str, Any] = {"key": pa.int64(), "order": WIDE, "op": pa.string()}
    lake = Lake(tmp_path, table, pa.schema(list(columns.items())), load="cdc")
    ended, later = number("1" * 39), number("1" * 39 + ".5")

    async with open_engine(lake.config(), clock=SYSTEM_CLOCK) as engine:
        for day, order, op in ((DAYS[0], ended, "D"), (DAYS[1], later, "I")):
            change = {"key": 1, "order": order, "op": op}
            lake.land(Landed(run_date=day, files=((change,),), load="cdc"))
            await engine.silver(NAME)

    assert lake.rows() == [{"key": 1, "order": later, "_bronze_date": DAYS[1]}]
