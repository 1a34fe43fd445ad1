"""numeric: exact where it fits, special where it does not, printed as the server prints it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.model.arrow import DataType
from bronze_engine.sources.copy_binary.batch import CopyBinary, DecodedRows
from bronze_engine.sources.copy_binary.field import Field
from bronze_engine.sources.copy_binary.framing import BrokenFraming
from bronze_engine.sources.copy_binary.numeric import show_numeric
from tests.unit.copy_binary.sent import numeric, row, rows

pytestmark = pytest.mark.unit

FIELD = Field(name="amount", kind="numeric", type=pa.decimal128(10, 2))


def decode(kind: DataType, values: Sequence[bytes | None]) -> DecodedRows:
    field = Field(name="amount", kind="numeric", type=kind)
    return CopyBinary([field], on_special="text").decode([rows([value] for value in values)])


def landed(decoded: DecodedRows) -> list[Decimal | None]:
    decoded.batch.validate(full=True)
    values: list[Decimal | None] = decoded.batch.column(0).to_pylist()
    return values


def fits(value: Decimal, precision: int, scale: int) -> bool:
    unscaled = value.scaleb(scale)
    return unscaled == unscaled.to_integral_value() and abs(unscaled) < 10**precision


@pytest.mark.parametrize("zeros", [(0, 0), (1, 0), (0, 3), (2, 1)])
@pytest.mark.parametrize(
    ("precision", "scale"),
    [(1, 0), (4, 2), (4, 4), (5, 0), (10, 2), (18, 3), (19, 3), (28, 8), (6, -3), (2, 6), (40, 7)],
)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_what_fits_lands_and_what_does_not_is_special(
    precision: int, scale: int, zeros: tuple[int, int], data: st.DataObject
) -> None:
    """Around the largest, and with more places; with zeros, too, that a server need not send."""
    near = st.integers(0, 3).map(lambda less: 10**precision - less)
    units = near | st.integers(0, 10 ** (precision + 5)) | st.integers(0, 20_000)
    values = data.draw(
        st.lists(
            st.tuples(units, st.integers(0, 5), st.booleans()).map(
                lambda drawn: Decimal(-drawn[0] if drawn[2] else drawn[0]).scaleb(-scale - drawn[1])
            ),
            min_size=1,
            max_size=12,
        )
    )
    kind = (pa.decimal128 if precision <= 38 else pa.decimal256)(precision, scale)

    decoded = decode(kind, [numeric(value, zeros=zeros) for value in values])

    expected = [value if fits(value, precision, scale) else None for value in values]
    assert landed(decoded) == expected
    assert decoded.specials == ({"amount": expected.count(None)} if None in expected else {})
    texts = decoded.batch.column(1).to_pylist()
    assert [None if text is None else Decimal(text) for text in texts] == [
        None if fitting is not None else value
        for value, fitting in zip(values, expected, strict=True)
    ]


@pytest.mark.parametrize("kind", [pa.decimal128(38, 10), pa.decimal256(60, 10)])
def test_nan_and_the_infinities_are_special_among_others(kind: DataType) -> None:
    values = ["1.5", "NaN", None, "Infinity", "-2.25", "-Infinity", "0"]

    decoded = decode(kind, [None if v is None else numeric(Decimal(v)) for v in values])

    assert landed(decoded) == [
        Decimal("1.5"), None, None, None, Decimal("-2.25"), None, Decimal(0)
    ]  # fmt: skip
    assert decoded.batch.column(1).to_pylist() == [
        None, "NaN", None, "Infinity", None, "-Infinity", None
    ]  # fmt: skip
    assert decoded.specials == {"amount": 3}


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_all_rows_may_be_special(text: str) -> None:
    decoded = decode(pa.decimal128(10, 2), [numeric(Decimal(text))] * 20)

    assert landed(decoded) == [None] * 20
    assert decoded.batch.column(1).to_pylist() == [text] * 20


@pytest.mark.parametrize("value", ["0", "7", "-7", "12345.67", "-99999999.99", "0.01", "10000"])
def test_all_rows_may_be_alike(value: str) -> None:
    assert (
        landed(decode(pa.decimal128(10, 2), [numeric(Decimal(value), 2)] * 30))
        == [Decimal(value)] * 30
    )


def test_many_rows_of_all_sizes() -> None:
    chance = random.Random(1)
    for precision, scale in [(38, 18), (76, 40), (20, 0)]:
        values = [
            Decimal(
                (chance.randrange(2), tuple(map(int, str(chance.randrange(10**digits)))), -scale)
            )
            for digits in chance.choices(range(precision + 1), k=3000)
        ]
        kind = (pa.decimal128 if precision <= 38 else pa.decimal256)(precision, scale)

        assert landed(decode(kind, [numeric(value) for value in values])) == values


def test_a_value_that_is_not_as_long_as_its_digits_is_no_numeric() -> None:
    """A look-alike that sends text, or a double, as numeric."""
    for value in (b"12.50000", b"\0\1\0\0\0\0\0\0", b"\0\0\0\0\0\0\0\0\0"):
        for count in (1, 3):
            sent = row([value]) * count + row([numeric(Decimal(1))])
            with pytest.raises(BrokenFraming):
                CopyBinary([FIELD]).decode([sent])


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        ("0", 0, "0"), ("0", 2, "0.00"), ("1", 0, "1"), ("-1.50", 2, "-1.50"), ("0.05", 2, "0.05"),
        ("-0.0005", 4, "-0.0005"), ("123456789012345678901234567890.123", 3,
        "123456789012345678901234567890.123"), ("100000000", 0, "100000000"), ("5", 10,
        "5.0000000000"), ("NaN", 0, "NaN"), ("Infinity", 0, "Infinity"),
        ("-Infinity", 0, "-Infinity"), ("12e8", 0, "1200000000"),
    ],
)  # fmt: skip
def test_a_value_is_printed_as_the_server_prints_it(value: str, places: int, text: str) -> None:
    assert show_numeric(numeric(Decimal(value), places), FIELD) == text


def test_the_largest_numeric_of_all_is_printed() -> None:
    """131,072 digits before the point and 16,383 behind it."""
    text = "9" * 131_072 + "." + "9" * 16_383
    digits = [text[at : at + 4] for at in range(0, 131_072, 4)]
    places = [text[131_073 + at : 131_077 + at].ljust(4, "0") for at in range(0, 16_383, 4)]
    head = b"".join(
        number.to_bytes(2, "big")
        for number in (len(digits) + len(places), len(digits) - 1, 0, 16_383)
    )
    sent = head + b"".join(int(digit).to_bytes(2, "big") for digit in digits + places)

    decoded = decode(pa.decimal256(76, 10), [numeric(Decimal("0.5")), sent])

    assert landed(decoded) == [Decimal("0.5"), None]
    assert decoded.batch.column(1)[1].as_py() == text
