"""Bodies of pages: cut apart without changing a digit, or refused with what is there instead."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.errors import ExtractError, PageError
from bronze_engine.sources.http.body.blocks import BLOCK_BYTES
from bronze_engine.sources.http.body.shape import Shape

pytestmark = pytest.mark.unit

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def records(shape: Shape, body: bytes) -> list[bytes]:
    split = shape.split(body)
    for lines in split.lines:
        assert lines.data.endswith(b"\n")
        assert lines.data.count(b"\n") == lines.records
    return [line for lines in split.lines for line in lines.data.splitlines()]


def test_a_list_is_cut_into_its_records_byte_for_byte() -> None:
    body = b'[{"a": 1.10}, 12345678901234567890123 ,"x", null, [1 , 2]]'
    assert records(Shape(None), body) == [
        b'{"a": 1.10}',
        b"12345678901234567890123",
        b'"x"',
        b"null",
        b"[1 , 2]",
    ]


def test_pretty_printed_records_become_one_line_each_with_every_digit() -> None:
    body = (
        b'{"data": [\r\n {\n  "a": 0.1000000000000000055511151231257827,\n'
        b'  "b": -1E+400, "c": 1.10,\n "d": "\\u00e9 \\n \xc3\xa9"\n }\n]}\n'
    )
    (line,) = records(Shape("data"), body)
    assert line == (
        b'{"a":0.1000000000000000055511151231257827,"b":-1E+400,"c":1.10,'
        b'"d":"\\u00e9 \\n \xc3\xa9"}'
    )


def test_invalid_utf8_and_duplicate_keys_are_left_for_the_decoder() -> None:
    body = b'{"data": [{"a": "\xff\xfe", "\xff": 1, "a": 2}], "\xff": 1}'
    assert records(Shape("data"), body) == [b'{"a": "\xff\xfe", "\xff": 1, "a": 2}']


def test_a_byte_order_mark_is_skipped() -> None:
    assert records(Shape(None), b"\xef\xbb\xbf[1]") == [b"1"]


def test_an_empty_list_is_zero_rows() -> None:
    split = Shape("data").split(b'{"data": []}')
    assert (split.lines, split.records) == ((), 0)


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("items", '{"data": [], "total": 3}', 'there are the keys "data", "total"'),
        ("data.items", '{"data": {"rows": []}}', 'no "items" in "data"'),
        ("data.items", '{"data": []}', 'leads through "data", which is a list'),
        ("data.items", '{"data": null}', 'leads through "data", which is null'),
        ("data.items", '{"data": 7}', "which is a number"),
        ("data", "[1]", "leads through the body, which is a list"),
        ("data", '{"data": {"id": 1}}', 'are an object with the keys "id", not a list'),
        ("data", '{"data": "x"}', "are a text, not a list"),
        ("data", '{"data": true}', "are a boolean, not a list"),
        (None, '{"data": [], "next": 1}', 'are an object with the keys "data", "next"'),
        (None, "7", "are a number"),
        (None, "{}", "are an object, not a list"),
        ("data", "{}", "no keys at all"),
        ("data", '{"data": null}', 'set null_records = "empty"'),
        (None, "null", 'set null_records = "empty"'),
        ("x", json.dumps(dict.fromkeys("abcdefghijklmnop")), "and 4 more"),
    ],
)
def test_records_that_are_not_there(path: str | None, body: str, text: str) -> None:
    with pytest.raises(PageError) as caught:
        Shape(path).split(body.encode())
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"ok": false, "error": "not_authed"}', "; the server says: not_authed"),
        ('{"errors": [{"detail": "no\\n such table"}]}', "; the server says: no such table"),
        ('{"status": 500, "message": "boom"}', "; the server says: boom"),
        ('{"error": null, "title": "Orders"}', ""),
        ('{"error": "%s"}' % ("x" * 201), ""),
    ],
)
def test_what_a_body_without_records_says_is_told(body: str, said: str) -> None:
    with pytest.raises(PageError) as caught:
        Shape("items").split(body.encode())
    _, _, end = caught.value.message.partition("there are the keys ")
    assert "".join(end.partition("; the server")[1:]) == said


@pytest.mark.parametrize(("path", "body"), [("data", b'{"data": null}'), (None, b"null")])
def test_null_is_zero_rows_where_configured(path: str | None, body: bytes) -> None:
    assert Shape(path, null_records="empty").split(body).records == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("items", '{"kind": "list"}'),
        ("data.items", "{}"),
        ("data.items", '{"data": {}}'),
        ("data.items", '{"data": null, "errors": []}'),
        ("$.data.items", '{"data": {}}'),
        ("$.entry[*].resource", '{"resourceType": "Bundle"}'),
    ],
)
def test_absence_is_zero_rows_where_configured(path: str, body: str) -> None:
    split = Shape(path, ("next",), absent_records="empty").split(body.encode())
    assert (split.records, split.is_missing) == (0, True)
    with pytest.raises(PageError):
        Shape(path).split(body.encode())


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("items", '{"error": {"code": 403}}', 'no "items" in the body'),
        ("data.items", '{"data": {}, "errors": ["x"]}', 'no "items" in "data"'),
        ("$.entry[*].resource", '{"error": "x"}', 'no "entry" in the body'),
        ("data.items", '{"data": [1]}', 'leads through "data", which is a list'),
        ("items", "[]", "leads through the body, which is a list"),
        ("items", '{"items": null}', "are null"),
        ("$.data.items", '{"data": 7}', 'no "items" in $.data; it is a number'),
    ],
)
def test_faults_are_no_absence(path: str, body: str, text: str) -> None:
    with pytest.raises(PageError) as caught:
        Shape(path, absent_records="empty").split(body.encode())
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("path", "body", "fault"),
    [
        ("d", '{"d": [1], "error": {"message": "cancelled", "n": NaN}}', '"error": cancelled'),
        ("d", '{"d": [], "errors": [{"detail": "no\\nrights"}]}', '"errors": no rights'),
        ("$.d[*].e[*]", '{"d": [{"e": [1]}], "error": "late"}', '"error": late'),
        ("d", '{"d": [1], "error": "%s"}' % ("x" * 300), '"error"'),
        ("d", '{"d": [1], "error": {"code": 0}, "errors": []}', ""),
        ("d", '{"d": [1], "error": null, "errors": ""}', ""),
        ("d", '{"d": [1], "error": "OK", "errors": "0"}', ""),
        ("errors", '{"errors": [{"message": "a record"}]}', ""),
        ("$.*", '{"error": [{"message": "a record"}]}', ""),
        (None, '[{"error": "a record\'s own"}]', ""),
    ],
)
def test_what_is_said_to_be_wrong_beside_the_records_is_found(
    path: str | None, body: str, fault: str
) -> None:
    assert Shape(path).split(body.encode()).fault == fault


def test_a_number_in_a_path_is_an_element_of_a_list() -> None:
    body = b'{"boards": [{"items": [{"id": 1}], "next": "c"}], "2": {"0": "d"}}'
    paths = ("boards.0.next", "boards.1.next", "boards.x.next", "2.0", "boards.0.items.00.id")
    split = Shape("$.boards[0].items", paths).split(body)
    assert split.fields == {"boards.0.next": "c", "2.0": "d", "boards.0.items.00.id": 1}


def test_an_error_that_the_configuration_reads_itself_is_no_fault() -> None:
    body = b'{"d": [{"id": 1}], "error": {"message": "x"}}'
    assert Shape("d", envelope={"said": "error.message"}).split(body).fault == ""
    assert Shape("d", ("error.message",)).split(body).fault == ""


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (None, ' {"id": 1.10, "lines": [{"n": 1}]} '),
        ("data", '{"data": {"id": 1.10, "lines": [{"n": 1}]}}'),
        ("$.data", '{"data": {"id": 1.10, "lines": [{"n": 1}]}}'),
        ("$", '{"id": 1.10, "lines": [{"n": 1}]}'),
    ],
)
def test_a_single_record_is_cut_out_byte_for_byte(path: str | None, body: str) -> None:
    split = records(Shape(path, single_record=True), body.encode())
    assert split == [b'{"id": 1.10, "lines": [{"n": 1}]}']


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        (None, "[]", "the record (the body itself) is a list, not an object"),
        ("$.data", '{"data": [1]}', "the record ($.data) is a list, not an object"),
        ("data", '{"data": 7}', "is a number, not an object"),
        ("data", '{"data": null}', 'set null_records = "empty"'),
        ("data", '{"error": 7}', 'no "data" in the body'),
    ],
)
def test_what_is_no_single_record(path: str | None, body: str, text: str) -> None:
    with pytest.raises(PageError) as caught:
        Shape(path, single_record=True).split(body.encode())
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "is empty"),
        (b" \r\n ", "is empty"),
        (b"<html>", "HTML"),
        (b"Bad Gateway", "no valid JSON"),
        (b'{"data": [1', "no valid JSON"),
        (b'{"data": [NaN], "x": nul}', "no valid JSON"),
        (b'{"data": [xInfinity]}', "no valid JSON"),
        (b'{"data": []} x', "no valid JSON"),
        (b'{"data": ["\n"]}', "no valid JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"data": [' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"]}", "nested too deeply"),
        (b'{"other": "x", "\xff": 1}', "a key is not UTF-8"),
        (b'{"other": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    ],
)
@pytest.mark.parametrize("fields", [(), ("next",)])
@pytest.mark.parametrize("path", ["data", None])
def test_what_is_no_json(path: str | None, fields: tuple[str, ...], body: bytes, text: str) -> None:
    with pytest.raises(ExtractError, match=text):
        Shape(path, fields).split(body)


ODD = [
    b'{"a": "\\ud800"}',
    b'{"a": "\\uDC00\\ud800\\ud83d\\ude00", "\\udfff": 1}',
    b'{"a": NaN, "b": -Infinity, "c": "NaN \\\\ud800 \\" Infinity"}',
]


@pytest.mark.parametrize("separator", [b", ", b",\r\n  "])
@pytest.mark.parametrize("path", ["data", "a.b", None])
def test_records_that_only_some_readers_take_are_cut_out_as_they_are(
    path: str | None, separator: bytes
) -> None:
    rows = [b'{"a": "\\ud83d\\ude00"}', *ODD, b"1"]
    body = b"[" + separator.join(rows) + b"]"
    if path is not None:
        # The first record stands in the envelope too: places count, not texts.
        where = b'"data": ' if path == "data" else b'"a": {"b": '
        body = b'{"next": NaN, "x": ' + ODD[0] + b", " + where + body
        body += b"}" if path == "data" else b"}}"
    shape = Shape(path, ["next", "x.a"] if path else [])
    got = records(shape, body)
    if separator == b", ":
        assert got == rows
    else:
        assert [row.replace(b" ", b"") for row in got] == [row.replace(b" ", b"") for row in rows]
    assert shape.split(body).fields == ({"next": None, "x.a": None} if path else {})


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": {"b": [{"b": 1, "b": 2}]}, "c": 1, "a": {"b": [2]}}',
        b'{"a": {"b": [1, 2], "b": []}}',
        b'{"a": {"b": [], "b": [1, 2]}}',
        b'{"a": {"b": [NaN], "b": [1, 2]}}',
    ],
)
def test_a_list_that_stands_twice_is_refused(body: bytes) -> None:
    with pytest.raises(PageError, match="stands twice in one object of the body"):
        Shape("a.b").split(body)


def test_the_name_of_the_list_may_stand_elsewhere() -> None:
    digits = b"9" * 5000
    body = (
        b'{"b": '
        + digits
        + b', "c": {"a": 2, "x": "\xff"}, "a": {"b": [{"b": 1, "b": 2}, 3], "a": "b"}}'
    )
    assert records(Shape("a.b"), body) == [b'{"b": 1, "b": 2}', b"3"]


@pytest.mark.parametrize("path", ["odata.list", "@odata.list"])
def test_a_member_whose_name_has_dots_is_found(path: str) -> None:
    for extra in (b"", b', "@odata": 7, "odata": {}'):
        body = b'{"' + path.encode() + b'": [1, 2], "@odata.nextLink": "/b"' + extra + b"}"
        split = Shape(path, ["@odata.nextLink"]).split(body)
        assert (split.records, split.fields) == (2, {"@odata.nextLink": "/b"})
    nested = b'{"odata": {"list": [1]}, "@odata": {"list": [1], "nextLink": "/c"}}'
    split = Shape(path, ["@odata.nextLink"]).split(nested)
    assert (split.records, split.fields) == (1, {"@odata.nextLink": "/c"})


def test_control_fields_are_exact() -> None:
    body = b"""{"items": [], "meta": {"next": 123456789012345678901234567890, "total": "12",
        "more": false, "none": null, "text": "a\\u00e9", "bad": "\xff"}}"""
    paths = [f"meta.{name}" for name in ("next", "total", "more", "none", "text", "bad", "gone")]
    assert Shape("items", paths).split(body).fields == {
        "meta.next": 123456789012345678901234567890,
        "meta.total": "12",
        "meta.more": False,
        "meta.none": None,
        "meta.text": "aé",
        "meta.bad": None,
    }


def test_a_control_field_below_the_records_has_no_value() -> None:
    split = Shape("items", ("items.total", "items")).split(b'{"items": [1]}')
    assert split.records == 1
    assert "items.total" not in split.fields


def test_a_control_field_below_something_else_has_no_value() -> None:
    for meta in (b"null", b"[1]", b"7", b"{}"):
        split = Shape("items", ("meta.next",)).split(b'{"meta": ' + meta + b', "items": [1]}')
        assert (split.records, split.fields) == (1, {})


@given(value=JSON, path=st.sampled_from(["a", "a.b", "b.a"]), indent=st.sampled_from([None, 1]))
def test_one_pass_and_level_by_level_agree(value: Any, path: str, indent: int | None) -> None:
    """Whatever the body is, the fast way gives what the exact way gives."""
    for body_value in (value, {"a": [value], "b": value}, {"a": {"b": [value, value]}}):
        body = json.dumps(body_value, indent=indent).encode()
        fast, slow = Shape(path, ("b.x", "x")), Shape(path, ("b.x", "x"))
        slow._document._one_pass = None
        outcomes: list[object] = []
        for shape in (fast, slow):
            try:
                outcomes.append(shape.split(body))
            except (PageError, ExtractError) as exc:
                outcomes.append(str(exc))
        assert outcomes[0] == outcomes[1]


@given(rows=st.lists(JSON, min_size=1), indent=st.sampled_from([None, 2]))
def test_records_come_out_as_they_went_in(rows: list[Any], indent: int | None) -> None:
    body = json.dumps({"data": rows}, indent=indent).encode()
    assert [json.loads(line) for line in records(Shape("data"), body)] == rows


def test_a_large_page_is_cut_at_record_ends() -> None:
    rows = [{"id": number, "text": "x" * (number % 5000)} for number in range(5000)]
    split = Shape(None).split(json.dumps(rows).encode())
    assert len(split.lines) > 2
    assert [lines.offset for lines in split.lines] == [
        sum(before.records for before in split.lines[:place]) for place in range(len(split.lines))
    ]
    assert all(len(lines.data) < BLOCK_BYTES + 6000 for lines in split.lines)
    lines = b"".join(part.data for part in split.lines).splitlines()
    assert [json.loads(line) for line in lines] == rows
    assert split.size_bytes == sum(len(part.data) for part in split.lines)


def test_a_record_larger_than_a_block_stays_whole() -> None:
    rows = ["x" * (BLOCK_BYTES + 1), "y", "z" * (BLOCK_BYTES + 1)]
    split = Shape(None).split(json.dumps(rows).encode())
    assert [lines.records for lines in split.lines] == [1, 2]


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb"])
def test_a_key_that_json_escapes_is_found_as_any_other(name: str) -> None:
    body = json.dumps({name: [1, 2], "next": "x"}).encode()
    split = Shape(name, ("next", f"meta.{name}")).split(body)
    assert (split.records, split.fields) == (2, {"next": "x"})
