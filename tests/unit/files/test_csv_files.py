"""What the options of [….source.csv] do, and what becomes of what can't be landed as it is."""

from __future__ import annotations

import codecs
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.files.csv import CsvFiles
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.errors import ExtractError, QualityError
from tests.unit.files.reading import read_csv

pytestmark = pytest.mark.unit


def test_every_value_is_the_text_that_stands_there() -> None:
    found = read_csv(b'id,"na me",zip,note\n1,"a ""b"", c",007,\n+2, x ,1e3,"two\nlines"\n')
    assert found.rows == [
        {"id": "1", "na me": 'a "b", c', "zip": "007", "note": None},
        {"id": "+2", "na me": " x ", "zip": "1e3", "note": "two\nlines"},
    ]
    assert set(found.types.values()) == {pa.string()}


@pytest.mark.parametrize("piece", [1, 3, 1000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_end_in_three_ways(end: bytes, piece: int) -> None:
    data = end.join([b"a,b", b"1,2", b"", b'"x' + end + b'y",3', b"4,5"])
    found = read_csv(data, piece=piece, block=8)
    assert [row["a"] for row in found.rows] == ["1", "x" + end.decode() + "y", "4"]
    assert found.rejects == []


def test_records_of_another_number_of_fields_are_rejected_with_line_and_bytes() -> None:
    data = b'a,b\n1,2\n3\n"x\ny",4\n\n5,"q\nr",6\n7,8\n'
    for block in (1, 12, 1000):
        found = read_csv(data, piece=5, block=block)
        assert [row["a"] for row in found.rows] == ["1", "x\ny", "7"]
        assert found.places == [
            (3, "1 fields instead of 2", b"3"),
            (7, "3 fields instead of 2", b'5,"q\nr",6'),
        ]
        assert [each.offset for each in found.rejects] == [2, 6]
        assert {each.page for each in found.rejects} == {1}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<!DOCTYPE html><html><body>Please log in</body></html>", "is HTML"),
        (b"\n<HTML>\n<p>404</p>\n</HTML>\n", "is HTML"),
        (b'<?xml version="1.0"?>\n<rows/>\n', "is XML"),
        (b'[{"id": 1}, {"id": 2}]', 'is JSON, not CSV; set format = "json"'),
        (b'{"id": 1}\n{"id": 2}\n', "is JSON"),
        (b"PAR1\x15\x04\xe9", 'is Parquet, not CSV; set format = "parquet"'),
        (b"ARROW1\0\0\xff\xff", "is Arrow"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "is an old workbook"),
        ("id,name\n1,a\n".encode("utf-16-le"), 'set csv.encoding = "utf-16-le"'),
        ("id,name\n1,a\n".encode("utf-16-be"), 'set csv.encoding = "utf-16-be"'),
    ],
)
def test_a_file_of_another_format_is_not_taken_for_names_without_rows(
    data: bytes, message: str
) -> None:
    with pytest.raises(ExtractError, match=message):
        read_csv(data)


def test_parquet_is_no_csv_of_an_encoding_that_takes_any_byte_either() -> None:
    with pytest.raises(ExtractError, match="is Parquet"):
        read_csv(b"PAR1\x15\x04\xe9\n", encoding="latin-1")


def test_names_and_values_that_begin_as_other_formats_do_are_read() -> None:
    assert read_csv(b"<id>,{name}\n1,2\n").rows == [{"<id>": "1", "{name}": "2"}]
    document = b'{"a": 1}|7\n'
    found = read_csv(document, delimiter="|", columns=["document", "id"])
    assert found.rows == [{"document": '{"a": 1}', "id": "7"}]
    titled = read_csv(b'{"made": "today"}\nid\n1\n', skip_lines=1)
    assert titled.rows == [{"id": "1"}]


def test_short_records_are_padded_where_that_is_asked_for() -> None:
    found = read_csv(b'a,b,c\n1\n2,3,4\n5,""\n6,7,8,9\n', on_ragged="pad")
    assert [tuple(row.values()) for row in found.rows] == [
        ("1", None, None),
        ("2", "3", "4"),
        ("5", "", None),
    ]
    assert found.places == [(5, "4 fields instead of 3", b"6,7,8,9")]


