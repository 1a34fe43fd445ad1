"""Lines of a sheet as batches: as JSON, with the types that the sheet's cells have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import msgspec
import pyarrow as pa

from bronze_engine.contracts import Decoded, Decoder, Request
from bronze_engine.model.block import Block, Reject
from bronze_engine.model.layout import Layout
from bronze_engine.sources.files.excel.table import HINT

__all__ = ["ExcelDecoder"]


@final
class ExcelDecoder:
    """Decodes blocks of `Table.blocks`. Types of the configuration, and of columns that there
    are, go before what a sheet holds."""

    def __init__(self, request: Request, make: Callable[[Request], Decoder]) -> None:
        self._request = request
        self._make = make
        self._plain = make(request)
        base = request.base.columns() if request.base is not None else []
        self._known = {*request.schema.columns, *(column.key for column in base)}
        # Threads may race to make the same one, and either will do.
        self._made: dict[tuple[tuple[str, str], ...], Decoder] = {}

    @property
    def least_group_bytes(self) -> int:
        return self._plain.least_group_bytes

    def decode(self, blocks: Sequence[Block], layout: Layout | None, /) -> Decoded:
        """Decode one group; see `Decoder.decode`."""
        decoded = self._decoder(self._hints(blocks, layout)).decode(blocks, layout)
        refuse = decoded.refuse
        return msgspec.structs.replace(
            decoded,
            rejects=_with_rows(decoded.rejects),
            refuse=None
            if refuse is None
            else lambda places, reasons: _with_rows(refuse(places, reasons)),
        )

    def _hints(self, blocks: Sequence[Block], layout: Layout | None) -> tuple[tuple[str, str], ...]:
        columns = layout.columns() if layout is not None else []
        landed = {column.key for column in columns if not pa.types.is_null(column.type)}
        hints: dict[str, str] = {}
        for block in blocks:
            for field in block.batch.schema if block.batch is not None else ():
                if field.name not in self._known and field.name not in landed:
                    hints.setdefault(field.name, (field.metadata or {})[HINT].decode())
        return tuple(sorted(hints.items()))

    def _decoder(self, hints: tuple[tuple[str, str], ...]) -> Decoder:
        if not hints:
            return self._plain
        if hints not in self._made:
            schema = self._request.schema
            typed = msgspec.structs.replace(schema, columns={**dict(hints), **schema.columns})
            self._made[hints] = self._make(msgspec.structs.replace(self._request, schema=typed))
        return self._made[hints]


def _with_rows(rejects: Sequence[Reject]) -> tuple[Reject, ...]:
    """A sheet's rows are its lines."""
    return tuple(msgspec.structs.replace(reject, line=reject.offset + 1) for reject in rejects)
