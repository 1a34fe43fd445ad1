"""Workbooks: which cells are rows, and what their values become."""

from __future__ import annotations

import io
import re
import struct
import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import xlsxwriter

from bronze_engine.config.files.area import Area, column_letters, parse_area
from bronze_engine.config.files.excel import ExcelFiles
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.config.units import ByteSize
from bronze_engine.contracts import Decoded, Request
from bronze_engine.decode.json import JsonDecoder
from bronze_engine.errors import ConfigError, ExtractError
from bronze_engine.model.block import Block
from bronze_engine.model.layout import Layout
from bronze_engine.sources.files.excel.decoder import ExcelDecoder
from bronze_engine.sources.files.excel.table import Table
from bronze_engine.sources.files.excel.workbook import Workbook, excel_reader

pytestmark = pytest.mark.unit

Rows = list[dict[str, Any]]
MOMENT = datetime(2024, 1, 2, 3, 4, 5, 678000)  # noqa: DTZ001  # Excel knows no zones


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plan.xlsx"


def make(path: Path, sheets: dict[str, list[list[Any]]], **options: Any) -> Path:
    """A workbook of these cells; a callable writes its cell itself."""
    with xlsxwriter.Workbook(
        path, {"default_date_format": "yyyy-mm-dd hh:mm:ss", **options}
    ) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for place, row in enumerate(rows):
                for column, value in enumerate(row):
                    if callable(value):
                        value(book, sheet, place, column)
                    elif value is not None:
                        sheet.write(place, column, value)
    return path


def formula(text: str, value: object) -> Callable[..., None]:
    return lambda _book, sheet, row, column: sheet.write_formula(row, column, text, None, value)


def shown(value: Any, form: str) -> Callable[..., None]:
    return lambda book, sheet, row, column: sheet.write(
        row, column, value, book.add_format({"num_format": form})
    )


def blocks(path: Path, config: dict[str, Any], types: dict[str, str]) -> list[Block]:
    form = ExcelFiles(**config)
    book = Workbook(path, "inbox/plan.xlsx", form)
    found: list[Block] = []
    for name in book.wanted():
        table = Table(book.sheet(name), form, types, 1, "inbox/plan.xlsx")
        found += [block for block in table.blocks() if block is not None]
    book.close()
    return found


def read(
    path: Path,
    types: dict[str, str] | None = None,
    base: pa.Schema | None = None,
    **config: Any,
) -> Decoded:
    request = Request(
        pipeline="t.p",
        system="t",
        entity="p",
        run_date=date(2025, 1, 1),
        run="r",
        load="full",
        started_at=datetime(2025, 1, 1, tzinfo=UTC),
        schema=SchemaConfig(columns=types or {}),
        base=None if base is None else Layout(version=1, schema=base),
    )
    return ExcelDecoder(request, JsonDecoder).decode(blocks(path, config, types or {}), None)


def rows(path: Path, **options: Any) -> Rows:
    found: Rows = read(path, **options).batch.to_pylist()
    return found


def test_values_have_the_types_of_their_cells(path: Path) -> None:
    header = ["whole", "part", "text", "flag", "at", "clock", "spent", "calculated"]
    values = [
        7,
        0.1 + 0.2,
        "007",
        True,
        MOMENT,
        shown(time(3, 4, 5), "hh:mm:ss"),
        shown(timedelta(hours=30, seconds=1), "[h]:mm:ss"),
        formula("=6*7", 42),
    ]
    make(path, {"Plan": [header, values, [8, 2, "a\nb", False, datetime(2024, 1, 3)]]})  # noqa: DTZ001
    found = read(path).batch
    assert found.to_pylist() == [
        {
            "whole": 7,
            "part": 0.3,  # xlsxwriter writes 16 digits, as Excel does
            "text": "007",
            "flag": True,
            "at": MOMENT,
            "clock": time(3, 4, 5),
            "spent": "30:00:01",
            "calculated": 42,
        },
        {
            "whole": 8,
            "part": 2.0,
            "text": "a\nb",
            "flag": False,
            "at": datetime(2024, 1, 3),  # noqa: DTZ001
            "clock": None,
            "spent": None,
            "calculated": None,
        },
    ]
    assert [str(field.type) for field in found.schema] == [
        "int64",
        "double",
        "string",
        "bool",
        "timestamp[us]",
        "time64[us]",
        "string",
        "int64",
    ]


def test_a_fraction_far_below_makes_the_whole_column_doubles(path: Path) -> None:
    make(path, {"Plan": [["n"], *([place] for place in range(30_000)), [0.5]]})
    found = read(path).batch.column("n")
    assert found.type == pa.float64()
    assert found[-2].as_py() == 29_999.0
    assert found[-1].as_py() == 0.5


