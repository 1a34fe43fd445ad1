"""Bodies that are no JSON document: lines of JSON, CSV, other charsets."""

from __future__ import annotations

import csv
import io
import json
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.http.delimited import CsvFormat
from bronze_engine.errors import ExtractError, PageError
from bronze_engine.sources.http.body import table
from bronze_engine.sources.http.body.blocks import BLOCK_BYTES, Members
from bronze_engine.sources.http.body.shape import Shape
from bronze_engine.sources.http.body.split import Split

pytestmark = pytest.mark.unit

MEBIBYTE = 1024**2


def lines_of(split: Split) -> list[bytes]:
    """The lines, with the places of blocks and of what is bad proved to fit together."""
    place = 0
    for lines in split.lines:
        assert lines.offset == place
        assert lines.data.count(b"\n") == lines.records
        assert lines.originals is None or len(lines.originals) == lines.records
        place += lines.records + len(lines.bad)
    assert place == split.records
    return [line for lines in split.lines for line in lines.data.split(b"\n")[:-1]]


def ndjson(body: bytes, **options: Any) -> Split:
    return Shape(None, form="ndjson", **options).split(body)


def rows_of(body: bytes, form: CsvFormat | None = None, **types: str) -> list[dict[str, Any]]:
    split = Shape(None, form="csv", csv=form, types=types).split(body)
    return [json.loads(line) for line in lines_of(split)]


# NDJSON


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1.10}\n{"a":[2]}\n',
        b'{"a":1.10}\n{"a":[2]}',
        b'{"a":1.10}\r\n{"a":[2]}\r\n',
        b'\n\n{"a":1.10}\n \t\r\n{"a":[2]}\n\n',
        b'\xef\xbb\xbf{"a":1.10}\n{"a":[2]}\n',
    ],
)
def test_ndjson_is_one_record_a_line(body: bytes) -> None:
    split = ndjson(body)
    assert lines_of(split) == [b'{"a":1.10}', b'{"a":[2]}']
    assert split.fields == {}


@pytest.mark.parametrize("body", [b"", b"\n", b" \n\r\n"])
def test_ndjson_may_hold_nothing(body: bytes) -> None:
    assert ndjson(body).lines == ()


@pytest.mark.parametrize("last", [b'{"a":1', b'{"a":', b'"x', b"{", b'{"a":1}}'])
def test_a_last_line_that_was_cut_off_is_an_error(last: bytes) -> None:
    with pytest.raises(ExtractError, match="the body was cut off"):
        ndjson(b'{"a":1}\n' + last)


def test_a_last_line_that_only_some_readers_take_is_whole() -> None:
    assert lines_of(ndjson(b'{"a":1}\n{"a":NaN}')) == [b'{"a":1}', b'{"a":NaN}']


def test_lines_that_are_no_json_are_left_to_the_decoder() -> None:
    assert lines_of(ndjson(b'{"a":1}\nnonsense\n7\n')) == [b'{"a":1}', b"nonsense", b"7"]


@given(
    records=st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=5), max_size=3)),
    end=st.sampled_from(["", "\n", "\r\n", "\n\n"]),
)
def test_ndjson_comes_out_as_it_went_in(records: list[dict[str, str]], end: str) -> None:
    texts = [json.dumps(record, ensure_ascii=False) for record in records]
    split = ndjson(("\n".join(texts) + end).encode())
    assert lines_of(split) == [text.encode() for text in texts]


def test_large_bodies_of_lines_are_cut_into_blocks() -> None:
    line = b'{"text":"' + b"x" * 1000 + b'"}\n'
    split = ndjson(line * 10_000)
    assert len(split.lines) == 3
    assert all(len(lines.data) < BLOCK_BYTES + 2000 for lines in split.lines)
    assert b"".join(lines.data for lines in split.lines) == line * 10_000
    assert len(lines_of(split)) == 10_000


def test_lines_carry_what_their_chain_gives_them_and_tell_their_last_key() -> None:
    shape = Shape(None, form="ndjson", last="id", keep_originals=True)
    split = shape.split(b'{"id":1}\n{"id":2}\n', Members.of({"p": b"7"}))
    assert lines_of(split) == [b'{"id":1,"p":7}', b'{"id":2,"p":7}']
    assert (split.last, split.lines[0].originals) == (2, (b'{"id":1}', b'{"id":2}'))


