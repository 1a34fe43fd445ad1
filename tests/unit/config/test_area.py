"""Cells by their names: ranges, rows and columns."""

from __future__ import annotations

import pytest

from bronze_engine.config.files.area import Area, column_letters, parse_area

pytestmark = pytest.mark.unit


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
