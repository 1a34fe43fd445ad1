"""A sheet as a table: where its names stand, what its columns hold, its rows as lines of JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final, final

import msgspec
import pyarrow as pa

from bronze_engine.config.files.area import Area, column_letters, parse_area
from bronze_engine.config.files.excel import ExcelFiles
from bronze_engine.errors import ExtractError
from bronze_engine.model.block import Block
from bronze_engine.sources.files.excel.kinds import ColumnKind, plain
from bronze_engine.sources.files.excel.workbook import Sheet

__all__ = ["HINT", "Table"]

HINT: Final = b"bronze.type"
"""In the metadata of a block's fields: the type that the sheet's values have."""

_BLOCK_BYTES: Final = 256 * 1024
_STEP_ROWS: Final = 10_000


@final
class Table:
    """The records of one sheet. `types` are by column: those that are known already."""

    def __init__(
        self, sheet: Sheet, form: ExcelFiles, types: Mapping[str, str], number: int, label: str
    ) -> None:
        self._sheet = sheet
        self._form = form
        self._types = types
        self._number = number
        self._label = f"{label}, sheet {sheet.name!r}"
        self._area = Area() if form.range is None else parse_area(form.range)
        self._names: dict[int, str] = {}
        """By column, from 0 within the area; complete once the rows have been gone through."""
        self._is_named = False
        self.warnings: list[str] = []
        """What is odd about its names; complete with the last block."""

    def blocks(self) -> Iterator[Block | None]:
        """Blocks of lines that follow one another; None where only time has passed."""
        kinds: dict[int, ColumnKind] = {}
        records = 0
        for _, row in self._records():
            for column, value in enumerate(row):
                if value != "":
                    kinds.setdefault(column, ColumnKind()).see(value)
            if records % _STEP_ROWS == 0:
                yield None
            records += 1
        self._name_others(set(kinds))
        hints = {column: kind.type for column, kind in kinds.items()}
        schema = pa.schema(
            [
                pa.field(name, pa.string(), metadata={HINT: hint.encode()})
                for column, name in self._names.items()
                if (hint := hints.get(column)) is not None
            ]
        )
        if not records and self._names and not self._types.keys() & self._names.values():
            self.warnings.append(
                f"{self._label} has names and no row below them: its columns land with their first"
                " values. If that row is a record, name the columns with excel.columns"
            )
        yield from self._lines(pa.RecordBatch.from_pylist([], schema=schema), hints)

    def _lines(self, batch: pa.RecordBatch, hints: Mapping[int, str | None]) -> Iterator[Block]:
        days = {
            column
            for column, name in self._names.items()
            if self._types.get(name, hints.get(column)) != "timestamp(us)"
        }
        fixed = {}
        if self._form.sheet_column is not None:
            fixed[self._form.sheet_column] = self._sheet.name
        lines: list[bytes] = []
        size = first = 0
        for place, row in self._records():
            if lines and (place != first + len(lines) or size >= _BLOCK_BYTES):
                yield self._block(batch, lines, first)
                lines, size = [], 0
            if not lines:
                first = place
            record = {
                name: plain(row[column], day_alone=column in days) if column < len(row) else None
                for column, name in self._names.items()
            }
            for column in range(len(row)) if self._sheet.errors else ():
                error = self._sheet.errors.get((place, column + self._area.left))
                if error is not None and column in self._names:
                    record[self._names[column]] = error
            lines.append(msgspec.json.encode({**fixed, **record}))
            size += len(lines[-1])
        if lines:
            yield self._block(batch, lines, first)

    def _block(self, batch: pa.RecordBatch, lines: list[bytes], first: int) -> Block:
        return Block(
            data=b"\n".join(lines) + b"\n",
            batch=batch,
            records=len(lines),
            page=self._number,
            offset=first,
        )

    def _records(self) -> Iterator[tuple[int, list[Any]]]:
        """The rows that are records, each with its place in the sheet, from 0."""
        form = self._form
        has_names = bool(form.columns)
        to_skip = form.skip_rows
        header = None if form.header_row is None else form.header_row - 1
        if has_names and not self._is_named:
            self._names = dict(enumerate(form.columns))
        for place, row in self._cells():
            if not has_names:
                if header is not None and place < header:
                    continue
                if header is None and not self._has_values(place, row):
                    continue
                if not self._is_named:
                    self._names = self._named(row)
                has_names = True
            elif to_skip:
                to_skip -= 1
            elif self._has_values(place, row):
                yield place, row
        if not has_names and header is not None:
            raise ExtractError(
                f"{self._label} has no row {header + 1}, which excel.header_row names"
            )

    def _cells(self) -> Iterator[tuple[int, list[Any]]]:
        """The cells of the area, row by row."""
        area = self._area
        merged = self._sheet.merged() if self._form.fill_merged else []
        values: dict[tuple[int, int], Any] = {}
        for place, row in enumerate(self._sheet.rows()):
            for (top, left), (bottom, right) in merged:
                if top <= place <= bottom:
                    if place == top:
                        values[top, left] = row[left] if left < len(row) else ""
                    row[left : right + 1] = [values[top, left]] * (min(right + 1, len(row)) - left)
            if place >= area.bottom:
                return
            if place >= area.top:
                yield place, row[area.left : area.right]

    def _has_values(self, place: int, row: list[Any]) -> bool:
        if any(value != "" for value in row):
            return True
        errors, left = self._sheet.errors, self._area.left
        return bool(errors) and any((place, column + left) in errors for column in range(len(row)))

    def _named(self, row: list[Any]) -> dict[int, str]:
        """The names in a row: no two the same."""
        names: dict[int, str] = {}
        for column, value in enumerate(row):
            text = str(plain(value, day_alone=isinstance(value, date))) if value != "" else ""
            if text.strip():
                names[column] = self._unlike(text, names)
        return names

    def _unlike(self, text: str, names: Mapping[int, str]) -> str:
        name, number = text, 2
        taken = {*names.values(), self._form.sheet_column}
        while name in taken:
            name, number = f"{text}_{number}", number + 1
        if name != text:
            self.warnings.append(
                f"{self._label}: the column {text!r} stands there twice, and the second lands as"
                f" {name!r}; name them with excel.columns and excel.skip_rows"
            )
        return name

    def _name_others(self, columns: set[int]) -> None:
        """Columns with values below no name are called after their letter."""
        left, right = self._area.left, self._area.right
        errors = {column for _, column in self._sheet.errors if left <= column < right}
        columns |= {column - left for column in errors}
        for column in sorted(columns - self._names.keys()):
            name = f"column_{column_letters(column + left)}"
            self._names[column] = self._unlike(name, self._names)
        self._names = dict(sorted(self._names.items()))
        self._is_named = True