def test_a_quote_within_a_bare_text_is_a_character() -> None:
    found = read_csv(b'a,b\n5" pipe,"x"y\n2,3\n', block=1, piece=4)
    assert [tuple(row.values()) for row in found.rows] == [('5" pipe', "xy"), ("2", "3")]


def test_names_that_are_missing_double_or_alike_but_for_case() -> None:
    found = read_csv(b"id,,ID,id,column_2\n1,2,3,4,5\n")
    assert found.rows == [
        {"id": "1", "column_2_2": "2", "ID_2": "3", "id_2_2": "4", "column_2": "5"}
    ]


def test_files_with_other_columns_are_matched_by_name() -> None:
    found = read_csv(b"a,b\n1,2\n", b"b,c\n3,4\n", b"a\n5\n")
    assert found.rows == [
        {"a": "1", "b": "2", "c": None},
        {"a": None, "b": "3", "c": "4"},
        {"a": "5", "b": None, "c": None},
    ]


def test_new_columns_are_refused_where_the_contract_is_frozen() -> None:
    base = read_csv(b"a,b\n1,2\n").layout
    frozen = SchemaConfig(contract="freeze")
    assert read_csv(b"b,a\n1,2\n", schema=frozen, base=base).rows == [{"a": "2", "b": "1"}]
    with pytest.raises(QualityError, match="column 'c' is new"):
        read_csv(b"a,c\n1,2\n", schema=frozen, base=base)


def test_past_twenty_new_columns_values_go_to_one_as_json() -> None:
    later = ",".join(f"n{number}" for number in range(22))
    values = ",".join(str(number) for number in range(22))
    found = read_csv(b"a\n1\n", f"{later}\n{values}\n".encode(), settle=True)
    assert found.rows[1]["n19"] == "19"
    assert found.rows[1]["_extra"] == '{"n20":"20","n21":"21"}'
    assert found.rows[0]["_extra"] is None


@pytest.mark.parametrize("data", [b"a,b", b"a,b\n", b"a,b\r\n\r\n", codecs.BOM_UTF8 + b"a,b\n"])
def test_a_file_of_names_alone_has_columns_and_no_rows(data: bytes) -> None:
    found = read_csv(data)
    assert found.rows == []
    assert found.types == {"a": pa.string(), "b": pa.string()}


def test_an_empty_file_is_no_records() -> None:
    assert read_csv(b"").layout is None
    assert read_csv(b"\n\n").layout is None
    assert read_csv(b"", columns=["a"]).types == {"a": pa.string()}


def test_columns_name_files_without_a_line_of_names() -> None:
    found = read_csv(b"1,2\n3,4\n", columns=["x", "y"])
    assert found.rows == [{"x": "1", "y": "2"}, {"x": "3", "y": "4"}]


def test_titles_comments_and_footers_are_left_out_and_lines_counted() -> None:
    data = b'Report "of,\n\n# c1\na;b\n1;2\n# it\'s "x\n3\n#4\n5;6\nTOTAL;2\nend\n\n'
    for block in (1, 20, 1000):
        found = read_csv(
            data,
            piece=6,
            block=block,
            delimiter=";",
            skip_lines=1,
            comment="#",
            skip_footer=2,
        )
        assert [tuple(row.values()) for row in found.rows] == [("1", "2"), ("5", "6")]
        assert found.places == [(7, "1 fields instead of 2", b"3")]


def test_escapes_take_what_follows_literally() -> None:
    data = b'a,b\n"x\\"y",1\\,2\np\\\nq,"\\\\"\n'
    for block in (1, 1000):
        found = read_csv(data, piece=3, block=block, escape="\\")
        assert [tuple(row.values()) for row in found.rows] == [('x"y', "1,2"), ("p\nq", "\\")]