def test_values_of_other_kinds_stand_beside_their_column(path: Path) -> None:
    make(path, {"Plan": [["n", "t"], ["none", "A1"], [1, 2], [2, "B"], [3, 4.5]]})
    assert rows(path) == [
        {"n": None, "t": "A1", "n__variant": '"none"'},
        {"n": 1, "t": "2", "n__variant": None},
        {"n": 2, "t": "B", "n__variant": None},
        {"n": 3, "t": "4.5", "n__variant": None},
    ]


def test_errors_are_values_that_do_not_fit_or_null(path: Path) -> None:
    sheet: list[list[Any]] = [
        ["n"],
        [1],
        [formula("=NA()", "#N/A")],
        [formula("=1/0", "#DIV/0!")],
        [2],
    ]
    make(path, {"Plan": sheet})
    assert [row["n__variant"] for row in rows(path)] == [None, '"#N/A"', '"#DIV/0!"', None]
    assert [row["n"] for row in rows(path)] == [1, None, None, 2]
    # A row with nothing else than errors is one without values then.
    assert [row["n"] for row in rows(path, cell_errors="null")] == [1, 2]


def test_configured_types_and_those_of_earlier_partitions_go_first(path: Path) -> None:
    day = datetime(2024, 1, 2)  # noqa: DTZ001
    make(path, {"Plan": [["d", "n", "t"], [day, 5, 1.5]]})
    typed = read(path, types={"d": "date", "n": "decimal(5,2)", "t": "string"}).batch
    assert [str(field.type) for field in typed.schema] == [
        "date32[day]",
        "decimal128(5, 2)",
        "string",
    ]
    assert [str(value) for value in typed.to_pylist()[0].values()] == ["2024-01-02", "5.00", "1.5"]
    kinds: list[Any] = [("d", pa.timestamp("us")), ("n", pa.float64()), ("t", pa.float64())]
    base = pa.schema(kinds)
    assert read(path, base=base).batch.to_pylist() == [{"d": day, "n": 5.0, "t": 1.5}]


def test_groups_of_a_sheet_are_decoded_with_the_layout_of_the_first(path: Path) -> None:
    make(path, {"Plan": [["at", "n"], *([MOMENT, place / 2] for place in range(6_000))]})
    found = blocks(path, {}, {})
    assert len(found) > 1
    request = Request(
        pipeline="t.p",
        system="t",
        entity="p",
        run_date=date(2025, 1, 1),
        run="r",
        load="full",
        started_at=datetime(2025, 1, 1, tzinfo=UTC),
    )
    decoder = ExcelDecoder(request, JsonDecoder)
    first = decoder.decode(found[:1], None)
    second = decoder.decode(found[1:], first.layout.settled())
    assert second.batch.schema.names == ["at", "n"]
    assert second.batch.column("n")[-1].as_py() == 5_999 / 2
    assert second.batch.column("at").null_count == 0


def test_the_names_may_stand_anywhere(path: Path) -> None:
    sheet: list[list[Any]] = [
        [None, "Report of January"],
        [],
        [None, "name", "amount", "note"],
        [None, "text", "EUR"],
        [None, "a", 1, "x"],
        [],
        [None, "b", 2],
        [None, "total", 3],
    ]
    make(path, {"Plan": sheet})
    expected = [{"name": "a", "amount": 1}, {"name": "b", "amount": 2}]
    assert rows(path, range="B3:C7", skip_rows=1) == expected
    by_row = rows(path, header_row=3, skip_rows=1)
    assert by_row[0] == {"name": "a", "amount": 1, "note": "x"}
    assert rows(path, range="B5:C7", columns=["name", "amount"]) == expected
    assert [block.offset for block in blocks(path, {"header_row": 3}, {})] == [3, 6]
    with pytest.raises(ExtractError, match="no row 99"):
        read(path, header_row=99)


def test_names_that_stand_twice_or_nowhere(path: Path) -> None:
    make(path, {"Plan": [["a", "a", 2024, None, None], [1, 2, 3, None, 5]]})
    assert rows(path) == [{"a": 1, "a_2": 2, "2024": 3, "column_E": 5}]


def test_sheets_are_chosen_by_name_place_or_pattern(path: Path) -> None:
    def hide(_book: Any, sheet: Any, row: int, column: int) -> None:
        sheet.hide()
        sheet.write(row, column, "v")

    sheets: dict[str, list[list[Any]]] = {
        "Jan 24": [["v"], [1]],
        "Feb 24": [["v"], [2]],
        "Old 24": [[hide], [3]],
        "Notes": [["text"]],
    }
    make(path, sheets)
    assert rows(path) == [{"v": 1}]
    assert rows(path, sheet=2) == [{"v": 2}]
    assert rows(path, sheet="Old 24") == [{"v": 3}]
    assert rows(path, sheet="* 24", sheet_column="month") == [
        {"month": "Jan 24", "v": 1},
        {"month": "Feb 24", "v": 2},
    ]
    with pytest.raises(ExtractError, match="no sheet 'Mar 24'; there are 'Jan 24', 'Feb 24'"):
        read(path, sheet="Mar 24")
    with pytest.raises(ExtractError, match=r"has 4 sheets, and excel\.sheet is 5"):
        read(path, sheet=5)


