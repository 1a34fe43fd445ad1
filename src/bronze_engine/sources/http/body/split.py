"""What one page holds: its records, one a line, and what else was asked of its body."""

from __future__ import annotations

import msgspec

__all__ = ["BadRecord", "Lines", "Split"]


class BadRecord(msgspec.Struct, frozen=True):
    """A record that no line can be made of, with the reason why."""

    reason: str
    raw: bytes


class Lines(msgspec.Struct, frozen=True):
    """Some records of a page: one a line, each line ended by a newline."""

    data: bytes
    records: int
    offset: int
    """Place of the first of them within the page, from 0."""
    originals: tuple[bytes, ...] | None = None
    """Each record's bytes as the server sent them, where that was asked for and the lines
    differ from them."""
    bad: tuple[BadRecord, ...] = ()
    """Records that follow these in the page and are none of them."""


class Split(msgspec.Struct, frozen=True):
    """What one page holds."""

    lines: tuple[Lines, ...]
    """Nothing for a page without records."""
    records: int
    fields: dict[str, object]
    """The control fields that are there, by their paths; integers are exact."""
    last: object = None
    """The key of the last record, where one was asked for; None where it has none."""
    body: bytes | bytearray | None = None
    """The body without its compression, where that was asked for."""
    is_missing: bool = False
    """Whether no list of records was in the body, where that means no records."""
    fault: str = ""
    """What the server says is wrong, in a body that holds records all the same."""

    @property
    def size_bytes(self) -> int:
        """What it holds in memory; the originals are of about the size of their lines."""
        held = sum(len(lines.data) * (1 + bool(lines.originals)) for lines in self.lines)
        return held if self.body is None else held + len(self.body)