def test_quotes_may_mean_nothing() -> None:
    found = read_csv(b'a,b\n"1,2"\n', quote="")
    assert found.rows == [{"a": '"1', "b": '2"'}]
    odd = read_csv(b"a,b\n'x''y',2\n", quote="'", double_quotes=False)
    assert odd.rows == [{"a": "x'y'", "b": "2"}]


def test_what_means_null_does_so_without_quotes_alone() -> None:
    data = b'a,b\nNA,"NA"\n,""\n\\N,x\n'
    found = read_csv(data, null_values=["NA", "\\N"])
    assert [tuple(row.values()) for row in found.rows] == [(None, "NA"), ("", ""), (None, "x")]
    assert [tuple(row.values()) for row in read_csv(data).rows] == [
        ("NA", "NA"),
        (None, ""),
        ("\\N", "x"),
    ]
    kept = read_csv(b"a,b\n,1\n", null_values=[])
    assert kept.rows == [{"a": "", "b": "1"}]


def test_trim_cuts_blanks_before_null_is_looked_for() -> None:
    found = read_csv(b' a ,b\n  x\t,   \n"","y "\n', trim=True)
    assert found.rows == [{"a": "x", "b": None}, {"a": "", "b": "y"}]


def test_names_that_come_again_are_rejected_or_skipped() -> None:
    data = b"a,b\n1,2\na,b\na,3\n"
    found = read_csv(data)
    assert found.places == [(3, "the names again", b"a,b")]
    skipped = read_csv(data, repeated_header="skip")
    assert skipped.rejects == []
    assert skipped.rows == found.rows == [{"a": "1", "b": "2"}, {"a": "a", "b": "3"}]


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", None),
        ("utf-16-le", "utf-16"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", None),
        ("latin-1", "latin-1"),
        ("cp1252", "cp1252"),
        ("utf-8-sig", "cp1252"),
        ("cp037", "cp037"),
        ("shift_jis", "shift_jis"),
    ],
)
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_encodings_are_read_exactly(encoding: str, named: str | None, piece: int) -> None:
    word = "日本" if encoding == "shift_jis" else "Zoë"
    data = f"naïve,b\n{word},1\n".replace("ï", "i").encode(encoding)
    found = read_csv(data, piece=piece, block=1, encoding=named)
    assert found.rows == [{"naive": word, "b": "1"}]


@pytest.mark.parametrize(
    ("data", "encoding", "message"),
    [
        (b"a,b\n1,2\n3,\xe9\n", None, r"file1.csv is no utf-8: byte 0xe9 in line 3 \(.*\); mend"),
        (b"a\xff,b\n1,2\n", None, "byte 0xff in line 1"),
        (b"a\n\n\x81\n", "cp1252", "is no cp1252: byte 0x81 in line 3"),
        (b"a\n\xe9\n", "ascii", "is no ascii: byte 0xe9 in line 2"),
        ("a\n1\n".encode("utf-16-le") + b"\x00\xd8\x0a\x00", "utf-16-le", "in line 3"),
        ("a\n1\n".encode("utf-16-le")[:-1], "utf-16-le", "is no utf-16-le"),
    ],
)
@pytest.mark.parametrize("piece", [1, 1000])
def test_bytes_of_no_character_end_the_run(
    data: bytes, encoding: str | None, message: str, piece: int
) -> None:
    with pytest.raises(ExtractError, match=message):
        read_csv(data, encoding=encoding, piece=piece, block=1)


def test_a_quote_without_an_end_is_told_with_its_line() -> None:
    data = b'a,b\n1,2\n3,"x\n4,5\n'
    for block in (1, 1000):
        with pytest.raises(ExtractError, match="begins in line 3 has no end"):
            read_csv(data, piece=4, block=block)
    with pytest.raises(ExtractError, match="begins in line 3 has more than 100 bytes"):
        read_csv(data + b"6,7\n" * 100, piece=50, block=1, max_record_bytes=100)


def test_a_line_of_names_that_is_no_csv_ends_the_run() -> None:
    with pytest.raises(ExtractError, match="line with the names of the columns is no CSV"):
        read_csv(b"a" * 200_000 + b"\n1\n")


