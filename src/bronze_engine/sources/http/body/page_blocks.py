"""A page that was split, as the blocks that a source hands on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from bronze_engine.model.block import Block, Reject
from bronze_engine.model.page import CapturedPage
from bronze_engine.model.window import Bounds
from bronze_engine.sources.http.body.split import Lines, Split

__all__ = ["blocks_of"]


def blocks_of(
    split: Split,
    *,
    page: int,
    as_of: datetime | None,
    bounds: Bounds | None = None,
    captured: CapturedPage | None = None,
) -> Iterator[Block]:
    """The blocks of one page, what is captured of it with the first of them."""
    lines = split.lines
    if captured is not None and not lines:
        lines = (Lines(b"", 0, 0),)
    for each in lines:
        yield Block(
            data=each.data,
            records=each.records,
            page=page,
            offset=each.offset,
            as_of=as_of,
            bounds=bounds,
            originals=each.originals,
            rejects=_rejects(each, page) if each.bad else (),
            captured=captured,
        )
        captured = None


def _rejects(lines: Lines, page: int) -> tuple[Reject, ...]:
    first = lines.offset + lines.records
    return tuple(
        Reject(reason=bad.reason, page=page, offset=offset, raw=bad.raw)
        for offset, bad in enumerate(lines.bad, first)
    )
