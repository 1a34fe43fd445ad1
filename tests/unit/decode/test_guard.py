"""The number guard lets no changed number through, and ordinary long digits pass."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.schema import SchemaConfig
from bronze_engine.decode.guard import keeps_numbers
from bronze_engine.decode.json import JsonDecoder
from bronze_engine.decode.reader import Reader
from bronze_engine.decode.rules import rules_of
from bronze_engine.model.layout import Layout
from tests.unit.decode.rows import block, decode, request

pytestmark = pytest.mark.unit


def layout_of(*lines: bytes) -> Layout:
    return decode(*lines).layout.settled()


LAYOUT = layout_of(b'{"id":1,"x":0.5,"s":"t","n":{"y":[0.5]}}')
RULES = rules_of(SchemaConfig(), None)


def passes(line: bytes) -> bool:
    reader = Reader(LAYOUT, RULES)
    batch = reader.read(line + b"\n", 1).batch
    return keeps_numbers(line + b"\n", [batch.column(place) for place in reader.doubles])


@pytest.mark.parametrize(
    "number",
    [
        "9007199254740993",
        "0.1000000000000000055511151231257827",
        "12345678901.123456789",
        "123456789012.12345",
        "12345678901.123456789e-8",
        "1234567890123456789e-20",
        "1234567890123456789E-20",
        "1234567890123456789e5",
        "1e-400",
        "1E-400",
        "-1e-0400",
        "123.456e-400",
        "-9007199254740993",
        "0." + "0" * 400 + "1",
        "1.00000000000000000001",
        "NaN",
        "-Infinity",
    ],
)
def test_a_number_that_its_double_changes_is_found(number: str) -> None:
    for blank in (b"", b" ", b"\t"):
        text = number.encode()
        assert not passes(b'{"id":1,"x":' + blank + text + blank + b"}")
        assert not passes(b'{"n":{"y":[0.5,' + blank + text + blank + b"]}}")


@pytest.mark.parametrize(
    "line",
    [
        b'{"x":0.30000000000000004}',
        b'{"x":0.8444218515250481,"s":"e-12, "}',
        b'{"x":1e-05}',
        b'{"x":5e-324}',
        b'{"x":0.0,"s":"1e-400"}',
        b'{"x":1e22}',
        b'{"x":100000000000000000000}',
        b'{"id":123456789012345678,"x":2.5}',
        b'{"id":9007199254740993,"x":1e15}',
        b'{"x":0.5,"s":"4111111111111111"}',
        b'{"x":0.5,"s":"12345678901234567.123456789"}',
        b'{"x":0.5,"s":"a,1.2345678901234567890,b"}',
        b'{"x":0.5,"s":"1e999,1.123456789"}',
        b'{"x":0.5,"s":"2025-01-15T00:00:00.123456789Z"}',
        b'{"x":0.0,"s":"0a1b2e53c2908f9020d5627e37c210f"}',
        b'{"x":1.2345678901234567e-08}',
        b'{"x":123456789012.5}',
        b'{"x":null}',
    ],
)
def test_an_exact_number_and_long_digits_elsewhere_pass(line: bytes) -> None:
    assert passes(line)


NUMBERS = st.one_of(
    st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,3})?", fullmatch=True),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
NUMBER_TEXT = re.compile(r"[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9]+\.")


@settings(max_examples=300, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=4))
def test_the_fast_path_and_the_exact_path_agree_on_every_number(numbers: list[str]) -> None:
    line = ('{"x":0.5,"n":{"y":[' + ",".join(numbers) + "]}}").encode()
    decoded = JsonDecoder(request()).decode([block([line])], LAYOUT)
    if decoded.layout is LAYOUT:
        landed = decoded.batch.to_pylist()[0]["n"]["y"]
        assert [Decimal(repr(value)) for value in landed] == [Decimal(text) for text in numbers]
    else:
        row = decoded.batch.to_pylist()[0]
        assert row["n"] is None
        assert row["n__variant"] == json.dumps({"y": "?"}).replace(
            '"?"', "[" + ",".join(numbers) + "]"
        ).replace(" ", "")


def line_of(numbers: list[str], text: str) -> bytes:
    return (
        json.dumps({"s": text, "x": 0.5, "n": {"y": "?"}})
        .encode()
        .replace(b'"?"', b"[" + ",".join(numbers).encode() + b"]")
    )


@settings(max_examples=300, deadline=None)
@given(
    st.lists(NUMBERS, max_size=4),
    st.text('0123456789./eE-+ ,]}:"\\x', max_size=60),
    st.integers(0, 40),
)
def test_the_guard_says_what_a_look_at_every_number_says(
    numbers: list[str], text: str, blanks: int
) -> None:
    line = line_of(numbers, text) + b" " * blanks
    values = [float(number) for number in numbers]
    changed = [
        number
        for number, value in zip(numbers, values, strict=True)
        if Decimal(repr(value)) != Decimal(number)
    ]
    try:
        keeps = passes(line)
    except pa.ArrowInvalid:  # the reader itself refuses 1e999, and 0e999
        return
    assert not (changed and keeps)
    if not keeps:  # no alarm but for a double that is there, by a text that makes just that one
        said = [float(each) for each in NUMBER_TEXT.findall(line.decode())]
        assert changed or {abs(value) for value in values} & set(map(abs, said))


@pytest.mark.parametrize("place", range(17))
def test_a_long_number_is_found_wherever_it_stands_in_a_block(place: int) -> None:
    """Bytes are looked at eight at a time, and 128 KiB of lines at a time."""
    filler = b'{"id":1,"x":0.5,"s":"' + b"t" * place + b'"}\n'
    lines = [filler] * (300_000 // len(filler))
    reader = Reader(LAYOUT, RULES)
    for at in (0, len(lines) // 2, len(lines) - 1):
        for number, is_kept in (("9007199254740993", False), ("0.8444218515250481", True)):
            lines[at] = b'{"x":' + number.encode() + b"}\n"
            data = b"".join(lines)
            batch = reader.read(data, len(lines)).batch
            doubles = [batch.column(column) for column in reader.doubles]
            assert keeps_numbers(data, doubles) is is_kept
        lines[at] = filler
