"""Which sheets of a workbook are read, and which of their cells are rows."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bronze_engine.config.files.excel import ExcelFiles
from bronze_engine.errors import ExtractError
from bronze_engine.sources.files.excel.table import Table
from bronze_engine.sources.files.excel.workbook import Workbook
from tests.unit.files.workbooks import blocks, make, read, rows

pytestmark = pytest.mark.unit


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plan.xlsx"


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


def test_empty_sheets_have_no_rows(path: Path) -> None:
    make(path, {"Plan": [], "Names": [["a", "b"]]})
    assert blocks(path, {}, {}) == []
    assert blocks(path, {"sheet": "Names"}, {}) == []


def test_names_without_a_row_are_warned_of_until_one_has_landed(path: Path) -> None:
    """With a type that nobody knows they would keep the next date's numbers out."""
    make(path, {"Plan": [["id", "name"], ["", ""]]})
    (told,) = warnings(path, {})
    assert told == (
        "inbox/plan.xlsx, sheet 'Plan' has names and no row below them: its columns land with"
        " their first values. If that row is a record, name the columns with excel.columns"
    )
    assert warnings(path, {"id": "int64"}) == []
    assert blocks(path, {}, {}) == []


def warnings(path: Path, types: dict[str, str]) -> list[str]:
    book = Workbook(path, "inbox/plan.xlsx", ExcelFiles())
    table = Table(book.sheet("Plan"), ExcelFiles(), types, 1, "inbox/plan.xlsx")
    assert list(table.blocks()) == []
    book.close()
    return table.warnings


def test_open_document_sheets_are_read(tmp_path: Path) -> None:
    path = tmp_path / "plan.ods"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", _MANIFEST)
        archive.writestr("content.xml", _ODS)
    assert rows(path) == [{"name": "a", "amount": 1.5}]


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


def test_a_sheet_that_says_less_than_it_has_is_read(path: Path, tmp_path: Path) -> None:
    make(path, {"Plan": [["a", "b"], *[[number, "x"] for number in range(200)]]})
    other = tmp_path / "other.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for part in old.namelist():
            data = re.sub(rb'dimension ref="[^"]*"', b'dimension ref="A1"', old.read(part))
            new.writestr(part, data)
    assert [row["a"] for row in rows(other)] == list(range(200))
