"""Objects and lists as structs, as JSON text, and as columns of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bronze_engine.config.schema import SchemaConfig
from bronze_engine.contracts import Decoded
from bronze_engine.decode.reader import Reader
from bronze_engine.decode.rules import rules_of
from bronze_engine.decode.schema import schema_changes, schema_warnings
from bronze_engine.model.layout import MAX_NEW_COLUMNS, Layout
from bronze_engine.testing import ScriptedSource, page
from tests.unit.decode.rows import decode
from tests.unit.run.harness import DAY, Bench

pytestmark = pytest.mark.unit

LINE = b'{"id":1,"address":{"city":"Zug","geo":{"lat": 47.10}},"tags":[ "a", {"b":1} ],"none":null}'


def types(decoded: Decoded) -> dict[str, str]:
    return {field.name: str(field.type) for field in decoded.layout.settled().schema}


def row(decoded: Decoded) -> dict[str, Any]:
    (found,) = decoded.batch.to_pylist()
    return {name: value for name, value in found.items() if value is not None}


def test_json_text_is_what_was_sent_to_the_byte() -> None:
    decoded = decode(LINE, nested="json")
    assert row(decoded) == {
        "id": 1,
        "address": '{"city":"Zug","geo":{"lat": 47.10}}',
        "tags": '[ "a", {"b":1} ]',
    }


def test_any_later_value_of_a_json_column_is_json_text_too() -> None:
    layout = decode(LINE, nested="json").layout.settled()
    lines = (b'{"tags":"x"}', b'{"tags":1.50}', b'{"tags":null}', b'{"tags":[1e400,{"k":1,"k":2}]}')
    decoded = decode(*lines, layout=layout, nested="json")
    assert decoded.layout is layout
    assert decoded.batch.column("tags").to_pylist() == [
        '"x"',
        "1.50",
        None,
        '[1e400,{"k":1,"k":2}]',
    ]


@pytest.mark.parametrize("text", ['{"k":1,"k":2}', "[" * 101 + "]" * 101])
def test_a_configured_json_column_takes_its_first_value_as_any_later_one(text: str) -> None:
    """Within JSON text no key is looked for twice, and no level counted: at first they were."""
    line = b'{"a":%s,"b":1}' % text.encode()
    first = decode(line, columns={"a": "json"})
    later = decode(line, layout=first.layout.settled(), columns={"a": "json"})
    for decoded in (first, later):
        assert decoded.rejects == ()
        assert decoded.batch.to_pylist() == [{"a": text, "b": 1}]


def test_an_object_in_a_column_of_texts_is_a_variant() -> None:
    decoded = decode(b'{"a":"x"}', b'{"a":{"k": 1}}', nested="json")
    assert decoded.batch.column("a__variant").to_pylist() == [None, '{"k": 1}']


def test_structs_of_before_become_text_and_the_manifest_says_so() -> None:
    before = decode(b'{"o":{"k":1},"l":[1]}').layout.settled()
    base = Layout(version=0, schema=before.schema, known=2)
    decoded = decode(b'{"o":{"k":1.50}}', base=base, nested="json")
    assert row(decoded) == {"o": '{"k":1.50}'}
    assert [(c.change, c.column, c.detail) for c in schema_changes(decoded.layout, base)] == [
        ("widened", "o", "struct<k: int64> -> json"),
        ("widened", "l", "list<element: int64> -> json"),
    ]


def test_objects_become_columns_and_lists_stay() -> None:
    decoded = decode(LINE, flatten="__")
    assert types(decoded) == {
        "id": "int64",
        "address__city": "string",
        "address__geo__lat": "double",
        "tags": "list<element: string>",
        "none": "string",
        "tags__variant": "string",
    }
    assert row(decoded) | {"tags__variant": ""} == {
        "id": 1, "address__city": "Zug", "address__geo__lat": 47.1, "tags__variant": "",
    }  # fmt: skip


def test_objects_below_the_depth_stay_whole() -> None:
    decoded = decode(LINE, flatten="_", flatten_depth=1)
    assert types(decoded)["address_geo"] == "struct<lat: double>"
    text = decode(LINE, flatten="_", flatten_depth=1, nested="json")
    assert row(text)["address_geo"] == '{"lat": 47.10}'


def test_flattened_columns_are_configured_by_their_names() -> None:
    columns = {"address__geo__lat": "decimal(9,6)", "address__zip": "string"}
    decoded = decode(LINE, flatten="__", columns=columns)
    assert types(decoded)["address__geo__lat"] == "decimal128(9, 6)"
    whole = decode(LINE, flatten="__", columns={"address": "json"})
    assert row(whole)["address"] == '{"city":"Zug","geo":{"lat": 47.10}}'


def test_names_that_collide_get_a_number_and_are_told() -> None:
    decoded = decode(b'{"a__b":1,"a":{"b":2,"B":3}}', flatten="__")
    assert row(decoded) == {"a__b": 1, "a__b_2": 2, "a__B_3": 3}
    first, second = schema_warnings(decoded.layout, None)
    assert first.startswith("value 'a.b' lands as column 'a__b_2': another column has its name")
    assert second.startswith("value 'a.B' lands as column 'a__B_3': another column has its name")


def test_a_value_that_does_not_fit_leaves_its_neighbours_alone() -> None:
    layout = decode(b'{"o":{"a":1,"b":2}}', flatten="__").layout.settled()
    decoded = decode(b'{"o":{"a":"x","b":3}}', layout=layout, flatten="__")
    assert row(decoded) == {"o__a__variant": '"x"', "o__b": 3}


def test_a_new_key_within_an_object_is_a_new_column_even_late() -> None:
    layout = decode(b'{"o":{"a":1}}', flatten="__").layout.settled()
    decoded = decode(b'{"o":{"a":1,"new":true}}', layout=layout, flatten="__")
    assert row(decoded) == {"o__a": 1, "o__new": True}


def test_keys_past_the_last_new_column_keep_their_objects() -> None:
    layout = decode(b'{"o":{"a":1}}', flatten="__").layout.settled()
    many = ",".join(f'"n{at}":{at}' for at in range(MAX_NEW_COLUMNS))
    decoded = decode(
        f'{{"o":{{{many},"y":1.0,"z":{{"k":[]}}}},"o__y":2}}'.encode(), layout=layout, flatten="__"
    )
    assert row(decoded)["_extra"] == '{"o__y":2,"o":{"y":1.0,"z":{"k":[]}}}'


def test_an_object_that_was_null_or_empty_first_leaves_no_column_behind() -> None:
    first = decode(b'{"o":null,"e":{}}', b'{"e":{"k":1}}', flatten="__")
    second = decode(b'{"o":{"k":1},"e":{"k":2}}', layout=first.layout, flatten="__")
    assert types(second) == {"e__k": "int64", "o__k": "int64"}
    again = decode(b'{"o":null,"e":{}}', layout=second.layout.settled(), flatten="__")
    assert again.batch.to_pylist() == [{"o__k": None, "e__k": None}]


def test_what_an_earlier_group_kept_as_empty_stays_kept() -> None:
    first = decode(b'{"e":{}}', flatten="__")
    second = decode(b'{"e":{"k":1}}', b'{"e":5}', b'{"e":{}}', layout=first.layout, flatten="__")
    assert types(second) == {"e": "string", "e__k": "int64", "e__variant": "string"}
    assert second.batch.column("e__variant").to_pylist() == [None, "5", None]


def test_a_text_where_objects_were_has_a_column_of_its_own() -> None:
    layout = decode(b'{"o":{"k":1}}', flatten="__").layout.settled()
    decoded = decode(b'{"o":"x"}', b'{"o":{"k":2}}', layout=layout, flatten="__")
    assert decoded.batch.to_pylist() == [{"o__k": None, "o": "x"}, {"o__k": 2, "o": None}]


def test_switching_flatten_on_and_off_takes_the_old_columns_away() -> None:
    structs = decode(b'{"id":1,"o":{"k":1}}').layout.settled()
    base = Layout(version=0, schema=structs.schema, known=2)
    on = decode(b'{"id":1,"o":{"k":1}}', base=base, flatten="__").layout
    assert [(c.change, c.column) for c in schema_changes(on, base)] == [
        ("added", "o__k"),
        ("removed", "o"),
    ]
    flat = Layout(version=0, schema=on.settled().schema, known=2)
    off = decode(b'{"id":1,"o":{"k":1}}', base=flat).layout
    assert [(c.change, c.column) for c in schema_changes(off, flat)] == [
        ("added", "o"),
        ("removed", "o__k"),
    ]


@pytest.mark.parametrize(
    "schema",
    [
        SchemaConfig(nested="json"),
        SchemaConfig(flatten="__"),
        SchemaConfig(flatten="__", flatten_depth=1, nested="json"),
        SchemaConfig(columns={"id": "int64", "price": "double", "at": "epoch_s", "ok": "bool"}),
    ],
)
def test_ordinary_groups_stay_on_the_fast_path(schema: SchemaConfig) -> None:
    """The reader takes them itself; whatever it refuses goes record by record."""
    texts = schema.columns != {}
    line = (
        b'{"id":"1","price":"2.50","at":"1736944200","ok":"true"}'
        if texts
        else b'{"id":1,"o":{"a":"x","p":{"q":[1]}},"l":[{"k": 1}],"e":{}}'
    )
    options: dict[str, Any] = {
        name: getattr(schema, name) for name in ("nested", "flatten", "flatten_depth", "columns")
    }
    layout = decode(line, **options).layout.settled()
    read = Reader(layout, rules_of(schema, None)).read(line + b"\n", 1)
    assert read.batch.equals(decode(line, layout=layout, **options).batch)
    assert read.batch.num_rows == 1


@pytest.mark.asyncio
async def test_the_manifest_and_the_next_date_have_the_flattened_columns(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "schema.flatten=__", "output.load_columns=false")
    record = {"id": 1, "o": {"k": 1, "p": {"q": "x"}}}
    first = await bench.run(ScriptedSource([[page(1, record)]]))
    assert [column.name for column in first.schema] == ["id", "o__k", "o__p__q"]
    later = DAY.replace(day=16)
    second = await bench.run(ScriptedSource([[page(1, {"o": {"k": 0.5}})]]), later)
    assert [(c.change, c.column) for c in second.schema_changes] == [("variant", "o__k__variant")]
