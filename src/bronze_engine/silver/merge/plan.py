"""What goes into a merge, and what comes of it."""

from __future__ import annotations

from datetime import date
from typing import Literal, final

import msgspec
import pyarrow as pa

from bronze_engine.model.changes import ChangeCounts
from bronze_engine.model.part import DataFile
from bronze_engine.silver.merge.survivors import Survivors

__all__ = ["MergePlan", "News", "Output"]


@final
class News(msgspec.Struct, frozen=True, kw_only=True):
    """What a run takes in."""

    records: str
    """A relation with the records of `dates`."""
    dates: tuple[date, ...]
    """The run dates that are new, or were landed again."""
    back: tuple[date, ...] = ()
    """Those of them that the table has of a generation before: what came of that is taken back."""
    gone: tuple[date, ...] = ()
    """Dates that the table has and Bronze has no more."""
    snapshots: tuple[date, ...] = ()
    """All dates of Bronze that count, where they are snapshots."""


@final
class Output(msgspec.Struct, frozen=True, kw_only=True):
    """Rows for new files, which no other output's rows are in."""

    sql: str
    schema: pa.Schema
    kind: Literal["data", "deleted"]


@final
class MergePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the next generation is made of."""

    mode: Literal["append", "recompute", "rebuild"]
    kept: tuple[DataFile, ...]
    kept_departed: tuple[DataFile, ...]
    outputs: tuple[Output | Survivors, ...]
    current_rows: int
    """Of a full history: its current rows, after this."""
    anew_keys: int = 0
    """Keys for which Bronze was read again."""
    changes: ChangeCounts | None = None
    """Keys that came, that were written anew, and that are gone; None where all rows are made
    anew, and nobody has compared them. Of events without keys: rows that came and were taken back.
    """
