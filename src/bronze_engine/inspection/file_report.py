"""What an inspection of files found. None of it holds a secret."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bronze_engine.inspection.columns import Column, Cursor
from bronze_engine.inspection.file_kind import NamedDate

__all__ = ["FileInspection"]


class FileInspection(msgspec.Struct, frozen=True, kw_only=True):
    """What files hold, and the configuration that lands them."""

    pipeline: str
    location: str
    files: int
    size_bytes: int
    """Of all of them, as they are stored."""
    oldest: datetime | None
    newest: datetime | None
    """When they were modified, where their place tells."""
    looked_at: tuple[str, ...]
    format: str
    compression: str
    members: int | None
    """Of the first archive, those that match."""
    facts: dict[str, str]
    """What else was seen: delimiter, quote, encoding, where records are, sheets."""
    rows: int
    """That were looked at."""
    columns: tuple[Column, ...]
    sample: tuple[tuple[str, ...], ...]
    primary_key: str | None
    cursors: tuple[Cursor, ...]
    """Columns that would say what is new; files are told apart by their names or times."""
    named_date: NamedDate | None
    variables: tuple[str, ...] = ()
    """Variables of the environment that the TOML needs and that are not set."""
    notes: tuple[str, ...] = ()
    toml: str
    """What to paste into pipelines.toml; of a pipeline, what could be added to it."""
