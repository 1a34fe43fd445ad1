"""A format's decoder, with what the source knows of its files: the paths, and the window's end."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import final

import msgspec
import pyarrow as pa

from bronze_engine.contracts import Decoded, Decoder, Refuse
from bronze_engine.errors import QualityError
from bronze_engine.model.arrow import Array
from bronze_engine.model.block import Block, Reject
from bronze_engine.model.layout import Layout
from bronze_engine.sources.files.advice import of_files

__all__ = ["FilesDecoder", "without_column"]


@final
class FilesDecoder:
    """Decodes as `inner` does. `paths` are those of the run's files, in order; `high` is the
    highest of their cursors; `column` is what the path of a row's file lands as, if at all."""

    def __init__(
        self, inner: Decoder, paths: Sequence[str], high: str | None, column: str | None
    ) -> None:
        self._inner = inner
        self._paths = paths
        self._high = high
        self._column = column

    @property
    def least_group_bytes(self) -> int:
        return self._inner.least_group_bytes

    def decode(self, blocks: Sequence[Block], layout: Layout | None, /) -> Decoded:
        if self._column is None:
            return self._known(self._decoded(blocks, layout))
        runs = [list(run) for _, run in groupby(blocks, key=lambda block: block.page)]
        parts = self._parts(runs, without_column(layout, self._column))
        return self._joined([run[0].page for run in runs], parts, self._column)

    def _decoded(self, blocks: Sequence[Block], layout: Layout | None) -> Decoded:
        """A format knows its files by number only: people know them by their paths."""
        try:
            return self._inner.decode(blocks, layout)
        except QualityError as exc:
            page = exc.context.get("page")
            if not isinstance(page, int):
                raise
            path = self._paths[page - 1]
            message = exc.message.replace(f" of file {page};", f" of {path};", 1)
            message = message.replace(f", on page {page} at record", f", in {path} at record", 1)
            raise QualityError(message, **{**exc.context, "file": path}) from exc.__cause__

    def _known(self, decoded: Decoded) -> Decoded:
        """With the paths of what was refused, and of what a rule will refuse."""
        rejects = tuple(map(self._located, decoded.rejects))
        refuse = decoded.refuse
        if refuse is None:
            return msgspec.structs.replace(decoded, high=self._high, rejects=rejects)
        of_rows = refuse  # for the closure, in which it is not None

        def located(places: Sequence[int], reasons: Sequence[str]) -> Sequence[Reject]:
            return list(map(self._located, of_rows(places, reasons)))

        return msgspec.structs.replace(decoded, high=self._high, rejects=rejects, refuse=located)

    def _located(self, reject: Reject) -> Reject:
        if reject.file is not None:
            return reject
        return msgspec.structs.replace(
            reject, file=self._paths[reject.page - 1], reason=of_files(reject.reason)
        )

    def _parts(self, runs: Sequence[Sequence[Block]], layout: Layout | None) -> list[Decoded]:
        """The blocks of each file decoded by themselves, all with one layout."""
        while True:
            parts: list[Decoded] = []
            for run in runs:
                parts.append(self._decoded(run, layout))
                layout = parts[-1].layout
            if all(part.layout.version == parts[-1].layout.version for part in parts):
                return parts

    def _joined(self, pages: Sequence[int], parts: Sequence[Decoded], column: str) -> Decoded:
        inner = parts[-1].layout
        if column in inner.schema.names:
            raise QualityError(
                f"source.file_column is {column!r}, and the files have a column of that name;"
                " choose another",
                column=column,
            )
        schema = inner.schema.append(pa.field(column, pa.string()))
        batches = []
        for page, part in zip(pages, parts, strict=True):
            rows = part.batch.num_rows
            path: Array = pa.array([self._paths[page - 1]], pa.string())
            paths = path.take(pa.repeat(pa.scalar(0, pa.int32()), rows))
            arrays: list[Array] = [*part.batch.columns, paths]
            batches.append(pa.RecordBatch.from_arrays(arrays, schema=schema))
        whole = pa.Table.from_batches(batches, schema).combine_chunks().to_batches()
        first = parts[0]
        if len(parts) > 1:
            first = msgspec.structs.replace(
                first,
                rejects=tuple(reject for part in parts for reject in part.rejects),
                special_values=sum(part.special_values for part in parts),
                refuse=_refuser(parts),
            )
        return self._known(
            msgspec.structs.replace(
                first,
                batch=whole[0] if whole else batches[0],
                layout=msgspec.structs.replace(inner, schema=schema),
            )
        )


def without_column(layout: Layout | None, column: str) -> Layout | None:
    """The layout without the column that the source itself adds, which is its last."""
    if layout is None or column not in layout.schema.names:
        return layout
    place = layout.schema.get_field_index(column)
    known = layout.known - 1 if place < layout.known else layout.known
    return msgspec.structs.replace(layout, schema=layout.schema.remove(place), known=known)


def _refuser(parts: Sequence[Decoded]) -> Refuse | None:
    """What knows the rows of several batches that have become one."""

    def refuse(places: Sequence[int], reasons: Sequence[str]) -> Sequence[Reject]:
        rejects: list[Reject] = []
        begin = 0
        asked = list(zip(places, reasons, strict=True))
        for part in parts:
            end = begin + part.batch.num_rows
            own = [(place - begin, reason) for place, reason in asked if begin <= place < end]
            if own and part.refuse is not None:
                at, why = zip(*own, strict=True)
                rejects += part.refuse(at, why)
            begin = end
        return rejects

    return None if any(part.refuse is None for part in parts) else refuse