# Records that are no objects


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_values_land_in_a_column(form: Literal["json", "ndjson"]) -> None:
    values = [b"1.10", b'"x\\u00e9"', b"null", b"[1, 2]", b'{"a": 1}', b"NaN"]
    body = b"\n".join(values) if form == "ndjson" else b"[" + b", ".join(values) + b"]"
    shape = Shape(None, form=form, record_kind="value", keep_originals=True)
    split = shape.split(body)
    assert lines_of(split) == [b'{"value":' + value + b"}" for value in values]
    assert split.lines[0].originals == tuple(values)


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_elements_of_arrays_are_named(form: Literal["json", "ndjson"]) -> None:
    values = [b'[1.10, "x", null]', b"[]", b"[{}]", b"7", b"[1,2,3,4]", b'[NaN, "\\ud800"]']
    body = b"\n".join(values) if form == "ndjson" else b"[" + b", ".join(values) + b"]"
    shape = Shape(None, form=form, record_kind="array", record_keys=["t", 'p"', "q"], last="t")
    split = shape.split(body)
    assert lines_of(split) == [
        b'{"t":1.10,"p\\"":"x","q":null}',
        b"{}",
        b'{"t":{}}',
        b'{"t":NaN,"p\\"":"\\ud800"}',
    ]
    bad = [record for lines in split.lines for record in lines.bad]
    assert [record.raw for record in bad] == [b"7", b"[1,2,3,4]"]
    assert [record.reason for record in bad] == [
        'a number instead of an array, and record_kind is "array"',
        "4 elements, and record_keys names 3",
    ]
    assert [(lines.offset, lines.records) for lines in split.lines] == [(0, 3), (5, 1)]


def test_a_line_that_wrapping_would_make_json_is_bad() -> None:
    split = ndjson(b'1,"b":2\n{"a":1}}\n5\n', record_kind="value")
    assert lines_of(split) == [b'{"value":5}']
    assert [record.raw for lines in split.lines for record in lines.bad] == [
        b'1,"b":2',
        b'{"a":1}}',
    ]


def test_pretty_printed_values_are_wrapped_on_one_line() -> None:
    split = Shape(None, record_kind="value").split(b'[\n {\n "a": 1\n },\n 2\n]')
    assert lines_of(split) == [b'{"value":{"a":1}}', b'{"value":2}']


def test_wrapped_values_get_the_envelope_too() -> None:
    shape = Shape("v", record_kind="value", envelope={"at": "at"})
    assert lines_of(shape.split(b'{"v": [1], "at": 2}')) == [b'{"value":1,"at":2}']


# CSV


FIELD = st.text(
    st.sampled_from(list('ab0 ,;"\n\r\\\té€\U0001f600\x01')) | st.characters(codec="utf-8"),
    max_size=6,
).filter(lambda text: "\0" not in text)


@settings(deadline=None)  # Arrow's first table takes its time
@given(
    names=st.lists(st.text("abc d,", min_size=1, max_size=4), min_size=1, max_size=4, unique=True),
    data=st.data(),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_csv_is_what_pythons_reader_reads(
    names: list[str], data: st.DataObject, delimiter: str, end: str, quoting: Literal[0, 1]
) -> None:
    rows = data.draw(
        st.lists(st.lists(FIELD, min_size=len(names), max_size=len(names)), max_size=5)
    )
    if quoting == csv.QUOTE_MINIMAL:  # then it leaves a bare \r without quotes: no one's text
        rows = [[text.replace("\r", "") for text in row] for row in rows]
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerows([names, *rows])
    text = out.getvalue()
    found = rows_of(text.encode(), CsvFormat(delimiter=delimiter, null_values=[]))
    wanted = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))
    assert found == wanted == [dict(zip(names, row, strict=True)) for row in rows]


def test_a_table_of_what_csv_may_hold() -> None:
    body = (
        b"id,name,note\r\n"
        b'00123,"Smith, ""Jo""",\r\n'
        b'2,"two\nlines",""\r\n'
        b"\r\n"
        b" 3 ,back\\slash,\xc3\xa9\r\n"
        b'4,a"b,"c"d'
    )
    assert rows_of(body) == [
        {"id": "00123", "name": 'Smith, "Jo"', "note": None},
        {"id": "2", "name": "two\nlines", "note": ""},
        {"id": " 3 ", "name": "back\\slash", "note": "é"},
        {"id": "4", "name": 'a"b', "note": "cd"},
    ]


def test_typed_columns_hold_exactly_what_the_text_says() -> None:
    texts = [
        "1.10",
        "12345678901234567890123",
        "00123",
        "+5",
        " 7",
        "NaN",
        "-0.0",
        "1e400",
        "",
        "x",
    ]
    body = "a,b\n" + "".join(f"{text},y\n" for text in texts)
    for kind in ("int64", "double", "decimal(38,9)", "uint8", "epoch_ms"):
        shape = Shape(None, form="csv", types={"a": kind})
        assert lines_of(shape.split(body.encode())) == [
            f'{{"a":{text},"b":"y"}}'.encode()
            for text in (
                "1.10", "12345678901234567890123", '"00123"', '"+5"', '" 7"', '"NaN"', "-0.0",
                "1e400", "null", '"x"',
            )
        ]  # fmt: skip


