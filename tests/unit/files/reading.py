"""Files in memory, read as the source of files reads them: cut, decoded, folded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from bronze_engine.config.files.csv import CsvFiles
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.contracts import Decoded
from bronze_engine.decode.text.caster import TextColumns
from bronze_engine.model.block import Block, Reject
from bronze_engine.model.layout import Layout
from bronze_engine.sources.files.csv.decoder import CsvDecoder
from bronze_engine.sources.files.csv.dialect import Dialect
from bronze_engine.sources.files.csv.framing import Framing
from tests.unit.decode.rows import request, table


class ReadCsv:
    """What came of some CSV files, read one after the other."""

    def __init__(self, results: list[Decoded], layout: Layout | None) -> None:
        self.results = results
        self.layout = layout

    @property
    def rows(self) -> list[dict[str, Any]]:
        if self.layout is None:
            return []
        found: list[dict[str, Any]] = table(self.results, self.layout).to_pylist()
        return found

    @property
    def rejects(self) -> list[Reject]:
        return [reject for result in self.results for reject in result.rejects]

    @property
    def places(self) -> list[tuple[int | None, str, bytes]]:
        """Line, reason and bytes of each rejected record."""
        return [(each.line, each.reason, each.raw) for each in self.rejects]

    @property
    def types(self) -> dict[str, pa.DataType]:
        assert self.layout is not None
        return {field.name: field.type for field in self.layout.schema}


def read_csv(
    *files: bytes,
    piece: int = 1 << 20,
    block: int = 1 << 20,
    schema: SchemaConfig | None = None,
    base: Layout | None = None,
    settle: bool = False,
    **options: Any,
) -> ReadCsv:
    """Read files in pieces, a group a block; `settle` opens a data file with the first."""
    form = CsvFiles(**options)
    dialect = Dialect.of(form, ",")
    caster = TextColumns(request(schema=schema, base=base), form.types)
    decoder = CsvDecoder(form, dialect, caster)
    layout: Layout | None = None
    results: list[Decoded] = []
    for each in blocks_of(form, dialect, files, piece=piece, block=block):
        results.append(decoder.decode([each], layout))
        layout = results[-1].layout.settled() if settle else results[-1].layout
    return ReadCsv(results, layout and layout.settled())


def blocks_of(
    form: CsvFiles, dialect: Dialect, files: Sequence[bytes], *, piece: int, block: int
) -> Iterator[Block]:
    for number, data in enumerate(files, 1):
        framing = Framing(form, dialect, f"file{number}.csv", number, block_bytes=block)
        for start in range(0, len(data), piece):
            yield from framing.feed(data[start : start + piece])
        yield from framing.finish()
