"""Workbooks that tests write, and the rows that are read of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import xlsxwriter

from bronze_engine.config.files.excel import ExcelFiles
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.contracts import Decoded, Request
from bronze_engine.decode.json import JsonDecoder
from bronze_engine.model.block import Block
from bronze_engine.model.layout import Layout
from bronze_engine.sources.files.excel.decoder import ExcelDecoder
from bronze_engine.sources.files.excel.table import Table
from bronze_engine.sources.files.excel.workbook import Workbook

Rows = list[dict[str, Any]]


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


def far_off(value: object) -> Callable[..., None]:
    """A cell at Z100."""

    def write(book: Any, sheet: Any, _row: int, _column: int) -> None:
        sheet.write(99, 25, value, book.add_format({"bold": True}))

    return write