def test_raw_is_the_record_to_the_byte() -> None:
    data = b'a,b\r\n1,"x\r\n""y"\r\nbad\r\n2, z\r\n'
    found = read_csv(data, schema=SchemaConfig(raw=True))
    assert [row["_raw"] for row in found.rows] == ['1,"x\r\n""y"', "2, z"]


def test_a_row_that_breaks_a_rule_is_found_again() -> None:
    found = read_csv(b"a,b\n1,2\nbad\n3,x\n4,5\n", schema=typed(b="int64", on_drift="quarantine"))
    refuse = found.results[0].refuse
    assert refuse is not None
    again = refuse([1], ["too much"])
    assert [(each.line, each.reason, each.raw) for each in again] == [(5, "too much", b"4,5")]


def typed(on_drift: Any = "variant", **columns: str) -> SchemaConfig:
    return SchemaConfig(columns=columns, on_drift=on_drift)


def test_columns_are_typed_exactly_or_drift() -> None:
    schema = typed(n="int64", d="decimal(6,2)", t="timestamp", b="bool")
    data = b'n,d,t,b\n1,1.50,2025-01-15T10:00:00+02:00,TRUE\n007,1.005,2025-01-15,yes\n"",1e3,"",\n'
    found = read_csv(data, schema=schema)
    assert found.rows == [
        {
            "n": 1,
            "d": Decimal("1.50"),
            "t": datetime(2025, 1, 15, 8, tzinfo=UTC),
            "b": True,
            **dict.fromkeys(["n__variant", "d__variant", "t__variant", "b__variant"]),
        },
        {
            **dict.fromkeys(["n", "d", "t", "b"]),
            "n__variant": '"007"',
            "d__variant": '"1.005"',
            "t__variant": '"2025-01-15"',
            "b__variant": '"yes"',
        },
        {
            **dict.fromkeys(["n", "t", "b", "d__variant", "b__variant"]),
            "d": Decimal("1000.00"),
            "n__variant": '""',
            "t__variant": '""',
        },
    ]


def test_drift_rejects_or_fails_where_that_is_asked_for() -> None:
    data = b"n,m\n1,x\n2,3\nz,y\n"
    found = read_csv(data, schema=typed("quarantine", n="int64", m="int8"))
    assert found.rows == [{"n": 2, "m": 3}]
    assert found.places == [
        (2, "column 'm' (int8) can't hold 'x'", b"1,x"),
        (4, "column 'n' (int64) can't hold 'z'", b"z,y"),
    ]
    with pytest.raises(QualityError, match=r"'n' \(int64\) can't hold 'z', in line 4 of file 1"):
        read_csv(data, schema=typed("fail", n="int64"))


INFERRED = (
    b"id,price,rate,flag,day,at,zip,code,none\n"
    b"1,1.50,0.5,true,2025-01-15,2025-01-15T10:00:00Z,00123,1,\n"
    b"-2,20.00,2.0,false,2025-02-28,2025-01-16T10:00:00Z,1,x,\n"
)


def test_types_are_inferred_where_each_value_can_be_printed_again() -> None:
    found = read_csv(INFERRED, types="infer")
    assert found.types == {
        "id": pa.int64(),
        "price": pa.decimal128(18, 2),
        "rate": pa.float64(),
        "flag": pa.bool_(),
        "day": pa.date32(),
        "at": pa.timestamp("s", "UTC"),
        "zip": pa.string(),
        "code": pa.string(),
        "none": pa.string(),
    }
    assert found.rows[1]["price"] == Decimal("20.00")
    assert found.rows[1]["day"] == date(2025, 2, 28)


def test_later_values_of_an_inferred_column_drift() -> None:
    later = b"id,price,rate\n007,2.5,3\n7,3.25,0.25\n"
    found = read_csv(INFERRED, later, types="infer", settle=True)
    assert [row["id__variant"] for row in found.rows] == [None, None, '"007"', None]
    assert [row["price__variant"] for row in found.rows[2:]] == ['"2.5"', None]
    assert [row["rate__variant"] for row in found.rows[2:]] == ['"3"', None]
    assert found.rows[3]["id"] == 7