def test_booleans_and_json_in_typed_columns() -> None:
    body = b'b,j\nTRUE,"{""a"": 1.10}"\nfalse,plain\nyes,"[1,\n2]"\n,""\n'
    split = Shape(None, form="csv", types={"b": "bool", "j": "json"}).split(body)
    assert lines_of(split) == [
        b'{"b":true,"j":{"a": 1.10}}',
        b'{"b":false,"j":"plain"}',
        b'{"b":"yes","j":[1,2]}',
        b'{"b":null,"j":""}',
    ]


def test_null_values_count_without_quotes_only() -> None:
    body = b'a,b\nNULL,"NULL"\n\\N,""\nx,\n'
    form = CsvFormat(null_values=["NULL", "\\N"])
    assert rows_of(body, form) == [
        {"a": None, "b": "NULL"},
        {"a": None, "b": ""},
        {"a": "x", "b": ""},
    ]


def test_columns_are_named_where_no_line_names_them() -> None:
    form = CsvFormat(columns=["a", "b"], delimiter="\t")
    assert rows_of(b"1\t2\n3\t4\n", form) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
    assert rows_of(b"", form) == []


def test_titles_above_the_names_are_skipped() -> None:
    body = b'Report "June\nall accounts\na,b\n1,2\n'
    assert rows_of(body, CsvFormat(skip_lines=2)) == [{"a": "1", "b": "2"}]
    with pytest.raises(ExtractError, match="no more than 9 lines"):
        rows_of(body, CsvFormat(skip_lines=9))


def test_quotes_are_text_where_nothing_is_quoted() -> None:
    assert rows_of(b'a,b\n"x,y"\n', CsvFormat(quote="")) == [{"a": '"x', "b": 'y"'}]
    assert rows_of(b"a,b\n'x,y',z\n", CsvFormat(quote="'")) == [{"a": "x,y", "b": "z"}]


@pytest.mark.parametrize("columns", [[], ["a", "b"]])
def test_rows_with_another_number_of_fields_are_bad(columns: list[str]) -> None:
    body = b'1,2\n3\n\n4,5,"6\n7"\n8,9\n10\n11,12\n'
    body = body if columns else b"a,b\n" + body
    split = Shape(None, form="csv", csv=CsvFormat(columns=columns)).split(body)
    assert [json.loads(line)["a"] for line in lines_of(split)] == ["1", "8", "11"]
    bad = [record for lines in split.lines for record in lines.bad]
    first = 2 if columns else 3
    assert [(record.reason, record.raw) for record in bad] == [
        (f"row {first} has 1 fields instead of 2", b"3"),
        (f"row {first + 1} has 3 fields instead of 2", b'4,5,"6\n7"'),
        (f"row {first + 3} has 1 fields instead of 2", b"10"),
    ]
    assert [(lines.offset, lines.records) for lines in split.lines] == [(0, 1), (3, 1), (5, 1)]


@pytest.mark.parametrize("body", [b'a,b\n1,"x\n2,y\n', b'a\n"x\ny', b'a,b\n1,2\n"'])
def test_a_quoted_field_without_an_end_is_an_error(body: bytes) -> None:
    with pytest.raises(ExtractError, match="a quoted field has no end"):
        rows_of(body)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "CSV begins with the names"),
        (b"\n\n", "CSV begins with the names"),
        (b"a,b,a\n1,2,3\n", 'the column "a" stands twice'),
        (b"<html><body>Sign in</body></html>", "the answer is HTML"),
        (b'<?xml version="1.0"?><a/>', "the answer is XML"),
        (b'{"error": "no such report"}', "the answer is JSON, not CSV"),
        (b'[{"a": 1}]', "the answer is JSON, not CSV"),
        (b"PK\x03\x04....", "zip archive"),
        (b"a\n\xff\n", "the body is no utf-8: byte 0xff at place 2 (line 2); set csv.encoding"),
    ],
)
def test_what_is_no_csv(body: bytes, text: str) -> None:
    with pytest.raises(ExtractError) as caught:
        rows_of(body)
    assert text in str(caught.value)


def test_the_content_type_tells_what_csv_is_not() -> None:
    shape = Shape(None, form="csv")
    for kind, text in [
        ("application/json", "JSON, not CSV"),
        ("text/html; charset=utf-8", "HTML"),
        ("application/soap+xml", "XML"),
    ]:
        with pytest.raises(ExtractError, match=text):
            shape.split(b"a,b\n1,2\n", content_type=kind)
    assert shape.split(b"a,b\n1,2\n", content_type="text/plain").records == 1


