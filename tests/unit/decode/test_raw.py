"""`_raw`: the record of each row to the byte, on every path that a group may take."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.config.incremental import Incremental
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.contracts import Decoded
from bronze_engine.decode.json import JsonDecoder
from bronze_engine.model.layout import Layout
from tests.unit.decode.rows import block, request

pytestmark = pytest.mark.unit

RAW = SchemaConfig(raw=True)


def decode(
    *lines: bytes, schema: SchemaConfig = RAW, layout: Layout | None = None, **more: Any
) -> Decoded:
    return JsonDecoder(request(schema=schema, **more)).decode([block(lines)], layout)


def raws_of(decoded: Decoded) -> list[str | None]:
    found: list[str | None] = decoded.batch.column("_raw").to_pylist()
    return found


LINES = [
    b'{"id": 1,  "name": "Zo\xc3\xab"}',
    b'{"id":2,"name":null}',
    b' {"name":"\\u00eb","id":3 }',
]


def test_the_exact_path_keeps_each_record() -> None:
    decoded = decode(*LINES)
    assert raws_of(decoded) == [line.decode() for line in LINES]
    assert decoded.batch.schema.names == ["id", "name", "_raw"]


def test_the_fast_path_keeps_each_record() -> None:
    layout = decode(*LINES).layout
    decoded = decode(*LINES, layout=layout)
    assert decoded.layout is layout, "nothing grew: this was the fast path"
    assert raws_of(decoded) == [line.decode() for line in LINES]


def test_several_blocks_are_one_column() -> None:
    layout = decode(*LINES).layout
    decoder = JsonDecoder(request(schema=RAW))
    decoded = decoder.decode([block(LINES[:1]), block(LINES[1:], page=2)], layout)
    assert raws_of(decoded) == [line.decode() for line in LINES]


@pytest.mark.parametrize("settled", [False, True])
def test_what_was_sent_stands_beside_lines_that_differ(settled: bool) -> None:
    pretty = (b'{\n  "id": 1\n}', b'{\r\n  "id": 2, "at": 1.50\r\n}')
    lines = [b'{"id":1,"order":7}', b'{"id":2,"at":1.50,"order":7}']
    layout = decode(*lines).layout
    one = msgspec.structs.replace(block(lines), originals=pretty)
    mixed = [block([b'{"id":0}']), one]
    decoded = JsonDecoder(request(schema=RAW)).decode(mixed, layout if settled else None)
    assert raws_of(decoded) == ['{"id":0}', *(text.decode() for text in pretty)]


def test_rejected_records_leave_the_others_with_their_own() -> None:
    decoded = decode(b'{"id":1}', b'{"id":2,"id":2}', b"\xff", b'{"id":3}')
    assert raws_of(decoded) == ['{"id":1}', '{"id":3}']
    assert [reject.raw for reject in decoded.rejects] == [b'{"id":2,"id":2}', b"\xff"]


def test_a_null_record_is_rejected_as_ever() -> None:
    layout = decode(b'{"id":1}').layout
    decoded = decode(b'{"id":1}', b"null", layout=layout)
    assert raws_of(decoded) == ['{"id":1}']
    assert len(decoded.rejects) == 1


def test_drift_changes_the_columns_and_not_the_record() -> None:
    layout = decode(b'{"id":1}').layout.settled()
    decoded = decode(b'{"id":"x" ,"new":[1]}', b'{"id":2}', layout=layout)
    assert raws_of(decoded) == ['{"id":"x" ,"new":[1]}', '{"id":2}']
    assert decoded.batch.column("id__variant").to_pylist() == ['"x"', None]


def test_rows_outside_the_window_take_their_record_with_them() -> None:
    incremental = Incremental(cursor="id", cursor_type="integer")
    lines = [b'{"id":%d}' % number for number in range(6)]
    for layout in (None, decode(*lines).layout):
        decoded = decode(
            *lines, layout=layout, incremental=incremental, low="1", read_from="1", cap="4"
        )
        assert raws_of(decoded) == ['{"id":2}', '{"id":3}', '{"id":4}']


@pytest.mark.parametrize(
    "schema",
    [
        SchemaConfig(raw=True, nested="json"),
        SchemaConfig(raw=True, flatten="__"),
        SchemaConfig(raw=True, columns={"amount": "decimal(38,2)"}),
    ],
    ids=["json", "flatten", "typed"],
)
def test_however_columns_are_made_the_record_is_what_was_sent(schema: SchemaConfig) -> None:
    lines = [b'{"id":1,"a":{"b" : [1, 2]},"amount":1.5e1}', b'{"id":2,"a":{"b":[]},"amount":"2"}']
    first = decode(*lines, schema=schema)
    again = decode(*lines, schema=schema, layout=first.layout)
    assert raws_of(first) == raws_of(again) == [line.decode() for line in lines]


def test_a_key_of_the_source_of_that_name_does_not_collide() -> None:
    decoded = decode(b'{"_raw":"theirs","_RAW":1}')
    assert decoded.batch.to_pylist() == [
        {"_raw_2": "theirs", "_RAW_3": 1, "_raw": '{"_raw":"theirs","_RAW":1}'}
    ]


def test_records_without_a_key_have_it_too() -> None:
    assert raws_of(decode(b"{}", b"{ }")) == ["{}", "{ }"]


def base_of(decoded: Decoded) -> Layout:
    schema = decoded.layout.settled().schema
    return Layout(version=0, schema=schema, known=len(schema))


def test_it_may_be_switched_on_and_off_between_partitions() -> None:
    with_it = decode(b'{"id":1,"a":"x"}')
    without = decode(b'{"id":1,"a":"x"}', schema=SchemaConfig())
    assert "_raw" not in without.batch.schema.names
    on = decode(b'{"id":2,"a":"y","new":true}', base=base_of(without))
    assert raws_of(on) == ['{"id":2,"a":"y","new":true}']
    assert on.batch.column("new").to_pylist() == [True]
    off = decode(b'{"id":2,"a":"y"}', schema=SchemaConfig(), base=base_of(with_it))
    assert off.batch.schema.names == ["id", "a"]
    kept = decode(b'{"id":2,"a":"y"}', base=base_of(with_it))
    assert kept.batch.schema.names == ["id", "a", "_raw"]


@given(
    st.lists(
        st.dictionaries(st.text(max_size=3), st.text(max_size=5) | st.integers() | st.none()),
        min_size=1,
        max_size=6,
    )
)
def test_any_records_come_back(records: list[dict[str, Any]]) -> None:
    lines = [msgspec.json.encode(record) for record in records]
    decoded = decode(*lines)
    assert raws_of(decoded) == [line.decode() for line in lines]
    assert raws_of(decode(*lines, layout=decoded.layout)) == [line.decode() for line in lines]
