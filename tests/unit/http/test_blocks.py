"""Members spliced into lines: exact bytes behind the record's own, and never over a key of it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.errors import PageError
from bronze_engine.sources.http.body.blocks import NO_MEMBERS, Members, splice
from bronze_engine.sources.http.body.shape import Shape

pytestmark = pytest.mark.unit

VALUE = st.none() | st.integers() | st.text(max_size=5)
RECORD = st.dictionaries(st.text(max_size=3), VALUE, max_size=3)


def of(value: object) -> Members:
    assert isinstance(value, dict)
    return Members.of({key: json.dumps(item).encode() for key, item in value.items()})


@given(records=st.lists(RECORD), members=RECORD, indent=st.booleans())
def test_every_record_gets_the_members_or_the_key_is_refused(
    records: list[dict[str, Any]], members: dict[str, Any], indent: bool
) -> None:
    separators = (" , ", " : ") if indent else (",", ":")
    texts = [json.dumps(record, ensure_ascii=False, separators=separators) for record in records]
    data = "".join(f"{text}\n" for text in texts).encode()
    if records and (records[0].keys() | records[-1].keys()) & members.keys():
        with pytest.raises(PageError, match="give the joined column another name"):
            splice(data, of(members))
        return
    spliced = splice(data, of(members))
    # Between the first and the last a key may stand twice now: the decoder rejects that.
    assert [json.loads(line, object_pairs_hook=list) for line in spliced.split(b"\n")[:-1]] == [
        [*record.items(), *members.items()] for record in records
    ]


def test_the_bytes_of_both_sides_stay() -> None:
    members = Members.of({"n": b"1.10E+400", "o": b'{\r\n "a": 0.10\n}'})
    assert splice(b'{"x": 1.0}\n', members) == b'{"x": 1.0,"n":1.10E+400,"o":{"a":0.10}}\n'
    assert splice(b"{ }\n{}\n", members) == 2 * b'{"n":1.10E+400,"o":{"a":0.10}}\n'


@pytest.mark.parametrize("line", [b"7", b"null", b'"}"', b"[{}]", b'{"a":', b"x}y"])
def test_what_is_no_object_is_left_to_the_decoder(line: bytes) -> None:
    data = b'{"a":1}\n' + line + b"\n{}\n"
    assert splice(data, of({"b": 2})) == b'{"a":1,"b":2}\n' + line + b'\n{"b":2}\n'


def test_a_name_below_the_record_is_no_collision() -> None:
    data = b'{"a":{"id":1},"b":"\\"id\\"","c":"id"}\n'
    assert json.loads(splice(data, of({"id": 2}))) == {**json.loads(data), "id": 2}


def test_members_are_added_in_order() -> None:
    both = of({"a": 1}) + NO_MEMBERS + of({"b": 2})
    assert (both.names, both.text) == (("a", "b"), b'"a":1,"b":2')
    assert splice(b"{}\n", NO_MEMBERS) == b"{}\n"


def test_what_is_carried_is_put_into_each_record_of_a_page() -> None:
    carried = Members.of({"order_id": msgspec.Raw(b"12345678901234567890")})
    split = Shape("data", ["next"]).split(b'{"data": [{"a": 1}, {}], "next": "x"}', carried)
    assert split.lines[0].data == (
        b'{"a": 1,"order_id":12345678901234567890}\n{"order_id":12345678901234567890}\n'
    )
    assert (split.records, split.fields) == (2, {"next": "x"})


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'[{"id": 1}, {"id": 12345678901234567890123}]', 12345678901234567890123),
        (b'[{"id": "a\\u00e9"}]', "a\xe9"),
        (b'[{"id": {"n": 1}}]', {"n": 1}),
        (b"[{}]", None),
        (b"[7]", None),
        (b'[{"id": NaN}]', None),
        (b"[]", None),
    ],
)
def test_the_key_of_the_last_record(body: bytes, key: object) -> None:
    assert Shape(None, last="id").split(body).last == key
    assert Shape(None).split(body).last is None


def test_the_key_of_the_last_record_may_lie_deeper() -> None:
    assert Shape(None, last="node.id").split(b'[{"node": {"id": 1}}]').last == 1


def test_the_body_is_kept_where_asked_for() -> None:
    body = b'\xef\xbb\xbf[{"a": 1}]'
    assert Shape(None, keep_body=True).split(body).body == body
    assert Shape(None).split(body).body is None


def test_originals_are_kept_where_lines_differ_from_them() -> None:
    pretty = b'[{\n "a": 1.10\r\n}, 7]'
    lines = Shape(None, keep_originals=True).split(pretty).lines[0]
    assert (lines.data, lines.originals) == (b'{"a":1.10}\n7\n', (b'{\n "a": 1.10\r\n}', b"7"))
    carried = Members.of({"b": b"2"})
    lines = Shape(None, keep_originals=True).split(b'[{"a": 1}]', carried).lines[0]
    assert (lines.data, lines.originals) == (b'{"a": 1,"b":2}\n', (b'{"a": 1}',))
    assert Shape(None, keep_originals=True).split(b'[{"a": 1}]').lines[0].originals is None
    assert Shape(None).split(pretty).lines[0].originals is None
