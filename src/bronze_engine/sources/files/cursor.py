"""The cursor of a file: when it was modified, or a part of its name."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any, Final, final

from bronze_engine.config.files.source import MODIFIED
from bronze_engine.config.incremental import Incremental
from bronze_engine.contracts import Request
from bronze_engine.errors import ExtractError
from bronze_engine.model.window import cursor_key
from bronze_engine.sources.files.entry import Entry

__all__ = ["FileCursor"]

_DIGITS: Final = re.compile(r"(\d{4})(\d\d)(\d\d)[T_.-]?(\d\d)(\d\d)(\d\d)?(Z|[+-]\d\d:?\d\d)?")
"""A timestamp as file names hold it: 20250115T103000, 20250115_1030."""


@final
class FileCursor:
    """Reads and compares the cursors of one run's files."""

    def __init__(
        self, incremental: Incremental, pattern: re.Pattern[str] | None, request: Request
    ) -> None:
        self._incremental = incremental
        self._pattern = pattern
        self._request = request

    def of(self, entry: Entry) -> str | None:
        """The cursor, as watermarks are recorded; None where the name has no such part.

        Raises ExtractError for one that is not of the cursor's type, and where nobody tells when
        a file was modified.
        """
        name = self._incremental.cursor
        if name == MODIFIED:
            modified = entry.found.modified
            if modified is None:
                raise ExtractError(
                    f"{entry.path}: nothing tells when it was modified; take incremental.cursor"
                    " from its name, with source.name_pattern"
                )
            return modified.astimezone(UTC).isoformat()
        match = None if self._pattern is None else entry.match(self._pattern)
        text = None if match is None else match[name]
        if text is None:
            if self._incremental.on_null_cursor == "fail":
                raise ExtractError(
                    f"{entry.path}: its name has no {name!r}; narrow source.name_pattern or url, or"
                    ' leave it out with incremental.on_null_cursor = "quarantine"'
                )
            return None
        try:
            return self._recorded(text)
        except ValueError:
            raise ExtractError(
                f"{entry.path}: {name} is {text!r}, which is no {self._incremental.cursor_type};"
                " see source.name_pattern and incremental.cursor_type"
            ) from None

    def _recorded(self, text: str) -> str:
        match self._incremental.cursor_type:
            case "date":
                return date.fromisoformat(text.replace("_", "-").replace(".", "-")).isoformat()
            case "timestamp":
                found = _DIGITS.fullmatch(text)
                if found is not None:
                    year, month, day, hour, minute, second, offset = found.groups()
                    text = f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}{offset or ''}"
                elif "T" not in text and len(text) <= 10:
                    text = f"{date.fromisoformat(text).isoformat()}T00:00:00"
                self.key(text)
                return text
            case "integer" | "xid8":
                return str(int(text))
            case "text":
                return text

    def key(self, value: str) -> Any:
        """The form in which cursors are compared. Raises ValueError."""
        return cursor_key(value, self._incremental.cursor_type, self._incremental.cursor_timezone)

    def is_below(self, value: str) -> bool:
        low = self._request.low
        if low is None:
            return False
        key, bound = self.key(value), self.key(low)
        return bool(key < bound or (key == bound and self._request.low_open))

    def is_above(self, value: str) -> bool:
        cap = self._request.cap
        if cap is None:
            return False
        key, bound = self.key(value), self.key(cap)
        return bool(key > bound or (key == bound and self._request.cap_open))

    def is_at_or_below(self, value: str, other: str) -> bool:
        return bool(self.key(value) <= self.key(other))

    def is_too_new(self, entry: Entry, now: datetime) -> bool:
        """Whether a file may still be written: it was modified within the lag."""
        lag, modified = self._incremental.lag, entry.found.modified
        if lag is None or modified is None:
            return False
        return (now - modified).total_seconds() < lag

    def highest(self, values: list[str]) -> str | None:
        return max(values, key=self.key, default=None)
