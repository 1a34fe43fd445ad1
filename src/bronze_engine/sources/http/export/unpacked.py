"""Files that are compressed by themselves, whatever the header says: orders.csv.gz."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

from bronze_engine.errors import ExtractError
from bronze_engine.sources.http.body.blocks import NO_MEMBERS, Members
from bronze_engine.sources.http.body.gunzip import CutGzip
from bronze_engine.sources.http.body.inflate import inflate
from bronze_engine.sources.http.body.split import Split
from bronze_engine.sources.http.fetch import Cutter

__all__ = ["Unpacked"]

_GZIP: Final = b"\x1f\x8b"
"""No text begins like that (RFC 1952)."""


@final
class Unpacked:
    """Cuts the body of a file as its source does, without gzip around it."""

    def __init__(self, shape: Cutter) -> None:
        self._shape = shape

    def read(
        self,
        chunks: Sequence[bytes],
        coding: str,
        limit_bytes: int,
        carried: Members = NO_MEMBERS,
    ) -> Split:
        body = inflate(chunks, coding, limit_bytes)
        if body.startswith(_GZIP):
            try:
                body = inflate([bytes(body)], "gzip", limit_bytes)
            except CutGzip as exc:
                raise ExtractError(f"the file is gzip, and {exc}; run again") from None
        return self._shape.read([bytes(body)], "", limit_bytes, carried)
