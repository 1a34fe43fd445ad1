"""[pipelines.….schema]: the types of the columns, and what happens when the data disagrees."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

__all__ = ["SchemaConfig"]


class SchemaConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Types of columns that must not be inferred, and what to do with values that differ."""

    columns: dict[str, str] = {}
    """Types by column: int8 to int64, uint8 to uint64, double, bool, string, json, date, time,
    timestamp, timestamp(us|ns|ms|s[, tz]), epoch_s, epoch_ms, epoch_us, epoch_ns, decimal(p,s)."""
    on_drift: Literal["variant", "widen", "quarantine", "fail"] = "variant"
    """A value that does not fit its column: kept as JSON text in `<column>__variant`; the same
    and a wider type from the next partition on; the record rejected; the run failed."""
    raw: bool = False
    """Add `_raw` to each row: the bytes of its record as the source sent them."""
    contract: Literal["evolve", "freeze"] = "evolve"
    """Whether new columns may come. "freeze": the columns and types of the newest earlier
    partition, and those of `columns`, are all that there are; anything else is QUAL001."""
    nested: Literal["struct", "json"] = "struct"
    """What objects and lists become: structs and lists, or the JSON text that was sent."""
    flatten: str | None = None
    """Between the names of columns that objects become: with "__" the object `address` becomes
    `address__city` and `address__zip`. Lists stay as they are. None leaves objects whole."""
    flatten_depth: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    """Levels of objects that `flatten` takes apart; None for all. Objects below stay whole."""
