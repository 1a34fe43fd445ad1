"""Values that do not fit, keys that are new, records that are none."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine.config.schema import SchemaConfig
from bronze_engine.contracts import Decoded
from bronze_engine.decode.drift import DriftReader
from bronze_engine.decode.json import JsonDecoder
from bronze_engine.decode.rules import rules_of
from bronze_engine.errors import ConfigError, QualityError
from bronze_engine.model.layout import MAX_NEW_COLUMNS, Layout
from bronze_engine.model.types.named import parse_type
from tests.unit.decode.rows import block, decode, request

pytestmark = pytest.mark.unit


def column(decoded: Decoded, name: str) -> list[Any]:
    return decoded.batch.column(name).to_pylist()


def types(decoded: Decoded) -> dict[str, str]:
    return {field.name: str(field.type) for field in decoded.layout.schema}


def settled(*lines: bytes) -> Layout:
    return decode(*lines).layout.settled()


def test_json_types_become_arrow_types() -> None:
    decoded = decode(
        b'{"i":1,"f":1.5,"b":true,"s":"x","l":[1],"o":{"k":"v"},"n":null,"t":"2025-01-15T00:00Z"}'
    )
    assert types(decoded) == {
        "i": "int64",
        "f": "double",
        "b": "bool",
        "s": "string",
        "l": "list<element: int64>",
        "o": "struct<k: string>",
        "n": "null",
        "t": "string",
    }


def test_fractions_after_integers_make_a_double_before_the_layout_is_settled() -> None:
    first = decode(b'{"a":1}')
    second = decode(b'{"a":2.5}', layout=first.layout)
    assert types(second) == {"a": "double"}


@pytest.mark.parametrize("line", [b'{"a":9007199254740993}', b'{"a":-9007199254740993}'])
def test_a_column_with_integers_past_2_53_stays_int64(line: bytes) -> None:
    for layout in (
        decode(line).layout,
        decode(line, layout=decode(b'{"a":1}').layout).layout,
    ):
        second = decode(b'{"a":2.5}', layout=layout)
        assert types(second) == {"a": "int64", "a__variant": "string"}
        assert column(second, "a__variant") == ["2.5"]


@pytest.mark.parametrize(
    "numbers",
    [
        ["123456789012345678901234567890", "1"],
        ["1", "1" + "0" * 40],
        ["0.1234567890123456789012345678901234567890", "1.50"],
        ["1.5", "9007199254740993"],
        ["1e400", "1"],
        ["1e-400"],
    ],
)
def test_numbers_that_no_type_holds_are_kept_as_text(numbers: list[str]) -> None:
    decoded = decode(*[f'{{"a":{number}}}'.encode() for number in numbers])
    assert column(decoded, "a") == numbers
    assert [c.role for c in decoded.layout.columns()] == ["number"]
    again = decode(b'{"a":"7"}', b'{"a":7.0}', layout=decoded.layout.settled())
    assert column(again, "a") == [None, "7.0"]
    assert column(again, "a__variant") == ['"7"', None]


def test_the_first_value_decides_and_the_others_are_variants() -> None:
    decoded = decode(b'{"a":null}', b'{"a":"x"}', b'{"a":1.50}', b'{"a":{"b": [1 ]}}')
    assert column(decoded, "a") == [None, "x", None, None]
    assert column(decoded, "a__variant") == [None, None, "1.50", '{"b": [1 ]}']


@pytest.mark.parametrize("value", [b"1.0", b"1e2", b"9223372036854775808", b'"1"', b"true"])
def test_an_int64_column_takes_integers_only(value: bytes) -> None:
    decoded = decode(b'{"a":' + value + b"}", layout=settled(b'{"a":1}'))
    assert column(decoded, "a__variant") == [value.decode()]


def test_a_double_column_takes_integers_that_it_holds_exactly() -> None:
    layout = settled(b'{"a":1.5}')
    assert decode(b'{"a":9007199254740992}', b'{"a":1e22}', layout=layout).layout is layout
    decoded = decode(b'{"a":9007199254740993}', b'{"a":-0.0}', layout=layout)
    assert column(decoded, "a__variant") == ["9007199254740993", None]
    assert repr(column(decoded, "a")[1]) == "-0.0"


def test_a_misfit_inside_a_struct_or_list_makes_the_whole_value_a_variant() -> None:
    layout = settled(b'{"o":{"k":1},"l":[1]}')
    decoded = decode(b'{"o":{"k":1,"new":2},"l":[1,"x"]}', layout=layout)
    assert column(decoded, "o__variant") == ['{"k":1,"new":2}']
    assert column(decoded, "l__variant") == ['[1,"x"]']


def test_a_struct_gains_fields_until_the_layout_is_settled() -> None:
    first = decode(b'{"o":{"k":1}}')
    assert types(decode(b'{"o":{"n":"x"}}', layout=first.layout)) == {
        "o": "struct<k: int64, n: string>"
    }


def test_quarantine_rejects_the_record_with_its_exact_bytes() -> None:
    layout = settled(b'{"a":1}')
    line = b'{ "a" : "x", "b": 1.00 }'
    decoded = decode(b'{"a":1}', line, layout=layout, on_drift="quarantine")
    assert column(decoded, "a") == [1]
    (reject,) = decoded.rejects
    assert (reject.raw, reject.page, reject.offset) == (line, 1, 1)
    assert "'a'" in reject.reason
    assert "int64" in reject.reason


def test_fail_names_column_type_value_page_and_offset() -> None:
    with pytest.raises(QualityError, match=r"'a' \(int64\).*\"x\".*page 1 at record 1"):
        decode(b'{"a":1}', b'{"a":"x"}', on_drift="fail")


def test_new_keys_get_columns_in_order_then_go_to_extra() -> None:
    layout = settled(b'{"a":1}')
    names = [f"n{i}" for i in range(MAX_NEW_COLUMNS + 2)]
    line = "{" + ",".join(f'"{name}": {i}.0' for i, name in enumerate(names)) + "}"
    decoded = decode(line.encode(), layout=layout)
    assert decoded.layout.schema.names == ["a", *names[:MAX_NEW_COLUMNS], "_extra"]
    assert column(decoded, "_extra") == ['{"n20":20.0,"n21":21.0}']
    assert decoded.layout.grown == MAX_NEW_COLUMNS
    more = decode(b'{"a":"misfit"}', layout=decoded.layout)
    assert more.layout is decoded.layout or more.layout.schema == decoded.layout.schema
    assert column(more, "_extra") == ['{"a":"misfit"}']


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"[1]", "an array instead of an object"),
        (b" null", "null instead of an object"),
        (b"null", "null instead of an object"),
        (b'{"a":1,"a":1}', "twice"),
        (b'{"o":[{"k":1,"k":2}]}', "twice"),
        (b'{"a":"\xff"}', "not UTF-8"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"\\udc00":1}', "surrogate"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":-Infinity}', "Infinity"),
        (b'{"a":' + b"[" * 100 + b"]" * 100 + b"}", "deeper than 100"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deeper than 100"),
        (b'{"a":1', "not JSON"),
    ],
)
def test_what_is_no_record_is_rejected_with_its_bytes(line: bytes, reason: str) -> None:
    good = b'{"a":1,"o":[{"k":1}]}'
    for layout in (None, settled(b'{"a":1.5,"o":[{"k":1}]}')):
        decoded = decode(good, line, good, layout=layout)
        assert decoded.batch.num_rows == 2
        assert [(r.raw, r.offset) for r in decoded.rejects] == [(line, 1)]
        assert reason in decoded.rejects[0].reason


def test_ninety_nine_levels_and_brackets_in_strings_are_fine() -> None:
    deep = b'{"a":' + b"[" * 99 + b"]" * 99 + b"}"
    assert not decode(deep, b'{"s":"' + b"[{" * 200 + b'\\""}').rejects


def test_null_first_and_empty_values_have_a_type_once_settled() -> None:
    decoded = decode(b'{"n":null,"l":[],"e":{},"o":{"x":null,"y":{}}}')
    layout = decoded.layout.settled()
    assert {f.name: str(f.type) for f in layout.schema} == {
        "n": "string",
        "l": "list<element: string>",
        "e": "string",
        "o": "struct<x: string, y: string>",
    }
    again = decode(b'{"n":"x","l":["y"],"e":{},"o":{"x":"z","y":{}}}', layout=layout)
    assert again.layout is layout
    assert again.batch.to_pylist() == [
        {"n": "x", "l": ["y"], "e": "{}", "o": {"x": "z", "y": "{}"}}
    ]
    filled = decode(b'{"e":{"k": 1}}', layout=layout)
    assert column(filled, "e") == ['{"k": 1}']
    typed = decode(b'{"n":1,"l":[1]}', layout=decoded.layout)
    assert types(typed)["n"] == "int64"


def test_names_that_collide_get_a_number() -> None:
    decoded = decode(b'{"id":1,"ID":2,"Id":3,"_extra":4,"_load_date":5,"a__variant":6,"_raw":7}')
    assert decoded.batch.to_pylist() == [
        {
            "id": 1,
            "ID_2": 2,
            "Id_3": 3,
            "_extra_2": 4,
            "_load_date_2": 5,
            "a__variant_2": 6,
            "_raw_2": 7,
        }
    ]


def test_odd_names_and_hard_texts_land_as_they_are() -> None:
    decoded = decode('{"":1,"a.b":2,"é😀":"😀","z":"a\\u0000b\\nc"}'.encode())
    assert decoded.batch.to_pylist() == [{"": 1, "a.b": 2, "é😀": "😀", "z": "a\0b\nc"}]


def test_ten_thousand_columns_and_a_long_string() -> None:
    wide = ("{" + ",".join(f'"c{i}":{i}' for i in range(10_000)) + "}").encode()
    first = decode(wide)
    assert first.batch.num_columns == 10_000
    layout = first.layout.settled()
    assert decode(wide, layout=layout).layout is layout
    long = b'{"s":"' + b"x" * 5_000_000 + b'"}'
    layout = settled(b'{"s":"y"}')
    assert len(column(decode(long, layout=layout), "s")[0]) == 5_000_000


def test_records_without_keys_are_rows() -> None:
    assert decode(b"{}", b"{}").batch.num_rows == 2
    assert decode(b"{}", layout=settled(b'{"a":1}')).batch.to_pylist() == [{"a": None}]


def test_no_records_are_no_rows() -> None:
    assert JsonDecoder(request()).decode([block([])], None).batch.num_rows == 0
    layout = settled(b'{"a":1}')
    decoded = JsonDecoder(request()).decode([block([])], layout)
    assert decoded.batch.schema == layout.schema


def test_configured_types_are_exact_and_misfits_drift() -> None:
    columns = {
        "d": "decimal(20,4)",
        "t": "timestamp",
        "l": "timestamp(ms)",
        "day": "date",
        "at": "time",
        "j": "json",
        "s": "string",
        "n": "int64",
        "f": "double",
    }
    good = (
        b'{"d":12.3400,"t":"2025-01-15T00:00:00.5+02:00","l":"2025-01-15T00:00:00.25",'
        b'"day":"2025-01-15","at":"10:00:01.5","j":{"a": 1.00},"s":1.50,"n":1,"f":1}'
    )
    text = b'{"d":"1000e-3","s":"x","j":"y","t":null}'
    bad = (
        b'{"d":0.00001,"t":"2025-01-15T00:00:00","l":"2025-01-15T00:00:00Z","day":"15.1.2025",'
        b'"at":5,"s":[1],"n":1.5,"f":"x"}'
    )
    first = decode(good, text, columns=columns)
    assert first.batch.schema.field("t").type == pa.timestamp("us", "UTC")
    row = first.batch.to_pylist()[0]
    assert row["d"] == Decimal("12.34")
    assert row["t"].isoformat() == "2025-01-14T22:00:00.500000+00:00"
    assert row["l"].isoformat() == "2025-01-15T00:00:00.250000"
    assert (row["day"], row["at"]) == (date(2025, 1, 15), time(10, 0, 1, 500_000))
    assert (row["j"], row["s"], row["f"]) == ('{"a": 1.00}', "1.50", 1.0)
    assert first.batch.to_pylist()[1]["d"] == Decimal(1)
    assert first.batch.to_pylist()[1]["j"] == '"y"'
    again = decode(bad, layout=first.layout.settled(), columns=columns).batch.to_pylist()[0]
    for name, raw in {
        "d": "0.00001",
        "t": '"2025-01-15T00:00:00"',
        "l": '"2025-01-15T00:00:00Z"',
        "day": '"15.1.2025"',
        "at": "5",
        "s": "[1]",
        "n": "1.5",
        "f": '"x"',
    }.items():
        assert (again[name], again[name + "__variant"]) == (None, raw)


def test_typed_columns_stay_on_the_fast_path() -> None:
    columns = {"d": "decimal(38,2)", "t": "timestamp(ns, Europe/Berlin)"}
    lines = (b'{"d":"1.5","t":"2025-01-15T00:00:00.123456789Z"}', b'{"d":7,"t":null}')
    layout = decode(*lines, columns=columns).layout.settled()
    assert decode(*lines, layout=layout, columns=columns).layout is layout
    assert decode(b'{"d":12345678901234567890.12}', layout=layout, columns=columns).batch.column(
        "d"
    ).to_pylist() == [Decimal("12345678901234567890.12")]


@pytest.mark.parametrize(
    "text", ["int", "decimal(0,0)", "decimal(77,2)", "decimal(5,6)", "timestamp(m)", "", "json()"]
)
def test_a_type_that_does_not_exist_is_a_configuration_error(text: str) -> None:
    with pytest.raises(ConfigError, match=r"schema\.columns\.c"):
        parse_type("c", text)
    with pytest.raises(ConfigError):
        JsonDecoder(request(schema=SchemaConfig(columns={"c": text})))


def test_an_unknown_time_zone_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="Mars/Phobos"):
        parse_type("c", "timestamp(us, Mars/Phobos)")


@pytest.mark.parametrize(
    ("first", "drifted", "values"),
    [
        (
            "1",
            ['"x"', "2", "1.5", "null", '{"k": 1}', "9223372036854775808"],
            [None, 2, *[None] * 4],
        ),
        ("0.5", ["1e400", "7", '"0.5"', "0.1234567890123456789"], [None, 7.0, None, None]),
        ('"x"', ["1.50", '"y"', "true", "[]"], [None, "y", None, None]),
        ("[1]", ["[2]", '["x"]', "{}", "[1.5]"], [[2], None, None, None]),
    ],
)
def test_columns_that_have_drifted_are_judged_alone(
    first: str, drifted: list[str], values: list[Any]
) -> None:
    """And the rest of the group is read in C++: the same batch, at a quarter of the price."""
    whole = b'{"id":1,"a":%b,"other":{"k":[1]}}'
    layout = settled(whole % first.encode())
    lines = [whole % text.encode() for text in drifted]
    layout = decode(*lines, layout=layout).layout
    schema = SchemaConfig()
    reader = DriftReader(layout, rules_of(schema, None))
    read = reader.read(b"".join(line + b"\n" for line in lines), len(lines))
    assert read.batch.column("a").to_pylist() == values
    again = decode(*lines, layout=layout)
    assert again.layout is layout
    assert again.batch.equals(read.batch)
    assert reader.is_of_use
    assert not DriftReader(settled(whole % b"1"), rules_of(schema, None)).is_of_use


def test_what_a_variant_is_not_enough_for_is_left_to_the_exact_path() -> None:
    layout = decode(b'{"a":"x","b":1}', layout=settled(b'{"a":1,"b":1}')).layout
    reader = DriftReader(layout, rules_of(SchemaConfig(), None))
    for line in (b'{"a":{"k":1,"k":2}}', b'{"b":"x"}', b'{"new":1}', b'{"a":1,"a":2}', b"[]"):
        with pytest.raises(pa.ArrowInvalid):
            reader.read(line + b"\n", 1)
