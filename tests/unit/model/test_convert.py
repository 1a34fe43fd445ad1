"""What Arrow's casts to decimals would change without a word is refused."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.model.arrow import DataType
from bronze_engine.model.types.convert import convert

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("value", "given_type", "wanted"),
    [
        (str(2**128 + 1), pa.string(), pa.decimal128(38, 0)),
        (str(2**256 + 7), pa.large_string(), pa.decimal256(70, 10)),
        ("4" + "0" * 28, pa.string(), pa.decimal128(38, 10)),
        ("1e-9999999", pa.string(), pa.decimal128(38, 10)),
        (Decimal("4e28"), pa.decimal128(38, 0), pa.decimal128(38, 10)),
        (4 * 10**18, pa.int64(), pa.decimal128(38, 20)),
    ],
)
def test_digits_that_do_not_fit_are_an_error(
    value: object, given_type: DataType, wanted: DataType
) -> None:
    with pytest.raises(pa.ArrowInvalid):
        convert(pa.array([value], given_type), wanted)


@given(value=st.integers(-(10**38) + 1, 10**38 - 1), scale=st.integers(0, 30))
@settings(max_examples=300, deadline=None)
def test_whole_numbers_get_fractions_or_are_refused(value: int, scale: int) -> None:
    whole = pa.array([Decimal(value)], pa.decimal128(38, 0))
    wanted = pa.decimal128(38, scale)
    fits = abs(value) < 10 ** (38 - scale)
    try:
        found = convert(whole, wanted)
    except pa.ArrowInvalid:
        assert not fits
    else:
        assert fits
        assert found[0].as_py() == value


def test_texts_become_decimals_as_before() -> None:
    texts = pa.array(["1.50", None, "-0.25"], pa.string())
    found = convert(texts, pa.decimal128(12, 2))
    assert found.to_pylist() == [Decimal("1.50"), None, Decimal("-0.25")]
    assert convert(texts.slice(2), pa.decimal128(12, 2)).to_pylist() == [Decimal("-0.25")]
    assert convert(texts.slice(0, 0), pa.decimal128(12, 2)).to_pylist() == []
    assert convert(pa.nulls(0, pa.string()), pa.decimal256(50, 2)).to_pylist() == []
    exponents = pa.array(["1e2", "1"], pa.string()).slice(1)
    assert convert(exponents, pa.decimal128(12, 2)).to_pylist() == [Decimal(1)]


@pytest.mark.parametrize("kind", [pa.decimal128(38, 2), pa.decimal256(76, 10)])
def test_as_many_digits_as_the_type_has_are_taken_and_none_more(kind: DataType) -> None:
    most = "9" * (kind.precision - kind.scale) + "." + "9" * kind.scale
    texts = pa.array([f"-{most}", None, most, "0.5"])
    assert convert(texts, kind).to_pylist() == [
        Decimal(f"-{most}"),
        None,
        Decimal(most),
        Decimal("0.5"),
    ]
    for more in (f"1{most}", f"{most}9"):
        with pytest.raises(pa.ArrowInvalid, match="more digits"):
            convert(pa.array([more]), kind)
