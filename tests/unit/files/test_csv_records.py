"""Where records end, said three ways: by counting quotes, by the expression, and by Arrow."""

from __future__ import annotations

import csv
import io
from typing import Literal

import pyarrow as pa
import pyarrow.csv as pv
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bronze_engine.config.files.csv import CsvFiles
from bronze_engine.sources.files.csv.dialect import Dialect
from bronze_engine.sources.files.csv.records import (
    count_lines,
    last_end,
    records,
    without_comments,
)
from tests.unit.files.reading import read_csv

pytestmark = pytest.mark.unit

PLAIN = Dialect(delimiter=b",")
DIALECTS = st.sampled_from(
    [
        PLAIN,
        Dialect(delimiter=b";", quote=b""),
        Dialect(delimiter=b",", double_quotes=False),
        Dialect(delimiter=b",", escape=b"\\"),
        Dialect(delimiter=b"\t", quote=b"'", escape=b"\\", double_quotes=False),
        Dialect(delimiter=b",", comment=b"#"),
    ]
)
BYTES = st.lists(
    st.sampled_from([b"a", b"b,", b",", b";", b"\t", b'"', b'""', b"'", b"\n", b"\r\n", b"\r"])
    | st.sampled_from([b"\\", b"#", b'"x\ny"', b'"x""y",', b"\n#", b"\n\n", "é".encode()]),
    max_size=30,
).map(b"".join)


def parsed(data: bytes, dialect: Dialect) -> list[list[str | None]]:
    """Each record as Arrow reads it, whatever its number of fields."""
    bad: list[tuple[int, list[str]]] = []

    def keep(row: pv.InvalidRow) -> Literal["skip"]:
        bad.append((row.number or 0, [row.text]))
        return "skip"

    options = pv.ParseOptions(
        delimiter=dialect.delimiter.decode(),
        quote_char=dialect.quote.decode() or False,
        double_quote=dialect.double_quotes,
        escape_char=dialect.escape.decode() or False,
        newlines_in_values=True,
        invalid_row_handler=keep,
    )
    if not data.strip(b"\r\n"):
        return []
    names = ["a", "b"]
    table = pv.read_csv(
        pa.BufferReader(data),  # type: ignore[arg-type]  # any input file will do
        read_options=pv.ReadOptions(
            use_threads=False, column_names=names, block_size=len(data) + 1
        ),
        parse_options=options,
        convert_options=pv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )
    good = iter(zip(*(column.to_pylist() for column in table.columns), strict=True))
    odd = dict(bad)
    return [
        list(odd[number]) if number in odd else list(next(good))
        for number in range(1, table.num_rows + len(bad) + 1)
    ]


@given(data=BYTES, dialect=DIALECTS)
@example(data=b'""\n"a\n', dialect=PLAIN)
@example(data=b'a"\n"\n', dialect=PLAIN)
@example(data=b'"a\r', dialect=PLAIN)
@settings(max_examples=200, deadline=None)
def test_counting_quotes_finds_the_ends_that_the_expression_finds(
    data: bytes, dialect: Dialect
) -> None:
    ends = [each.end for each in records(data, dialect, is_last=False)]
    assert last_end(data, dialect) == (ends[-1] if ends else 0)


@given(data=BYTES, dialect=DIALECTS, hold=st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_records_held_back_are_those_that_are_not_blank(
    data: bytes, dialect: Dialect, hold: int
) -> None:
    ends = [
        each.end
        for each in records(data, dialect, is_last=False)
        if data[each.start : each.end].strip(b"\r\n")
    ]
    assert last_end(data, dialect, hold=hold) == (ends[-hold - 1] if len(ends) > hold else 0)


@given(data=BYTES, dialect=DIALECTS)
@settings(max_examples=200, deadline=None)
def test_each_record_alone_reads_as_it_does_among_the_others(data: bytes, dialect: Dialect) -> None:
    found = list(records(data, dialect, is_last=True))
    whole = without_comments(data[: found[-1].end] if found else b"", dialect)
    apart = [
        row
        for start, end, is_comment in found
        if not is_comment
        for row in parsed(data[start:end], dialect)
    ]
    assert parsed(whole, dialect) == apart
    assert count_lines(whole) == sum(count_lines(data[each.start : each.end]) for each in found)
    assert sum(
        bool(data[e.start : e.end].strip(b"\r\n")) for e in found if not e.is_comment
    ) == len(apart)


TEXTS = st.text(st.sampled_from('ab,"\n\r;é\0 \U0001f600'), max_size=6)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(TEXTS, min_size=width, max_size=width), max_size=12)
)


@given(
    rows=TABLES,
    written=st.sampled_from(
        # Python writes a lone \r without quotes where it is no part of the line end.
        [(csv.QUOTE_ALL, "\n"), (csv.QUOTE_ALL, "\r\n"), (csv.QUOTE_MINIMAL, "\r\n")]
    ),
    piece=st.integers(1, 40),
    block=st.integers(1, 60),
)
@settings(max_examples=150, deadline=None)
def test_what_python_writes_comes_back_however_it_is_cut(
    rows: list[list[str]], written: tuple[int, str], piece: int, block: int
) -> None:
    width = len(rows[0]) if rows else 1
    names = [f"c{place}" for place in range(width)]
    text = io.StringIO(newline="")
    quoting, end = written
    csv.writer(text, quoting=quoting, lineterminator=end).writerows([names, *rows])  # type: ignore[arg-type]
    found = read_csv(text.getvalue().encode(), piece=piece, block=block, null_values=[])
    assert found.rejects == []
    assert [list(row.values()) for row in found.rows] == rows


@given(rows=TABLES, piece=st.integers(1, 40), block=st.integers(1, 60))
@settings(max_examples=100, deadline=None)
def test_an_unquoted_nothing_is_null_and_a_quoted_one_is_a_text(
    rows: list[list[str]], piece: int, block: int
) -> None:
    width = len(rows[0]) if rows else 1
    wanted = [[None if text == "a" else text for text in row] for row in rows]
    lines = [",".join(f"c{place}" for place in range(width))]
    lines += [
        ",".join("" if text is None else '"' + text.replace('"', '""') + '"' for text in row)
        for row in wanted
    ]
    found = read_csv(("\n".join(lines) + "\n").encode(), piece=piece, block=block)
    if width == 1:  # a line without anything is no record
        wanted = [row for row in wanted if row != [None]]
    assert [list(row.values()) for row in found.rows] == wanted


def test_csv_files_are_of_the_rfc_where_nothing_is_said() -> None:
    assert Dialect.of(CsvFiles(), ",") == PLAIN
    assert Dialect.of(CsvFiles(), "\t").delimiter == b"\t"
    assert Dialect.of(CsvFiles(delimiter="|", quote="", comment="--"), ",") == Dialect(
        delimiter=b"|", quote=b"", comment=b"--"
    )