def test_merged_cells_give_their_value_once_or_to_each(path: Path) -> None:
    def merge(_book: Any, sheet: Any, row: int, column: int) -> None:
        sheet.merge_range(row, column, row + 1, column, "north")

    make(path, {"Plan": [["region", "n"], [merge, 1], [None, 2], ["south", 3]]})
    assert [row["region"] for row in rows(path)] == ["north", None, "south"]
    assert [row["region"] for row in rows(path, fill_merged=True)] == ["north", "north", "south"]


def test_days_are_counted_from_1904_where_the_workbook_says_so(path: Path) -> None:
    make(path, {"Plan": [["at"], [MOMENT]]}, date_1904=True)
    assert rows(path) == [{"at": MOMENT}]


def test_empty_sheets_have_no_rows(path: Path) -> None:
    make(path, {"Plan": [], "Names": [["a", "b"]]})
    assert blocks(path, {}, {}) == []
    assert blocks(path, {"sheet": "Names"}, {}) == []


def test_a_sheet_that_is_too_large_is_not_read(path: Path) -> None:
    make(path, {"Plan": [["a"], *([place] for place in range(1000))]})
    with pytest.raises(ExtractError, match=r"the sheet 'Plan' has .* excel\.max_sheet_bytes"):
        read(path, max_sheet_bytes=ByteSize(10_000))
    make(path, {"Plan": [["a"], *([f"text {place}"] for place in range(1000))]})
    with pytest.raises(ExtractError, match=r"what its sheets share has .*max_sheet_bytes"):
        read(path, max_sheet_bytes=ByteSize(10_000))


def far_off(value: object) -> Callable[..., None]:
    """A cell at Z100."""

    def write(book: Any, sheet: Any, _row: int, _column: int) -> None:
        sheet.write(99, 25, value, book.add_format({"bold": True}))

    return write


def test_a_cell_far_off_is_told_and_no_memory_taken_for_those_between(path: Path) -> None:
    most = ByteSize(10_000)
    make(path, {"Plan": [["a"], [1], [far_off("x")]]})
    with pytest.raises(ExtractError, match=r"'Plan' is 2,600 cells from its first to its last"):
        read(path, max_sheet_bytes=most)
    make(path, {"Plan": [["a"], [1], [far_off(None)]]})  # formatted, and empty
    assert read(path, max_sheet_bytes=most).batch.to_pylist() == [{"a": 1}]


def test_what_is_no_workbook_is_told(path: Path) -> None:
    for data in (b"", b"a,b\n1,2\n", b"PK\x03\x04no archive", _archive(b"text")):
        path.write_bytes(data)
        with pytest.raises(ExtractError, match=r"plan\.xlsx is no workbook that can be read"):
            read(path)
    make(path, {"Plan": [["a"], [1]]})
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"PK\x01\x02", b"PK\x09\x09", 1))
    with pytest.raises(ExtractError, match="is no workbook"):
        read(path)
    path.write_bytes(whole[:3000])
    with pytest.raises(ExtractError, match="is no workbook"):
        read(path)


def test_a_password_is_told(path: Path) -> None:
    path.write_bytes(_compound_file("EncryptedPackage", "EncryptionInfo"))
    with pytest.raises(ExtractError, match="protected by a password; save it without one"):
        read(path)


def test_open_document_sheets_are_read(tmp_path: Path) -> None:
    path = tmp_path / "plan.ods"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", _MANIFEST)
        archive.writestr("content.xml", _ODS)
    assert rows(path) == [{"name": "a", "amount": 1.5}]


def test_without_the_extra_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(ConfigError, match=r'pip install "bronze-engine\[excel\]"'):
        excel_reader()


@pytest.mark.parametrize(
    ("text", "area"),
    [
        ("B3:F200", Area(top=2, bottom=200, left=1, right=6)),
        ("$B$3:f", Area(top=2, left=1, right=6)),
        ("AA:AB", Area(left=26, right=28)),
    ],
)
def test_ranges_of_cells(text: str, area: Area) -> None:
    assert parse_area(text) == area


@pytest.mark.parametrize("text", ["", "B3", "F:B", "B5:F3", "B0:F3", "3:5"])
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(ValueError, match=r"range|cell"):
        parse_area(text)


