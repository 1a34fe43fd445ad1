"""[….source.excel]: which cells of a workbook are rows."""

from __future__ import annotations

import msgspec

__all__ = ["ExcelFiles"]


class ExcelFiles(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sheet of each workbook, its first row the names of the columns."""

    sheet: str | None = None
    """Its name; where unset the first."""
