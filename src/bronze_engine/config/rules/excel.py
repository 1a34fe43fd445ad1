"""What a well-typed [….source.excel] may still get wrong."""

from __future__ import annotations

from collections.abc import Iterator

from bronze_engine.config.files.area import parse_area
from bronze_engine.config.files.excel import ExcelFiles
from bronze_engine.config.loading.fault import Fault, KeyPath

__all__ = ["excel_faults"]


def excel_faults(form: ExcelFiles, path: KeyPath) -> Iterator[Fault]:
    if form.sheet == "":
        yield Fault((*path, "sheet"), "is empty; write the sheet's name, or its place from 1")
    if form.max_sheet_bytes <= 0:
        yield Fault((*path, "max_sheet_bytes"), "must be above zero")
    if form.columns and form.header_row is not None:
        yield Fault((*path, "header_row"), "holds the names, and columns says them too")
    names = [*form.columns, form.sheet_column]
    twice = next((name for name in names if name is not None and names.count(name) > 1), None)
    if twice is not None:
        yield Fault((*path, "columns"), f"{twice!r} is the name of two columns")
    if "" in names:
        yield Fault((*path, "columns"), "a name is empty")
    if form.range is None:
        return
    try:
        area = parse_area(form.range)
    except ValueError as exc:
        yield Fault((*path, "range"), str(exc))
        return
    if form.header_row is not None and not area.top < form.header_row <= area.bottom:
        yield Fault((*path, "header_row"), f"is outside of range = {form.range!r}")
