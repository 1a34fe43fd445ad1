"""Texts as values of a configured type: exactly what the value-by-value definition takes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bronze_engine.decode.text.values import cast_column
from bronze_engine.decode.typed import decimal_text, epoch_count, plain_text
from bronze_engine.model.arrow import DataType
from bronze_engine.model.layout import Column, Role

pytestmark = pytest.mark.unit

NUMBERS = st.one_of(
    st.integers(-(2**300), 2**300).map(str),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.floats(allow_nan=False).map(repr),
    st.floats(-1000, 1000).map(lambda value: f"{value:.3f}"),
    st.text("+-.eE0189x ", max_size=7),
    st.text("0123456789", min_size=1, max_size=90),
    st.sampled_from([str(2**128 + 1), str(2**256 + 7), "1e-9999999", "0e0x1", "1." + "0" * 100]),
    st.sampled_from(["1e-999999", "1e999999", "4" + "0" * 28, "true", "TRUE", "True", "yes", ""]),
)
KINDS: list[tuple[DataType, Role]] = [
    (pa.int8(), "value"),
    (pa.int64(), "value"),
    (pa.uint64(), "value"),
    (pa.float64(), "value"),
    (pa.bool_(), "value"),
    (pa.decimal128(6, 2), "value"),
    (pa.decimal128(38, 10), "value"),
    (pa.decimal128(38, 0), "value"),
    (pa.decimal256(76, 30), "value"),
    (pa.timestamp("us", "UTC"), "epoch_s"),
    (pa.timestamp("ns", "UTC"), "epoch_ns"),
]


def expected(text: str, kind: DataType, role: Role) -> Any:
    """The value as text, or None for none."""
    if role != "value":
        count = epoch_count(text, role)
        return None if count is None else int(count)
    if pa.types.is_decimal(kind):
        plain = decimal_text(text, kind)
        return None if plain is None else Decimal(plain.decode())
    plain = plain_text(text, kind)
    if plain is None:
        return None
    if pa.types.is_boolean(kind):
        return plain == b"true"
    return float(plain) if pa.types.is_floating(kind) else int(plain)


@given(
    texts=st.lists(st.none() | NUMBERS, max_size=6),
    which=st.sampled_from(KINDS),
    printable=st.booleans(),
)
@example(texts=[str(2**128 + 1)], which=(pa.decimal128(38, 0), "value"), printable=True)
@example(texts=["4" + "0" * 28], which=(pa.decimal128(38, 10), "value"), printable=False)
@example(texts=["1e-9999999"], which=(pa.decimal128(38, 10), "value"), printable=True)
@example(texts=["+0"], which=(pa.float64(), "value"), printable=False)
@settings(max_examples=500, deadline=None)
def test_values_are_those_of_the_definition(
    texts: list[str | None], which: tuple[DataType, Role], printable: bool
) -> None:
    kind, role = which
    column = Column(name="v", type=kind, key="v", role=role)
    array = pa.array(texts, pa.string())
    values, misfit = cast_column(array, column, printable=printable)
    assert values.type == kind
    numbers = values.cast(pa.int64()) if role != "value" else values
    for place, text in enumerate(texts):
        value = numbers[place].as_py()
        refused = misfit is not None and misfit[place].as_py()
        if text is None:
            assert value is None
            assert not refused
            continue
        wanted = expected(text, kind, role)
        assert refused == (value is None)
        if printable and value is None:
            continue  # stricter: that it prints what came is tested with whole files
        assert value == wanted


SHORT = st.one_of(
    st.integers(-200, 200).map(str),
    st.text("-0x1F", max_size=4),
    st.sampled_from(["true", "false", "True", "FALSE", "tRUE", "yes", "t", "\u00fc", "-", ""]),
)


@given(
    hidden=st.lists(st.tuples(SHORT, st.booleans()), min_size=1, max_size=8),
    start=st.integers(0, 3),
    kind=st.sampled_from([pa.int8(), pa.int64(), pa.bool_(), pa.float64()]),
    printable=st.booleans(),
)
@example(hidden=[("007", False), ("1", True)], start=0, kind=pa.int64(), printable=True)
@example(hidden=[("TRUE", False), ("true", True)], start=0, kind=pa.bool_(), printable=True)
@example(hidden=[("true", True), ("-", False)], start=1, kind=pa.int64(), printable=True)
@settings(max_examples=500, deadline=None)
def test_neither_slices_nor_bytes_behind_nulls_change_what_a_text_is(
    hidden: list[tuple[str, bool]], start: int, kind: DataType, printable: bool
) -> None:
    whole = pa.array([text for text, _ in hidden], pa.string())
    valid = pa.array([is_valid for _, is_valid in hidden], pa.bool_())
    _, offsets, data = whole.buffers()
    held = pa.Array.from_buffers(
        pa.string(), len(hidden), [valid.buffers()[1], offsets, data]
    ).slice(start)
    plain = pa.array(held.to_pylist(), pa.string())
    column = Column(name="v", type=kind, key="v")

    values, misfits = cast_column(held, column, printable=printable)
    wanted, wanted_misfits = cast_column(plain, column, printable=printable)

    assert values.to_pylist() == wanted.to_pylist()
    assert (None if misfits is None else misfits.to_pylist()) == (
        None if wanted_misfits is None else wanted_misfits.to_pylist()
    )
    if not printable:
        texts = plain.to_pylist()
        made = [None if text is None else expected(text, kind, "value") for text in texts]
        assert values.to_pylist() == made
