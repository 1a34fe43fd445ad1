"""Casts in SQL beside plain Python, and beside what Bronze's own caster takes: each value exactly,
or not at all."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal, localcontext
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.decode.text.values import cast_column
from bronze_engine.model.layout import Column
from bronze_engine.model.types.named import parse_type
from bronze_engine.silver.columns.casts import cast

from .casting import values_of

pytestmark = pytest.mark.unit

EXAMPLES = settings(max_examples=20, deadline=None)


# Texts.

DIGITS = st.text("0123456789", min_size=0, max_size=22)
NUMBERS = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["", "-", "+"]),
    DIGITS,
    st.sampled_from(["", ".", ".0", ".5"]),
    DIGITS.map(lambda text: text[:8]),
    st.sampled_from(["", "", "", "e3", "E-7", "e+02", "e30", "e-300", "e400", "e"]),
)
MOMENTS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(
        ["2025-02-28", "2024-02-29", "2025-02-29", "0001-01-01", "0000-01-01", "2025-1-1"]
    )
    | st.dates(date(1, 1, 2), date(9999, 12, 30)).map(str),  # Python has no other years in UTC
    st.sampled_from(["", "T", " ", "t", "T ", "  "]),
    st.sampled_from(
        ["", "10:00", "23:59:59", "24:00:00", "10:00:60", "1:00", "10:00:00.5", "10:00:00.123456"]
    )
    | st.sampled_from(["10:00:00.1234567", "10:00:00.123456789", "10:00:00."]),
    st.sampled_from(["", "Z", "z", "+02:00", "-0930", "+05", "+24:00", " UTC", "Z ", "+00:00"]),
)
ODD = (
    st.sampled_from(
        [
            "",
            " ",
            " 7",
            "7 ",
            "0x1F",
            "1_000",
            "1,000",
            "\u0661",
            "infinity",
            "-inf",
            "nan",
            "NaN",
            "t",
            "f",
        ]
    )
    | st.sampled_from(
        [
            "true",
            "True",
            "TRUE",
            "tRue",
            "false",
            "yes",
            "1",
            "0",
            "-0",
            "-0.0",
            "007",
            "+5",
            ".",
            "-",
        ]
    )
    | st.sampled_from(
        [
            "9223372036854775807",
            "9223372036854775808",
            "0.1",
            "0.30000000000000001",
            "5e-324",
            "1e309",
        ]
    )
    | st.sampled_from(
        ["9007199254740993", "123456789012345.6", "1234567890123456.7", "1\n", "\t1", "NULL", "1e5"]
    )
)
TEXTS = st.lists(st.none() | NUMBERS | MOMENTS | ODD, max_size=40)


def integer(low: int, high: int) -> Callable[[str], Any]:
    def judge(text: str) -> int | None:
        if re.fullmatch("0|-?[1-9][0-9]*", text) is None:
            return None
        return int(text) if low <= int(text) <= high else None

    return judge


def decimal(precision: int, scale: int) -> Callable[[str], Any]:
    def judge(text: str) -> Decimal | None:
        form = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?"
        if re.fullmatch(form, text) is None:
            return None
        with localcontext(prec=1200):
            number = Decimal(text)
            fits = abs(number) < Decimal(10) ** (precision - scale)
            if not fits or number != round(number, scale):
                return None
            return number.quantize(Decimal(1).scaleb(-scale))

    return judge


def double(text: str) -> float | None:
    if re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", text) is None:
        return None
    number = float(text)
    return number if math.isfinite(number) and Decimal(text) == Decimal(repr(number)) else None


def boolean(text: str) -> bool | None:
    return {"true": True, "True": True, "TRUE": True}.get(text) or (
        False if text in ("false", "False", "FALSE") else None
    )


def day(text: str) -> date | None:
    if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text) is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def instant(*, zoned: bool) -> Callable[[str], Any]:
    clock = r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"

    def judge(text: str) -> datetime | None:
        form = f"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})(?:[T ]({clock})(Z|[+-][0-9:]+)?)?"
        found = re.fullmatch(form, text)
        if found is None or bool(found[5]) != zoned:
            return None
        if found[2] and found[2].startswith("24"):
            return None
        try:
            # Of an offset of hours alone Python wants minutes too.
            offset = found[5] or ""
            offset += ":00" if re.fullmatch("[+-][0-9]{2}", offset) else ""
            return datetime.fromisoformat(f"{found[1]}T{found[2] or '00:00'}{offset}")
        except (ValueError, OverflowError):
            return None

    return judge


def clock(text: str) -> time | None:
    if re.fullmatch(r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?", text) is None:
        return None
    try:
        return None if text.startswith("24") else time.fromisoformat(text)
    except ValueError:
        return None


JUDGES: dict[str, Callable[[str], Any]] = {
    "int16": integer(-(2**15), 2**15 - 1),
    "int64": integer(-(2**63), 2**63 - 1),
    "uint64": integer(0, 2**64 - 1),
    "decimal(5,2)": decimal(5, 2),
    "decimal(18,0)": decimal(18, 0),
    "decimal(38,20)": decimal(38, 20),
    "decimal(60,10)": decimal(60, 10),
    "double": double,
    "bool": boolean,
    "date": day,
    "time": clock,
    "timestamp": instant(zoned=True),
    "timestamp(us)": instant(zoned=False),
}


@pytest.mark.parametrize("name", JUDGES)
@EXAMPLES
@given(texts=TEXTS)
def test_texts_are_what_plain_python_says(name: str, texts: Sequence[str | None]) -> None:
    kind, role = parse_type("v", name)
    found = values_of(pa.array(texts, pa.string()), kind, role)
    expected = [None if text is None else JUDGES[name](text) for text in texts]
    for text, value, wanted in zip(texts, found, expected, strict=True):
        assert type(value) is type(wanted), text
        if isinstance(wanted, float):
            assert repr(value) == repr(wanted), text  # -0.0 is another
        else:
            assert value == wanted, text


@pytest.mark.parametrize("name", JUDGES)
@EXAMPLES
@given(texts=TEXTS)
def test_texts_are_what_bronze_takes(name: str, texts: Sequence[str | None]) -> None:
    kind, role = parse_type("v", name)
    array: pa.Array[Any] = pa.array(texts, pa.string())
    column = Column(name="v", type=kind, key="v", role=role)
    expected, _ = cast_column(array, column, printable=False)
    found = values_of(array, kind, role)
    for text, value, wanted in zip(texts, found, expected, strict=True):
        if text is not None and text.startswith("0000"):
            continue  # of no year that Python, and most readers, know
        assert repr(value) == repr(_told(wanted)), text


def _told(value: Any) -> Any:
    return value.as_py()


# Numbers.

WHOLE = st.integers(-(2**63), 2**63 - 1) | st.integers(-1000, 1000)
DOUBLES = st.floats(width=64) | WHOLE.map(float) | st.sampled_from([0.1, 0.7, 1e22, 1e-7, 2.5])
DECIMALS = st.decimals(
    allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12
)


@EXAMPLES
@given(values=st.lists(st.none() | WHOLE, max_size=20))
def test_integers_as_other_numbers(values: list[int | None]) -> None:
    array: pa.Array[Any] = pa.array(values, pa.int64())
    doubles = values_of(array, pa.float64())
    narrow = values_of(array, pa.int16())
    exact = values_of(array, pa.decimal128(18, 2))
    wide = values_of(array, pa.decimal256(50, 3))
    for value, double_, short, fixed, long in zip(
        values, doubles, narrow, exact, wide, strict=True
    ):
        if value is None:
            assert (double_, short, fixed, long) == (None,) * 4
            continue
        assert double_ == (float(value) if int(float(value)) == value else None)
        assert short == (value if -(2**15) <= value < 2**15 else None)
        assert fixed == (Decimal(value) if abs(value) < 10**16 else None)
        assert long == Decimal(value)


@EXAMPLES
@given(values=st.lists(st.none() | DOUBLES, max_size=20))
def test_doubles_as_other_numbers(values: list[float | None]) -> None:
    array: pa.Array[Any] = pa.array(values, pa.float64())
    whole = values_of(array, pa.int64())
    exact = values_of(array, pa.decimal128(38, 10))
    texts = values_of(array, pa.string())
    fits = decimal(38, 10)
    for value, integer_, fixed, text in zip(values, whole, exact, texts, strict=True):
        if value is None:
            assert (integer_, fixed, text) == (None,) * 3
            continue
        is_whole = math.isfinite(value) and value == int(value)
        assert integer_ == (int(value) if is_whole and -(2**63) <= value < 2**63 else None)
        assert fixed == (fits(repr(value)) if math.isfinite(value) else None)
        assert repr(float(text)) == repr(value)


@EXAMPLES
@given(values=st.lists(st.none() | DECIMALS, max_size=20))
def test_decimals_as_other_numbers(values: list[Decimal | None]) -> None:
    array: pa.Array[Any] = pa.array(values, pa.decimal128(38, 6))
    whole = values_of(array, pa.int64())
    fewer = values_of(array, pa.decimal128(10, 2))
    doubles = values_of(array, pa.float64())
    long = values_of(array, pa.decimal256(60, 8))
    for value, integer_, fixed, double_, wide in zip(
        values, whole, fewer, doubles, long, strict=True
    ):
        if value is None:
            assert (integer_, fixed, double_, wide) == (None,) * 4
            continue
        assert integer_ == (int(value) if value == int(value) else None)
        assert fixed == decimal(10, 2)(format(value, "f"))
        near = float(value)
        assert double_ == (near if Decimal(repr(near)) == value else None)
        assert wide == value


def test_wide_decimals_become_what_holds_them() -> None:
    values = [Decimal("-12.50"), Decimal(7), Decimal(f"{'9' * 40}.25"), None]
    array: pa.Array[Any] = pa.array(values, pa.decimal256(50, 2))
    assert values_of(array, pa.string()) == ["-12.50", "7.00", f"{'9' * 40}.25", None]
    assert values_of(array, pa.decimal128(10, 1)) == [Decimal("-12.5"), Decimal("7.0"), None, None]
    assert values_of(array, pa.float64()) == [-12.5, 7.0, None, None]


@pytest.mark.parametrize("sign", ["", "-", "+"])
def test_all_76_digits_of_a_text_are_kept(sign: str) -> None:
    nines = "9" * 76
    whole = [f"{sign}{nines}", f"{sign}000{nines}.000", f"{sign}{nines}0e-1", f"{sign}{nines}0"]
    parts = [f"{sign}.{nines}", f"{sign}0.1", f"{sign}1e-76", f"{sign}0.{nines}1"]
    with localcontext(prec=80):
        for kind, texts in ((pa.decimal256(76, 0), whole), (pa.decimal256(76, 76), parts)):
            expected = [*map(Decimal, texts[:3]), None]
            assert values_of(pa.array(texts, pa.string()), kind) == expected
        half = Decimal(f"{sign}{'9' * 38}")
        assert values_of(pa.array([str(half)], pa.string()), pa.decimal256(76, 38)) == [half]


# The rest.

JSON = {
    '{"a": [1, 2.50, null, "x\\u0000"]}': True,
    " [ ] ": True,
    '"NaN, ]"': True,
    "1e400": True,
    "null": True,
    "NaN": False,
    "[1,]": False,
    '{"a":1,}': False,
    "[Infinity]": False,
    "-inf": False,
    "{a:1}": False,
    "01": False,
    "": False,
    "// 1\n1": False,
    "[1] 2": False,
}


def test_json_is_text_that_is_json() -> None:
    texts: pa.Array[Any] = pa.array([*JSON, None])
    found = values_of(texts, pa.string(), "json")
    assert found == [*(text if is_json else None for text, is_json in JSON.items()), None]


@pytest.mark.parametrize(
    ("have", "want"),
    [
        (pa.timestamp("us"), pa.timestamp("us", "UTC")),
        (pa.timestamp("us", "UTC"), pa.timestamp("us")),
        (pa.date32(), pa.timestamp("us", "UTC")),
        (pa.int64(), pa.date32()),
        (pa.date32(), pa.int64()),
        (pa.binary(), pa.string()),
        (pa.struct([("a", pa.int64())]), pa.string()),
        (pa.struct([("a", pa.int64())]), pa.struct([("b", pa.int64())])),
        (pa.list_(pa.int64()), pa.list_(pa.int32())),
        (pa.bool_(), pa.float64()),
    ],
    ids=str,
)
def test_there_is_no_way_that_would_change_what_a_value_says(
    have: pa.DataType, want: pa.DataType
) -> None:
    assert cast("v", have, want) is None


def test_structs_and_lists_grow() -> None:
    have = pa.list_(pa.struct([("a", pa.int32())]))
    want = pa.list_(pa.struct([("b", pa.string()), ("a", pa.int64())]))
    array: pa.Array[Any] = pa.array([[{"a": 1}, None], [], None], have)
    assert values_of(array, want) == [[{"b": None, "a": 1}, None], [], None]
