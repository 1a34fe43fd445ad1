"""Which cells lie outside of what a sheet says of its size."""

from __future__ import annotations

import random

import pytest

from bronze_engine.config.files.area import column_letters, parse_cell
from bronze_engine.sources.files.excel.extent import Extent

pytestmark = pytest.mark.unit

MOST = 1_000_000


def said(reference: str) -> Extent | None:
    return Extent.said(b'<sheet><dimension ref="%b"/><row>' % reference.encode(), MOST)


@pytest.mark.parametrize(
    ("reference", "cells"), [("A1", 1), ("A1:C12", 36), ("B2:B3", 2), ("A1:XFD1", 16384)]
)
def test_what_a_sheet_says(reference: str, cells: int) -> None:
    extent = said(reference)
    assert extent is not None
    assert extent.cells == cells


@pytest.mark.parametrize("reference", ["A1:XFD1048576", "", "x", "ABCD1", "A1:B99999999"])
def test_what_says_nothing_or_too_much(reference: str) -> None:
    assert said(reference) is None


def test_no_cell_that_is_not_found_makes_more_than_a_sheet_may_have() -> None:
    chance = random.Random(5)
    for _ in range(2_000):
        column, row = chance.randrange(16384), chance.randrange(1, 1_048_577)
        extent = said(f"A1:{column_letters(chance.randrange(800))}{chance.randrange(1, 9000)}")
        if extent is None:
            continue
        cell = f"{column_letters(column)}{row}"
        if not extent.is_left(b'<c r="%b"><v>' % cell.encode()):
            bottom, right = parse_cell(cell)
            assert (bottom + 1) * (right + 1) <= MOST


@pytest.mark.parametrize("cell", ["A1", "C12", "B7"])
@pytest.mark.parametrize("quote", ['"', "'"])
def test_cells_within_are_not_left(cell: str, quote: str) -> None:
    extent = said("A1:C12")
    assert extent is not None
    assert not extent.is_left(f"<row r={quote}12{quote}><c r={quote}{cell}{quote}>".encode())
    assert extent.is_left(f"<c r={quote}A100{quote}>".encode())
    assert extent.is_left(f"<c r={quote}AA1{quote}>".encode())
    assert extent.is_left(f"<c r={quote}D1{quote}>".encode())
    assert extent.is_left(f"<row r={quote}20{quote}>".encode())
