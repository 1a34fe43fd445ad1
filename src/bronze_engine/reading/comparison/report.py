"""What a comparison of two partitions, or of two curated tables, tells."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

import msgspec

from bronze_engine.model.window import Window
from bronze_engine.reading.statistics import ColumnStatistics

__all__ = [
    "ChangedRow",
    "ColumnChange",
    "Comparison",
    "RowsComparison",
    "Side",
    "StatisticsChange",
]


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two, as its manifest has it."""

    layer: Literal["bronze", "silver"] = "bronze"
    pipeline: str
    place: str
    """The path or URL of the partition, or of the table."""
    run_date: date
    """Of a table the newest that it counts."""
    generation: int
    run: str
    written_at: datetime
    epoch: int
    load: str
    row_count: int
    rejected_count: int
    duplicate_rows: int
    late_rows: int
    files: int
    bytes: int
    columns: int
    window: Window | None
    config_hash: str
    engine_version: str


class ColumnChange(msgspec.Struct, frozen=True, kw_only=True):
    """How the columns of B differ from those of A."""

    change: Literal["added", "removed", "type", "nullable", "order"]
    column: str
    a: str = ""
    b: str = ""


class StatisticsChange(msgspec.Struct, frozen=True, kw_only=True):
    """A column that both have, and whose footers say different things."""

    column: str
    a: ColumnStatistics
    b: ColumnStatistics


class ChangedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row whose key both have: the columns in which it differs."""

    key: dict[str, Any]
    a: dict[str, Any]
    b: dict[str, Any]


class RowsComparison(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of both, found by key or, without one, as a whole."""

    key: tuple[str, ...]
    """Empty: rows were compared as a whole, each as often as it comes."""
    columns: tuple[str, ...]
    """Those that were compared."""
    only_a: int
    """Keys that only A has; without a key rows."""
    only_b: int
    changed: int
    same: int
    examples_a: tuple[dict[str, Any], ...] = ()
    """Keys, or rows, that only A has: some of them."""
    examples_b: tuple[dict[str, Any], ...] = ()
    examples_changed: tuple[ChangedRow, ...] = ()


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two dates of one pipeline, or what lies at two places."""

    pipeline: str
    """Of B."""
    a: Side
    b: Side
    columns: tuple[ColumnChange, ...]
    statistics: tuple[StatisticsChange, ...]
    rows: RowsComparison | None = None
    """Where the data was read."""

    @property
    def differs(self) -> bool:
        """Whether rows, columns or what is known of their values differ; runs always do."""
        rows = self.rows
        is_data = rows is not None and bool(rows.only_a or rows.only_b or rows.changed)
        counts = self.a.row_count != self.b.row_count
        return bool(counts or self.columns or self.statistics or is_data)
