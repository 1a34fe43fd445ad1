"""Configured rules as what judges rows: one of each for every slice, and one to merge them in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

import msgspec

from bronze_engine.config.quality_rule import (
    FreshnessRule,
    QualityRule,
    RowCountChangeRule,
    RowCountRule,
    UniqueRule,
)
from bronze_engine.quality.rules.freshness import Freshness
from bronze_engine.quality.rules.row import RowByRow
from bronze_engine.quality.rules.row_count import RowCount, RowCountChange
from bronze_engine.quality.rules.unique import Unique

__all__ = ["AnyRule", "Circumstances", "make_rule"]

AnyRule: TypeAlias = RowByRow | Unique | Freshness | RowCount | RowCountChange
"""Each is a `contracts.Rule`."""


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What rules must know of a run beside its rows."""

    run: str
    began: datetime
    history: Sequence[int] = ()
    """Rows of the dates that were committed before it, the newest first."""


def make_rule(config: QualityRule, circumstances: Circumstances) -> AnyRule:
    match config:
        case UniqueRule():
            return Unique(config, circumstances.run.encode())
        case FreshnessRule():
            return Freshness(config, circumstances.began)
        case RowCountRule():
            return RowCount(config)
        case RowCountChangeRule():
            return RowCountChange(config, circumstances.history)
        case _:
            return RowByRow(config)
