"""A workbook on local disk, and its sheets, as python-calamine reads them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final, final

from bronze_engine.config.files.excel import ExcelFiles
from bronze_engine.errors import ConfigError, ExtractError
from bronze_engine.sources.files.excel.package import DAMAGE, Package

__all__ = ["Sheet", "Workbook", "excel_reader"]

_NAMES_SHOWN: Final = 20
_CELL_BYTES: Final = 32
"""What the reader holds for each cell, filled or not (python-calamine 0.9)."""

Cell = Any
"""int, float, str, bool, date, datetime, time, timedelta; "" where there is none."""


def excel_reader() -> ModuleType:
    """python-calamine. Raises ConfigError where the extra is not installed."""
    try:
        return import_module("python_calamine")
    except ImportError as exc:
        raise ConfigError(
            'format = "excel" needs an extra: pip install "bronze-engine[excel]"'
        ) from exc


@final
class Sheet:
    """One sheet, read whole."""

    def __init__(self, name: str, held: Any, errors: dict[tuple[int, int], str]) -> None:
        self.name = name
        self._held = held
        self.errors = errors
        """Texts of error values (#N/A) by row and column, from 0."""

    def rows(self) -> Iterator[list[Cell]]:
        """The rows from the first of the sheet, each with its cells from the first column."""
        before = [""] * (self._held.start or (0, 0))[1]
        for row in self._held.iter_rows():
            yield before + row

    def merged(self) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """First and last cell of each range that is merged."""
        return list(self._held.merged_cell_ranges or ())


@final
class Workbook:
    """Reads one file. All methods block: they are jobs of a worker."""

    def __init__(self, path: Path, label: str, form: ExcelFiles) -> None:
        """Raises ExtractError for what is no workbook, or is protected by a password."""
        self._label = label
        self._form = form
        self._reader = excel_reader()
        self._package = Package(path)
        self._check_size("what its sheets share", self._package.shared_bytes)
        with self._translated():
            self._held = self._reader.load_workbook(path)
            self._package.verify()

    def close(self) -> None:
        self._held.close()

    def wanted(self) -> list[str]:
        """The names of the sheets that are read. Raises ExtractError where there is none."""
        names: list[str] = self._held.sheet_names
        wanted = self._form.sheet
        if isinstance(wanted, int):
            if wanted <= len(names):
                return [names[wanted - 1]]
            raise ExtractError(
                f"{self._label} has {len(names)} sheets, and excel.sheet is {wanted}; there are"
                f" {_listed(names)}"
            )
        if wanted in names:
            return [wanted]
        visible = [
            each.name
            for each in self._held.sheets_metadata
            if each.visible == self._reader.SheetVisibleEnum.Visible
        ]
        found = [name for name in visible if fnmatchcase(name, wanted)]
        if found:
            return found
        raise ExtractError(
            f"{self._label} has no sheet {wanted!r}; there are {_listed(names)}. Mend excel.sheet"
        )

    def sheet(self, name: str) -> Sheet:
        """Read one sheet. Raises ExtractError for one that is too large, or broken."""
        self._check_size(f"the sheet {name!r}", self._package.size_of(name))
        most = self._form.max_sheet_bytes * 3 // _CELL_BYTES
        with self._translated():
            try:
                cells = self._package.cells_of(name, most)
            except ValueError as exc:
                raise ExtractError(f"{self._label}: in the sheet {name!r} {exc}") from exc
        if cells > most:
            raise ExtractError(
                f"{self._label}: the sheet {name!r} is {cells:,} cells from its first to its last,"
                " each of which is held in memory; delete what stands far off, raise"
                " excel.max_sheet_bytes, or save it as CSV"
            )
        with self._translated():
            held = self._held.get_sheet_by_name(name)
        errors: dict[tuple[int, int], str] = {}
        if self._form.cell_errors == "keep":
            try:
                errors = self._package.errors_of(name)
            except ValueError as exc:
                raise ExtractError(
                    f"{self._label}: the sheet {name!r} has an error value that has no place:"
                    f' {exc}; set excel.cell_errors = "null"'
                ) from exc
        return Sheet(name, held, errors)

    def _check_size(self, what: str, size_bytes: int) -> None:
        if size_bytes > self._form.max_sheet_bytes:
            raise ExtractError(
                f"{self._label}: {what} has {size_bytes:,} bytes, and is held in memory; raise"
                " excel.max_sheet_bytes, or save it as CSV"
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """The reader's own errors as those of a source."""
        try:
            yield
        except self._reader.PasswordError as exc:
            raise ExtractError(
                f"{self._label} is protected by a password; save it without one"
            ) from exc
        except DAMAGE as exc:
            raise ExtractError(
                f"{self._label} is broken or was cut off: {exc}; fetch it again"
            ) from exc
        except self._reader.CalamineError as exc:
            if self._package.is_encrypted:
                raise ExtractError(
                    f"{self._label} is protected by a password; save it without one"
                ) from exc
            raise ExtractError(
                f"{self._label} is no workbook that can be read: {exc}; known are .xlsx, .xlsm,"
                " .xlsb, .xls and .ods"
            ) from exc


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    shown = ", ".join(map(repr, names[:_NAMES_SHOWN])) or "none"
    return f"{shown} and {more} more" if more > 0 else shown