def test_csv_is_cut_into_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "BLOCK_BYTES", 4096)
    body = b"id,text\n" + b"".join(b"%d,%s\n" % (n, b"x" * (n % 90)) for n in range(2000))
    body += b"bad\n2000,x\n"
    split = Shape(None, form="csv").split(body)
    assert len(split.lines) > 10
    assert all(len(lines.data) < 8192 for lines in split.lines)
    rows = [json.loads(line) for line in lines_of(split)]
    assert [row["id"] for row in rows] == [str(n) for n in range(2001)]


def test_lines_of_csv_carry_what_their_chain_gives_them() -> None:
    shape = Shape(None, form="csv", last="id")
    split = shape.split(b"id\n1\n2\n", Members.of({"p": b"7"}))
    assert (lines_of(split), split.last) == ([b'{"id":"1","p":7}', b'{"id":"2","p":7}'], "2")
    with pytest.raises(PageError, match='a key "id" of their own'):
        shape.split(b"id\n1\n", Members.of({"id": b"7"}))


def test_a_csv_cell_of_many_megabytes_comes_out_whole() -> None:
    cell = "x" * (6 * MEBIBYTE)
    assert rows_of(f"a,b\n{cell},1\n2,3\n".encode())[0] == {"a": cell, "b": "1"}
    assert msgspec.json.decode(
        lines_of(Shape(None, form="csv").split(f'a\n"{cell}"\n'.encode()))[0]
    ) == {"a": cell}


# Charsets


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_json_in_other_charsets(charset: str, form: Literal["json", "ndjson"]) -> None:
    text = '{"a": "é€"}' if "utf" in charset else '{"a": "é"}'
    body = (f"[{text}]" if form == "json" else text).encode(charset)
    split = Shape(None, form=form).split(body, content_type=f"application/json; charset={charset}")
    assert lines_of(split) == [text.encode()]


def test_a_mark_tells_the_charset_too() -> None:
    assert lines_of(Shape(None).split("[1]".encode("utf-16"))) == [b"1"]
    assert rows_of("a\né\n".encode("utf-16")) == [{"a": "é"}]


def test_utf16_without_a_mark_begins_with_its_ascii() -> None:
    for order in ("le", "be"):
        split = Shape(None).split(
            f"[{7}]".encode(f"utf-16-{order}"), content_type="x; charset=utf-16"
        )
        assert lines_of(split) == [b"7"]


def test_json_that_is_utf8_is_that_whatever_its_header_says() -> None:
    body = '["é"]'.encode()
    for kind in ("a/b; charset=iso-8859-1", 'a/b;charset="UTF-8"', "a/b", "a/b; charset=binary"):
        assert lines_of(Shape(None).split(body, content_type=kind)) == ['"é"'.encode()]


def test_csv_is_of_the_charset_that_is_named() -> None:
    body = "a\né\n".encode("latin-1")
    shape = Shape(None, form="csv")
    split = shape.split(body, content_type="text/csv; charset=ISO-8859-1")
    assert lines_of(split) == ['{"a":"é"}'.encode()]
    assert rows_of(body, CsvFormat(encoding="cp1252")) == [{"a": "é"}]
    with pytest.raises(ExtractError, match="charset is 'binary', which is not known"):
        shape.split(body, content_type="text/csv; charset=binary")


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b'["\xe9"]', "a/b; charset=klingon", "charset is 'klingon', which is not known"),
        (b'["\xe9"]', "a/b; charset=hex", "charset is 'hex', which is not known"),
        (b"\xff\xfe[", "a/b", "the body is no utf-16"),
    ],
)
def test_a_charset_that_is_not_true(body: bytes, kind: str, text: str) -> None:
    with pytest.raises(ExtractError) as caught:
        Shape(None).split(body, content_type=kind)
    assert text in str(caught.value)


# What JSON was expected to be


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b"<html>", "", "the answer is HTML"),
        (b"  <!DOCTYPE html>", "", "the answer is HTML"),
        (b'<?xml version="1.0"?><r/>', "", "the answer is XML, which is not read"),
        (b"<feed/>", "application/atom+xml", "the answer is XML"),
        (b"a,b\n1,2\n", "text/csv", 'set format = "csv"'),
        (b'{"a":1}\n{"a":2}\n', "", 'set format = "ndjson"'),
        (b"PK\x03\x04", "application/zip", "zip archive"),
    ],
)
def test_what_came_in_place_of_json(body: bytes, kind: str, text: str) -> None:
    with pytest.raises(ExtractError) as caught:
        Shape("data").split(body, content_type=kind)
    assert text in str(caught.value)
