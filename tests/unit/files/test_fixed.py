"""Fixed-width files: cut by place, told apart by code, put beside their parents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.errors import ExtractError, QualityError
from tests.unit.files.fixed_reading import read, rows

pytestmark = pytest.mark.unit

NAMES: dict[str, Any] = {"fields": [{"name": "id", "width": 4}, {"name": "name", "width": 6}]}
KINDS: dict[str, Any] = {
    "land": "detail",
    "carry": {"batch_date": "header.date"},
    "checks": [
        {"total": "trailer.count", "count": "detail"},
        {"total": "trailer.sum", "sum": "detail.amount"},
    ],
    "records": {
        "header": {
            "when": {"start": 1, "equals": "H"},
            "fields": [{"name": "date", "start": 2, "width": 8}],
        },
        "detail": {
            "when": {"start": 1, "equals": "D"},
            "fields": [
                {"name": "id", "start": 2, "width": 3},
                {"name": "amount", "width": 5, "scale": 2, "sign": "trailing"},
            ],
        },
        "trailer": {
            "when": {"start": 1, "equals": "T"},
            "fields": [
                {"name": "count", "start": 2, "width": 3},
                {"name": "sum", "width": 5, "scale": 2},
            ],
        },
    },
}
FILE = b"H20250101\nD0010100 \nD0020050-\nH20250102\nD0030001 \nT00300051\n"


def rejects(data: bytes, config: dict[str, Any]) -> list[tuple[int | None, bytes, str]]:
    found = read(data, config)[1].rejects
    return [(reject.line, reject.raw, reject.reason) for reject in found]


def test_fields_are_cut_by_place_trimmed_and_null_where_blank() -> None:
    data = b"0001Anna  \r\n0002      \n  03 B C  \n"
    assert rows(data, NAMES) == [("0001", "Anna"), ("0002", None), ("03", "B C")]


def test_untrimmed_fields_keep_their_blanks() -> None:
    assert rows(b"0001 Anna \n", {**NAMES, "trim": "none"}) == [("0001", " Anna ")]
    assert rows(b"0001 Anna \n", {**NAMES, "trim": "right"}) == [("0001", " Anna")]


def test_configured_texts_are_null_and_blanks_then_are_texts() -> None:
    config = {**NAMES, "null_values": ["9999"]}
    assert rows(b"9999Anna  \n0001      \n", config) == [(None, "Anna"), ("0001", "")]


def test_a_last_line_without_an_end_a_dos_end_and_blank_lines() -> None:
    expected = [("0001", "Anna"), ("0002", "Berta")]
    assert rows(b"0001Anna  \n\n0002Berta ", NAMES) == expected
    assert rows(b"\xef\xbb\xbf0001Anna  \n0002Berta \n\x1a", NAMES) == expected
    assert rows(b"title\n\n0001Anna  \n0002Berta \n", {**NAMES, "skip_lines": 2}) == expected


def test_short_and_long_lines_are_rejected_with_line_number_and_bytes() -> None:
    data = b"0001Anna  \n0002\n0003Caesar!\n0004Dora     \n"
    assert rejects(data, NAMES) == [
        (2, b"0002", "has 4 bytes instead of 10"),
        (3, b"0003Caesar!", "has 11 bytes instead of 10"),
    ]
    assert rows(data, NAMES) == [("0001", "Anna"), ("0004", "Dora")]


def test_short_lines_are_padded_and_long_ones_cut_where_asked() -> None:
    config = {**NAMES, "on_short": "pad", "on_long": "cut"}
    data = b"0001An\n02\n0003Caesar!\n"
    assert rows(data, config) == [("0001", "An"), ("02", None), ("0003", "Caesar")]


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ({"scale": 2}, "0012345", Decimal("123.45")),
        ({"scale": 2}, "      5", Decimal("0.05")),
        ({"scale": 2}, "-000500", Decimal("-5.00")),
        ({"scale": 2}, "  12.50", Decimal("12.50")),
        ({"scale": 7}, "1234567", Decimal("0.1234567")),
        ({"scale": 2, "sign": "trailing"}, "012345-", Decimal("-123.45")),
        ({"scale": 2, "sign": "trailing"}, "012345+", Decimal("123.45")),
        ({"scale": 2, "sign": "trailing"}, "012345 ", Decimal("123.45")),
        ({"scale": 2, "sign": "overpunch"}, "012345N", Decimal("-1234.55")),
        ({"scale": 2, "sign": "overpunch"}, "012345{", Decimal("1234.50")),
        ({"scale": 2, "sign": "overpunch"}, "000000}", Decimal("0.00")),
        ({"scale": 2, "sign": "overpunch"}, "012345t", Decimal("-1234.54")),
        ({"scale": 2, "sign": "overpunch"}, "0123456", Decimal("1234.56")),
        ({"sign": "leading"}, "-000012", "-12"),
        ({"pad": "0"}, "0000012", "12"),
        ({"pad": "0", "sign": "trailing"}, "000000-", "0"),
        ({"pad": "0", "sign": "trailing"}, "000120-", "-120"),
        ({"pad": "0"}, "0000000", "0"),
        ({"pad": "*"}, "**12***", "12"),
        ({"null_values": ["9999999"]}, "9999999", None),
        ({"scale": 2}, "       ", None),
    ],
)
def test_numbers_are_read_as_cobol_writes_them(
    field: dict[str, Any], text: str, expected: object
) -> None:
    config = {"fields": [{"name": "v", "width": 7, **field}]}
    assert rows(text.encode() + b"\n", config) == [(expected,)]


def test_a_number_that_is_none_is_kept_beside_its_column() -> None:
    config = {"fields": [{"name": "v", "width": 5, "scale": 2}]}
    _, decoded = read(b"00100\n12A45\n", config)
    assert decoded.batch.column("v").to_pylist() == [Decimal("1.00"), None]
    assert decoded.batch.column("v__variant").to_pylist() == [None, '"12A45"']


def test_types_are_those_of_the_schema() -> None:
    config = {"fields": [{"name": "d", "width": 10}, {"name": "n", "width": 5, "pad": "0"}]}
    found = rows(b"2025-01-3100042\n", config, types={"d": "date", "n": "int32"})
    assert found == [(date(2025, 1, 31), 42)]


def test_encodings_of_one_byte_a_character() -> None:
    text = "0001Müßig \n0002€uro  \n0003Anna  \n"
    expected = [("0001", "Müßig"), ("0002", "€uro"), ("0003", "Anna")]
    assert rows(text.encode("cp1252"), {**NAMES, "encoding": "cp1252"}) == expected
    data = text.replace("\n", "").replace("€", "E").encode("cp500")
    config = {**NAMES, "encoding": "cp500", "record_length": 10}
    assert rows(data, config) == [("0001", "Müßig"), ("0002", "Euro"), ("0003", "Anna")]


def test_bytes_that_are_no_character_are_rejected() -> None:
    data = b"0001M\xfcller\n0002\x81bad  \n"
    config = {**NAMES, "encoding": "cp1252"}
    assert rejects(data, config) == [
        (2, b"0002\x81bad  ", "has bytes that are no character in cp1252")
    ]
    assert rows(data, config) == [("0001", "Müller")]


def test_widths_of_utf8_count_bytes_or_characters() -> None:
    in_bytes = "0001Müßi\n0002Anna  \n".encode()
    assert rows(in_bytes, NAMES) == [("0001", "Müßi"), ("0002", "Anna")]
    in_characters = "0001Müßig \n0002日本語   \n0003😀\n0004Anna  \n".encode()
    config = {**NAMES, "widths": "characters", "on_short": "pad"}
    assert rows(in_characters, config) == [
        ("0001", "Müßig"),
        ("0002", "日本語"),
        ("0003", "😀"),
        ("0004", "Anna"),
    ]
    bad = "0001Müßig \n".encode() + b"0002\xff     \n"
    assert rejects(bad, config) == [
        (2, b"0002\xff     ", "has bytes that are no character in utf-8")
    ]


def test_a_field_that_ends_within_a_character_is_rejected() -> None:
    data = b"0001Anna  \n" + "0002abcdeü".encode()[:-1] + b"\n"
    ((line, raw, reason),) = rejects(data, NAMES)
    assert (line, raw) == (2, data.splitlines()[1])
    assert 'the field "name" is no UTF-8' in reason


def test_rows_may_have_their_lines_which_are_texts_then() -> None:
    config = {**NAMES, "on_long": "cut"}
    data = "0001Anna  ü\n".encode() + b"0002Berta \xfc\n"
    _, decoded = read(data, config, raw=True)
    assert decoded.batch.column("_raw").to_pylist() == ["0001Anna  ü"]
    assert [(reject.line, reject.raw) for reject in decoded.rejects] == [(2, b"0002Berta \xfc")]
    assert read(data, config)[1].batch.num_rows == 2


def test_records_without_line_ends_have_their_number() -> None:
    config = {**NAMES, "record_length": 10}
    _, decoded = read(b"0001Anna  0002\nert\n 0003", config)
    assert decoded.batch.column("name").to_pylist() == ["Anna", "\nert\n"]
    (reject,) = decoded.rejects
    assert (reject.offset, reject.line, reject.raw) == (2, None, b"0003")


def test_children_carry_what_their_parent_says() -> None:
    expected = [
        ("001", Decimal("1.00"), "20250101"),
        ("002", Decimal("-0.50"), "20250101"),
        ("003", Decimal("0.01"), "20250102"),
    ]
    assert rows(FILE, KINDS) == expected


@given(st.integers(3, 70))
@settings(max_examples=40, deadline=None)
def test_where_the_file_is_cut_into_chunks_does_not_matter(pieces: int) -> None:
    blocks, decoded = read(FILE, KINDS, pieces=pieces)
    _, whole = read(FILE, KINDS)
    assert decoded.batch.equals(whole.batch)
    assert b"".join(block.data for block in blocks) == FILE
    assert [block.offset for block in blocks] == [
        b"".join(block.data for block in blocks[:place]).count(b"\n")
        for place in range(len(blocks))
    ]


def test_a_child_without_a_usable_parent_is_rejected() -> None:
    config = {**KINDS, "checks": []}
    data = b"D0010100 \nH2025\nD0020050-\nH20250102\nD0030001 \nX\n"
    for pieces in (1 << 20, 10):
        _, decoded = read(data, config, pieces=pieces)
        assert decoded.batch.column("id").to_pylist() == ["003"]
        assert [(reject.line, reject.reason) for reject in decoded.rejects] == [
            (1, 'there is no usable "header" record before it'),
            (2, "has 5 bytes instead of 9"),
            (3, 'there is no usable "header" record before it'),
            (6, "is of no known kind: it has 'X', and there are 'H', 'D', 'T'"),
        ]


def test_records_of_no_kind_are_skipped_or_are_the_rest() -> None:
    data = b"#comment\nD1\nD2\n"
    detail = {"when": {"start": 1, "equals": ["D", "E"]}, "fields": [{"name": "v", "width": 2}]}
    config = {"land": "detail", "records": {"detail": detail}, "on_unknown": "skip"}
    assert rows(data, config) == [("D1",), ("D2",)]
    rest = {
        "comment": {"when": {"start": 1, "equals": "#"}},
        "detail": {"fields": detail["fields"]},
    }
    assert rows(data, {"land": "detail", "records": rest}) == [("D1",), ("D2",)]


@pytest.mark.parametrize(
    ("change", "values"),
    [
        ((b"T003", b"T004"), ["says 4", "detail came 3 times"]),
        ((b"00051\n", b"00052\n"), ["says 0.52", "adds up to 0.51"]),
        ((b"T003", b"Tabc"), ["says nothing that is a number"]),
        ((b"T00300051\n", b""), ['no "trailer" record']),
        ((b"D0030001 \n", b""), ["says 3", "detail came 2 times"]),
    ],
)
@pytest.mark.parametrize("pieces", [7, 1 << 20])
def test_a_trailer_that_differs_ends_the_run_with_both_values(
    change: tuple[bytes, bytes], values: Sequence[str], pieces: int
) -> None:
    with pytest.raises(QualityError) as caught:
        read(FILE.replace(*change), KINDS, pieces=pieces)
    for value in values:
        assert value in caught.value.message
    assert "inbox/file.txt" in caught.value.message


def test_totals_of_a_batch_begin_with_it() -> None:
    checks = [{"total": "trailer.count", "count": "detail", "since": "header"}]
    data = b"H20250101\nD0010100 \nT00100000\nH20250102\nD0020100 \nD0030100 \nT00200000\n"
    for pieces in (9, 1 << 20):
        _, decoded = read(data, {**KINDS, "checks": checks}, pieces=pieces)
        assert decoded.batch.num_rows == 3


@pytest.mark.parametrize("pieces", [7, 1 << 20])
@pytest.mark.parametrize(
    ("data", "since", "line"),
    [
        (FILE + b"D0040000 \n", None, 7),
        (FILE + b"H20250103\nD0040000 \n", None, 8),
        (b"H20250101\nT00000000\nH20250102\nD0010100 \n", "header", 4),
        (b"H20250101\nD0010100 \nH20250102\nD0020100 \nT00100100\n", "header", 2),
        (b"H20250101\nT00000000\nD0010100 \nH20250102\nT00000000\n", "header", 3),
    ],
)
def test_records_that_no_trailer_counts_end_the_run(
    data: bytes, since: str | None, line: int, pieces: int
) -> None:
    check = {"total": "trailer.count", "count": "detail"}
    if since is not None:
        check["since"] = since
    with pytest.raises(QualityError, match=f'line {line}: no "trailer" record .* counts') as caught:
        read(data, {**KINDS, "checks": [check]}, pieces=pieces)
    assert caught.value.code == "QUAL001"


def test_totals_since_the_last_of_their_own_kind_are_those_of_a_part() -> None:
    checks = [{"total": "trailer.count", "count": "detail", "since": "trailer"}]
    data = b"H20250101\nD0010100 \nT00100000\nD0020100 \nD0030100 \nT00200000\n"
    assert len(rows(data, {**KINDS, "checks": checks})) == 3


def test_a_line_without_an_end_is_no_fixed_width_file() -> None:
    with pytest.raises(ExtractError, match="record_length"):
        read(b"x" * (17 << 20), NAMES)


@given(
    st.lists(
        st.tuples(
            st.text("abcü€😀 ", min_size=0, max_size=5),
            st.integers(-(10**6), 10**6),
            st.booleans(),
        ),
        max_size=30,
    ),
    st.integers(3, 200),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(deadline=None, max_examples=150)
def test_what_a_plain_parser_reads(
    records: list[tuple[str, int, bool]], pieces: int, end: str
) -> None:
    """Against str slices, by characters, with numbers of two decimals."""
    lines = [
        f"{text:<5}{abs(number):08d}{'-' if number < 0 else ' '}{'x' if is_long else ''}"
        for text, number, is_long in records
    ]
    config = {
        "fields": [
            {"name": "text", "width": 5},
            {"name": "number", "width": 9, "scale": 2, "sign": "trailing"},
        ],
        "widths": "characters",
    }
    data = "".join(line + end for line in lines).encode()
    _, decoded = read(data, config, pieces=pieces) if data else ([], None)
    if decoded is None:
        return
    expected = [
        (text.strip() or None, Decimal(number).scaleb(-2))
        for text, number, is_long in records
        if not is_long
    ]
    batch = decoded.batch
    assert list(zip(*(c.to_pylist() for c in batch.columns), strict=True)) == expected
    assert batch.schema.field("number").type == pa.decimal128(9, 2)
    assert [reject.line for reject in decoded.rejects] == [
        place for place, (_, _, is_long) in enumerate(records, 1) if is_long
    ]
