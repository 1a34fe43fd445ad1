"""A rejected record as its quarantine file has it, and what is shown of those of a partition."""

from __future__ import annotations

import base64
from datetime import date

import msgspec

__all__ = ["QuarantineReport", "Quarantined"]


class Quarantined(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a quarantine file (`encode.rejects`)."""

    page: int
    offset: int
    file: str | None = None
    line: int | None = None
    reason: str
    rule: str | None = None
    raw: str | None = None
    raw_base64: str | None = None
    """Of a record that is no UTF-8."""
    decoded: str | None = None
    """What was decoded in its place, where that is something else."""

    @property
    def record(self) -> bytes:
        """The record's exact bytes."""
        if self.raw is not None:
            return self.raw.encode()
        return base64.b64decode(self.raw_base64 or "")


class QuarantineReport(msgspec.Struct, frozen=True, kw_only=True):
    """The rejected records of a partition, or of a run that failed for them."""

    pipeline: str
    run_date: date
    partition: str
    run: str
    is_committed: bool
    """Whether they lie beside the data, and not with the report of a run that failed."""
    total: int | None = None
    """How many there are; None where nobody has counted those of a failed run."""
    records: tuple[Quarantined, ...] = ()
    """The first of them, in order."""
