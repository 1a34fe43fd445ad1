"""A format's decoder, with what the source knows of its files: the paths, and the window's end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import msgspec

from bronze_engine.contracts import Decoded, Decoder
from bronze_engine.model.block import Block, Reject
from bronze_engine.model.layout import Layout

__all__ = ["FilesDecoder"]


@final
class FilesDecoder:
    """Decodes as `inner` does. `paths` are those of the run's files, in order; `high` is the
    highest of their cursors."""

    def __init__(self, inner: Decoder, paths: Sequence[str], high: str | None) -> None:
        self._inner = inner
        self._paths = paths
        self._high = high

    @property
    def least_group_bytes(self) -> int:
        return self._inner.least_group_bytes

    def decode(self, blocks: Sequence[Block], layout: Layout | None, /) -> Decoded:
        decoded = self._inner.decode(blocks, layout)
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
        return msgspec.structs.replace(reject, file=self._paths[reject.page - 1])
