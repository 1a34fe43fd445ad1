"""Rows of CSV to the byte, against Python's reader."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.config.http.delimited import CsvFormat
from bronze_engine.errors import ExtractError
from bronze_engine.sources.http.body import table
from bronze_engine.sources.http.body.rows import row_texts
from bronze_engine.sources.http.body.shape import Shape

pytestmark = pytest.mark.unit

FIELDS = st.text('a,"\r\n;ë ', max_size=4)


def rows_of(text: str, **form: str) -> list[str]:
    settings = {"delimiter": ",", "quote": '"', **form}
    return [row.decode() for row in row_texts(text.encode(), **settings)]


def field(text: str, *, quotes: bool, delimiter: str) -> str:
    if quotes or any(each in text for each in f'"\r\n{delimiter}'):
        return '"' + text.replace('"', '""') + '"'
    return text


@given(
    st.lists(st.lists(FIELDS, min_size=2, max_size=3), max_size=4),
    st.sampled_from(["\r\n", "\n", "\r"]),
    st.booleans(),
    st.sampled_from([",", ";"]),
)
def test_each_row_holds_the_fields_that_were_written(
    rows: list[list[str]], end: str, quotes: bool, delimiter: str
) -> None:
    written = [
        delimiter.join(field(text, quotes=quotes, delimiter=delimiter) for text in row)
        for row in rows
    ]
    text = "".join(line + end for line in written)
    found = rows_of(text, delimiter=delimiter)
    assert found == written
    assert rows_of(text.removesuffix(end), delimiter=delimiter) == written
    read = csv.reader(io.StringIO("\n".join(found), newline=""), delimiter=delimiter)
    assert list(read) == rows


def test_empty_lines_are_no_rows() -> None:
    assert rows_of('\r\na,b\n\n"",\r\n\n') == ["a,b", '"",']
    assert rows_of("") == []


@pytest.mark.parametrize("text", ['a"b,c\n', '"a"b,c\n', 'a,b "c"\n', '"a" ,b\n', ' "a",b\n'])
def test_a_quote_that_readers_do_not_agree_on_is_refused(text: str) -> None:
    with pytest.raises(ExtractError, match="within a field"):
        rows_of(text)
    assert rows_of(text, quote="") == [text.rstrip("\n")]


def originals_of(body: str, **form: Any) -> list[bytes]:
    shape = Shape(None, form="csv", csv=CsvFormat(**form), keep_originals=True)
    split = shape.split(body.encode())
    found = [text for lines in split.lines for text in lines.originals or ()]
    assert len(found) == sum(lines.records for lines in split.lines)
    return found


def test_bad_rows_leave_the_others_with_their_own_text() -> None:
    body = 'id,name\n1,a\n2\n3,"b\nb"\n4,c,d\n5,\n'
    assert originals_of(body) == [b"1,a", b'3,"b\nb"', b"5,"]


def test_titles_and_given_names_are_no_rows() -> None:
    assert originals_of("report\n1;2\n", columns=["a", "b"], skip_lines=1, delimiter=";") == [
        b"1;2"
    ]


def test_blocks_of_a_large_body_have_the_text_of_their_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(table, "BLOCK_BYTES", 64)
    rows = [f'{number},"x, {number}"'.encode() for number in range(50)]
    assert originals_of("id,name\n" + b"\n".join(rows).decode()) == rows
