"""Workbooks: what the values of their cells become."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine.contracts import Request
from bronze_engine.decode.json import JsonDecoder
from bronze_engine.sources.files.excel.decoder import ExcelDecoder
from tests.unit.files.workbooks import blocks, formula, make, read, rows, shown

pytestmark = pytest.mark.unit

MOMENT = datetime(2024, 1, 2, 3, 4, 5, 678000)  # noqa: DTZ001  # Excel knows no zones


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plan.xlsx"


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


def test_days_are_counted_from_1904_where_the_workbook_says_so(path: Path) -> None:
    make(path, {"Plan": [["at"], [MOMENT]]}, date_1904=True)
    assert rows(path) == [{"at": MOMENT}]
