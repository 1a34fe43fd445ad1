"""Files of format "excel": the sheets of workbooks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import final

import pyarrow as pa

from bronze_engine.config.files.excel import ExcelFiles
from bronze_engine.contracts import Decoder, Emit, Request, Resources
from bronze_engine.model.block import Block
from bronze_engine.sources.files.excel.decoder import ExcelDecoder
from bronze_engine.sources.files.excel.table import Table
from bronze_engine.sources.files.excel.workbook import Workbook, excel_reader
from bronze_engine.sources.files.format import Content, FileInfo

__all__ = ["ExcelFormat"]


@final
class ExcelFormat:
    """How the workbooks of one pipeline are read. See `sources.files.format.Format`."""

    def __init__(self, form: ExcelFiles, request: Request, resources: Resources) -> None:
        """Raises ConfigError where the extra is not installed."""
        excel_reader()
        self._form = form
        self._workers = resources.workers
        self._tally = resources.tally
        self._decoder = ExcelDecoder(request, resources.json_decoder)
        base = request.base.columns() if request.base is not None else []
        self._types = {
            **{column.key: _word(column.type) for column in base if column.key is not None},
            **request.schema.columns,
        }

    async def read(self, content: Content, emit: Emit, /) -> None:
        """Raises ExtractError for what is no workbook, and for sheets that are not there."""
        warnings: list[str] = []
        async with (
            content.local() as path,
            self._workers.iterate(self._blocks(path, content.info, warnings)) as blocks,
        ):
            async for block in blocks:
                if block is not None:
                    await emit(block)
        for warning in warnings:
            self._tally.warn(warning)

    def decoder(self) -> Decoder:
        return self._decoder

    def _blocks(self, path: Path, info: FileInfo, warnings: list[str]) -> Iterator[Block | None]:
        book = Workbook(path, info.path, self._form)
        try:
            for name in book.wanted():
                sheet = book.sheet(name)
                table = Table(sheet, self._form, self._types, info.number, info.path)
                yield from table.blocks()
                warnings += table.warnings
        finally:
            book.close()


def _word(kind: pa.DataType) -> str:
    """How `schema.columns` names a type, of those that say how an instant is written."""
    return "timestamp(us)" if pa.types.is_timestamp(kind) else str(kind)