def test_columns_have_letters() -> None:
    assert [column_letters(place) for place in (0, 25, 26, 701, 702)] == [
        "A",
        "Z",
        "AA",
        "ZZ",
        "AAA",
    ]


def _archive(data: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("a.txt", data)
    return held.getvalue()


def _compound_file(*streams: str) -> bytes:
    """The least compound file ([MS-CFB]) with these streams, all empty."""
    free, end, fat = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    header = struct.pack(
        "<8s16sHHHHH6xIIIIIIIIII",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"",
        0x3E,
        3,
        0xFFFE,
        9,
        6,
        0,
        1,
        1,
        0,
        4096,
        end,
        0,
        end,
        0,
        0,
    )
    header += struct.pack("<108I", *([free] * 108))
    table = struct.pack("<128I", fat, end, *([free] * 126))
    entries = b""
    for name, kind in (("Root Entry", 5), *((stream, 2) for stream in streams)):
        text = (name + "\0").encode("utf-16-le")
        child = 1 if kind == 5 else free
        right = 2 if name == streams[0] and len(streams) > 1 else free
        entries += struct.pack(
            "<64sHBBIII16sIQQIQ", text, len(text), kind, 1, free, right, child, b"", 0, 0, 0, end, 0
        )
    return header + table + entries.ljust(512, b"\0")


_MANIFEST = """<?xml version="1.0"?>
<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>
"""
_ODS = """<?xml version="1.0"?>
<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:spreadsheet>
<table:table table:name="Plan"><table:table-row><table:table-cell
 office:value-type="string"><text:p>name</text:p
></table:table-cell><table:table-cell office:value-type="string"><text:p>amount</text:p
></table:table-cell></table:table-row
><table:table-row><table:table-cell office:value-type="string"><text:p>a</text:p></table:table-cell
><table:table-cell office:value-type="float" office:value="1.5"><text:p>1.5</text:p
></table:table-cell></table:table-row
></table:table></office:spreadsheet></office:body></office:document-content>
"""


@pytest.mark.parametrize("said", [b"A1", b"A1:B3", b"C1:A9"])
def test_a_cell_outside_of_what_a_sheet_says_of_itself_is_found(
    path: Path, tmp_path: Path, said: bytes
) -> None:
    """The reader goes by the cells, and asks for memory for all that lie between."""
    make(path, {"Plan": [["a"], [1], [far_off("x")]]})
    other = tmp_path / "other.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for part in old.namelist():
            data = re.sub(rb'dimension ref="[^"]*"', b'dimension ref="%b"' % said, old.read(part))
            new.writestr(part, data)
    with pytest.raises(ExtractError, match="cells from its first to its last"):
        rows(other, max_sheet_bytes=ByteSize(10_000))


def test_a_sheet_that_says_less_than_it_has_is_read(path: Path, tmp_path: Path) -> None:
    make(path, {"Plan": [["a", "b"], *[[number, "x"] for number in range(200)]]})
    other = tmp_path / "other.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for part in old.namelist():
            data = re.sub(rb'dimension ref="[^"]*"', b'dimension ref="A1"', old.read(part))
            new.writestr(part, data)
    assert [row["a"] for row in rows(other)] == list(range(200))


def altered(path: Path, part: str) -> None:
    """One bit of the checksum of a part is another: what it holds is no longer what it says."""
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        crc = archive.getinfo(part).CRC
    at = data.rindex(crc.to_bytes(4, "little"))  # in the list of members, which readers go by
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("errors", ["keep", "null"])
@pytest.mark.parametrize(
    "part", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/styles.xml"]
)
def test_a_part_with_a_wrong_checksum_lands_nothing(path: Path, part: str, errors: str) -> None:
    """The reader of workbooks does not look at them."""
    make(path, {"Plan": [["a"], ["x"]]})
    altered(path, part)
    with pytest.raises(ExtractError, match=f"broken or was cut off: Bad CRC-32 for file '{part}'"):
        rows(path, cell_errors=errors)


def test_a_sheet_that_is_not_read_may_be_broken(path: Path) -> None:
    make(path, {"Plan": [["a"], ["x"]], "Notes": [["b"]]})
    altered(path, "xl/worksheets/sheet2.xml")
    assert rows(path) == [{"a": "x"}]


def test_what_only_the_reader_of_workbooks_understands_is_left_to_it(
    path: Path, tmp_path: Path
) -> None:
    make(path, {"Plan": [["a"], ["x"]]})
    other = tmp_path / "other.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for part in old.namelist():
            data = old.read(part)
            new.writestr(part, data.replace(b"UTF-8", b"UTF-0") if "workbook" in part else data)
    assert rows(other) == [{"a": "x"}]
