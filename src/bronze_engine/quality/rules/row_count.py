"""How many rows a partition has: within bounds, and beside those of the last dates."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median
from typing import Final, final

import pyarrow as pa

from bronze_engine.config.quality_rule import RowCountChangeRule, RowCountRule
from bronze_engine.model.quality import RuleResult
from bronze_engine.quality.rules.scope import Scope
from bronze_engine.quality.rules.tally import Tally

__all__ = ["RowCount", "RowCountChange"]


@final
class RowCount:
    """`contracts.Rule` of a number of rows; its state is the number."""

    columns: Final = ()

    def __init__(self, config: RowCountRule) -> None:
        self._config: Final = config
        self._scope: Final = Scope(config)
        self.tally: Final = Tally(config)

    def observe(self, batch: pa.RecordBatch, /) -> pa.BooleanArray | None:
        rows = self._scope.rows(batch)
        self.tally.checked += batch.num_rows if rows is None else rows.true_count
        return None

    def see(self, batch: pa.RecordBatch, /) -> None:
        """Count rows that have landed."""
        self.observe(batch)

    def state(self) -> bytes:
        return self.tally.state()

    def merge(self, state: bytes, /) -> None:
        self.tally.merge(state)

    def finish(self) -> RuleResult:
        config, rows = self._config, self.tally.checked
        is_wrong = (config.min is not None and rows < config.min) or (
            config.max is not None and rows > config.max
        )
        self.tally.failed = int(is_wrong)
        detail = f"{rows:,} rows{_wanted(config.min, config.max)}"
        return self.tally.result(is_partition_wide=True, detail=detail)


@final
class RowCountChange:
    """`contracts.Rule` of a number of rows over those of earlier dates.

    `history` are the rows of earlier dates, the newest first.
    """

    columns: Final = ()

    def __init__(self, config: RowCountChangeRule, history: Sequence[int]) -> None:
        self._config: Final = config
        self._history: Final = tuple(history[: config.runs])
        self.tally: Final = Tally(config)

    def observe(self, batch: pa.RecordBatch, /) -> pa.BooleanArray | None:
        self.tally.checked += batch.num_rows
        return None

    def see(self, batch: pa.RecordBatch, /) -> None:
        """Count rows that have landed."""
        self.observe(batch)

    def state(self) -> bytes:
        return self.tally.state()

    def merge(self, state: bytes, /) -> None:
        self.tally.merge(state)

    def finish(self) -> RuleResult:
        config, rows, history = self._config, self.tally.checked, self._history
        if not history:
            detail = f"{rows:,} rows; no earlier date has any to compare with"
            return self.tally.result(is_partition_wide=True, detail=detail)
        usual = fmean(history) if config.against == "mean" else float(median(history))
        low, high = config.min_ratio, config.max_ratio
        # Multiplied, not divided: the usual may be none at all.
        is_wrong = (low is not None and rows < low * usual) or (
            high is not None and rows > high * usual
        )
        self.tally.failed = int(is_wrong)
        ratio = f"{rows / usual:.3f} times" if usual else "beside"
        detail = (
            f"{rows:,} rows are {ratio} the {config.against} of {usual:,.1f} of the last"
            f" {len(history)} dates{_wanted(low, high)}"
        )
        return self.tally.result(is_partition_wide=True, detail=detail)


def _wanted(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"; {low:,} to {high:,} are wanted"
    return f"; at least {low:,} is wanted" if high is None else f"; at most {high:,} is wanted"
