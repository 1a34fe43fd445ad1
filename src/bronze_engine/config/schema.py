"""[pipelines.….schema]: the types of the columns, and what happens when the data disagrees."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["SchemaConfig"]


class SchemaConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Types of columns that must not be inferred, and what to do with values that differ."""

    columns: dict[str, str] = {}
    """Types by column: int64, double, bool, string, json, date, time, timestamp,
    timestamp(us|ns|ms|s[, tz]), decimal(p,s)."""
    on_drift: Literal["variant", "widen", "quarantine", "fail"] = "variant"
    """A value that does not fit its column: kept as JSON text in `<column>__variant`; the same
    and a wider type from the next partition on; the record rejected; the run failed."""