def test_known_columns_keep_their_types_whatever_is_inferred() -> None:
    base = read_csv(b"id,n\n1,x\n", types="infer").layout
    found = read_csv(b"id,n\nx,5\n", types="infer", base=base)
    assert found.rows == [{"id": None, "n": "5", "id__variant": '"x"'}]


def test_widen_makes_a_text_of_the_next_partition() -> None:
    schema = SchemaConfig(on_drift="widen")
    found = read_csv(b"n\n1\n", b"n\nx\n", types="infer", schema=schema, settle=True)
    assert found.layout is not None
    assert found.layout.columns()[0].wider is not None
    assert found.rows[1] == {"n": None, "n__variant": '"x"'}


VALUES = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.dates().map(str),
    st.datetimes().map(lambda each: each.isoformat(" ")),
    st.datetimes().map(lambda each: each.isoformat(timespec="milliseconds") + "Z"),
    st.sampled_from(["true", "false", "007", "-0", "+1", "1e3", "0x1F", "nan", "-0.0", "-0.00"]),
    st.sampled_from(["1.10", "1.1", ".5", "5.", "2.0", "2", "1_0", "\u0661", "0.00001", "1e-05"]),
    st.text(st.characters(exclude_characters='"\r\n,', codec="utf-8"), min_size=1, max_size=4),
)


@given(
    groups=st.lists(st.lists(VALUES, min_size=1, max_size=4), min_size=1, max_size=3),
    same=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_inferred_values_print_the_text_that_came(groups: list[list[str]], same: bool) -> None:
    if same:  # the values of one kind, so that something is inferred
        groups = [[groups[0][0]] * 2, *groups]
    files = [("v,w\n" + "".join(f'"{value}",x\n' for value in group)).encode() for group in groups]
    found = read_csv(*files, types="infer")
    kind = found.types["v"]
    wanted = [value for group in groups for value in group]
    for row, value in zip(found.rows, wanted, strict=True):
        variant = row.get("v__variant")
        landed = row["v"]
        if variant is not None:
            assert landed is None
            assert variant[1:-1] == value or "\\" in variant
        else:
            assert value in printed(landed, kind)


def printed(value: Any, kind: Any) -> tuple[str, ...]:
    """The text of a value, in the one way that its type has; of local times with T and without."""
    if isinstance(value, bool):
        return (str(value).lower(),)
    if isinstance(value, float):
        return (format(Decimal(repr(value)), "f"), repr(value))
    if isinstance(value, datetime):
        units = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}
        text = value.replace(tzinfo=None).isoformat(timespec=units[kind.unit])
        zone = "Z" if kind.tz else ""
        return (text + zone, text.replace("T", " ") + zone)
    return (str(value),)


def test_every_option_of_the_table_is_one_of_these_tests() -> None:
    """So that a new one is not forgotten."""
    assert set(CsvFiles.__struct_fields__) == {
        *("delimiter", "quote", "double_quotes", "escape", "comment", "columns", "skip_lines"),
        *("skip_footer", "null_values", "trim", "encoding", "types", "on_ragged"),
        *("repeated_header", "max_record_bytes"),
    }


@pytest.mark.parametrize("footer", [0, 1])
@pytest.mark.parametrize("options", [{}, {"escape": "\\"}, {"quote": ""}])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_a_record_past_the_limit_ends_the_run_whatever_the_pieces(
    piece: int, end: bytes, options: dict[str, Any], footer: int
) -> None:
    row = b"1," + b"x" * 48
    data = end.join([b"a,b", b"1,2", row, b"3,4", b"5,6", b""])
    for block in (1, 60, 1000):
        given: dict[str, Any] = {**options, "piece": piece, "block": block, "skip_footer": footer}
        assert len(read_csv(data, max_record_bytes=50, **given).rows) == 4 - footer
        with pytest.raises(ExtractError, match=r"begins in line 3 has more than 49 bytes"):
            read_csv(data, max_record_bytes=49, **given)
