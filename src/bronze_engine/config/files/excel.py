"""[….source.excel]: which cells of a workbook are rows."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bronze_engine.config.units import ByteSize

__all__ = ["ExcelFiles"]


class ExcelFiles(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sheets of each workbook (.xlsx, .xlsm, .xlsb, .xls, .ods), with the names of the columns
    above the rows. Rows without any value are passed over; formulas are what was last calculated.
    """

    sheet: str | Annotated[int, msgspec.Meta(ge=1)] = 1
    """Its name or its place, from 1; a name with `*` or `?` means all visible sheets that it
    fits, in their order."""
    sheet_column: str | None = None
    """A column that says which sheet a row is from."""
    range: str | None = None
    """The cells that count: "B3:F200", "B3:F", "B:F"."""
    header_row: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """The row with the names, as the sheet numbers its rows; where unset the first one that is
    not empty."""
    columns: list[str] = []
    """Names of the columns, where no row holds them."""
    skip_rows: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Rows after the names, or at the beginning where there are none, that are no records."""
    fill_merged: bool = False
    """Give the value of merged cells to each of them, and not to the first alone."""
    cell_errors: Literal["keep", "null"] = "keep"
    """What #N/A and its kin are: values that don't fit a column of numbers, or NULL. Only .xlsx
    and .xlsm tell; in others they are NULL."""
    max_sheet_bytes: ByteSize = ByteSize(256 * 1024**2)
    """Largest sheet that is read, unpacked: it is held in memory, in about three times that."""
