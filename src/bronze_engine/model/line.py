"""A record with its place, for whoever must say where a row came from."""

from __future__ import annotations

from typing import NamedTuple

from bronze_engine.model.block import Reject

__all__ = ["Line"]


class Line(NamedTuple):
    """One record with its place."""

    raw: bytes
    page: int
    offset: int
    place: int
    """Within the group, from 0."""
    line: int | None = None
    """Of a file: the record's first line there, from 1."""

    def reject(self, reason: str) -> Reject:
        return Reject(
            reason=reason, page=self.page, offset=self.offset, raw=self.raw, line=self.line
        )
