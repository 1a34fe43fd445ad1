"""Numbers in decimal columns: exactly what was sent, whatever precision and scale are."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.schema import SchemaConfig
from bronze_engine.decode.exact import decode_exact
from bronze_engine.decode.json import JsonDecoder
from bronze_engine.decode.rules import rules_of
from bronze_engine.decode.typed import cast_texts
from tests.unit.decode.rows import block, decode, request

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("decimal(3,2)", "100"),
        ("decimal(3,2)", "-10.0"),
        ("decimal(9,2)", "99999999"),
        ("decimal(9,2)", "1e8"),
        ("decimal(38,37)", "456100025.53512578737138"),
        ("decimal(38,10)", "99999999999999999999999999999.5"),
        ("decimal(76,10)", "82001418057157028013836197162561191093585467048805258247207678370931"),
        ("decimal(76,76)", "9"),
        ("decimal(9,2)", "1E-41"),
        ("decimal(9,2)", "-12345e-105"),
        ("decimal(18,4)", "0.5E-0062"),
        ("decimal(38,0)", "0.01E-37"),
        ("decimal(9,2)", "1E-123456789"),
    ],
)
def test_a_number_past_the_digits_of_its_column_is_kept_beside_it(kind: str, number: str) -> None:
    """pyarrow 26 lets the digits run over: 100 was 100.00 in a column of three digits, which
    Parquet writes or ends the run for, and some numbers of 38 digits were others. Of those far
    behind the last digit it made 0, or ended the process."""
    layout = decode(b'{"a":0}', columns={"a": kind}).layout.settled()
    for text in (number, f'"{number}"'):
        line = b'{"a":' + text.encode() + b"}"
        decoded = decode(line, layout=layout, columns={"a": kind})
        assert decoded.batch.to_pylist() == [{"a": None, "a__variant": text}]


def test_texts_of_numbers_far_behind_the_last_digit_are_not_cast() -> None:
    for text in ("1E-41", "12345e-77"):
        with pytest.raises(pa.ArrowInvalid, match="no power of ten"):
            cast_texts(pa.array(["1.5", text]), pa.decimal128(9, 2))
    assert cast_texts(pa.array(["15E-1", None]), pa.decimal128(9, 2)).to_pylist()[1] is None


KINDS = st.sampled_from(
    [(3, 2), (9, 2), (9, 8), (18, 4), (38, 10), (38, 37), (38, 0), (40, 20), (76, 10), (76, 76)]
)
NUMBERS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,80})(\.[0-9]{1,80})?([eE]-?[0-9]{1,2})?", fullmatch=True
) | st.from_regex(r"-?(0|[1-9][0-9]{0,8})(\.[0-9]{1,8})?", fullmatch=True)


@settings(max_examples=300, deadline=None)
@given(KINDS, st.lists(NUMBERS | st.none(), min_size=1, max_size=3), st.booleans())
def test_decimals_are_exact_on_both_paths(
    kind: tuple[int, int], numbers: list[str | None], is_text: bool
) -> None:
    schema = SchemaConfig(columns={"a": f"decimal({kind[0]},{kind[1]})"})
    decoder = JsonDecoder(request(schema=schema))
    layout = decoder.decode([block([b'{"a":0}'])], None).layout.settled()
    quote = '"' if is_text else ""
    texts = ["null" if number is None else f"{quote}{number}{quote}" for number in numbers]
    group = [block([f'{{"a":{text}}}'.encode() for text in texts])]
    decoded = decoder.decode(group, layout)
    assert decoded.batch.equals(decode_exact(group, layout, rules_of(schema, None)).batch)
    for number, landed in zip(numbers, decoded.batch.column("a").to_pylist(), strict=True):
        assert landed is None or (number is not None and landed == Decimal(number))
