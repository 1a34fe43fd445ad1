"""The records of rows that landed nowhere after all: found when a rule asks for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from bronze_engine.model.block import Block, Reject
from bronze_engine.model.line import Line

__all__ = ["refuse_lines"]


def refuse_lines(
    blocks: Sequence[Block],
    lines: Callable[[], Sequence[Line]],
    came: Callable[[], Sequence[int]],
    places: Sequence[int],
    reasons: Sequence[str],
) -> list[Reject]:
    """Rejects of some rows of a batch.

    `lines` are the records that rows were made of, `came` says which of them each row is.
    A record is what the source sent where the block has that, else its line.
    """
    records, rows = lines(), came()
    rejects = [
        records[rows[place]].reject(reason) for place, reason in zip(places, reasons, strict=True)
    ]
    if all(block.originals is None for block in blocks):
        return rejects
    originals: list[bytes | None] = []
    for block in blocks:
        originals += block.originals or [None] * block.records
    return [
        reject
        if (raw := originals[records[rows[place]].place]) is None
        else msgspec.structs.replace(
            reject, raw=raw, decoded=None if reject.raw == raw else reject.raw
        )
        for place, reject in zip(places, rejects, strict=True)
    ]
