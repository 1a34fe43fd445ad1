"""How old the newest value of a column of times is when a run begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, Final, final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.config.quality_rule import FreshnessRule, columns_of
from bronze_engine.model.arrow import Array
from bronze_engine.model.quality import RuleResult
from bronze_engine.quality.conditions.constants import Unfit
from bronze_engine.quality.conditions.evaluate import column_of
from bronze_engine.quality.rules.scope import Scope
from bronze_engine.quality.rules.tally import Tally

__all__ = ["Freshness"]

_UNITS: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_SECONDS: Final = 86_400


class _Seen(msgspec.Struct, frozen=True, array_like=True):
    tally: bytes
    newest: str | None
    """Seconds since 1970 as a fraction: to the nanosecond, whatever the year."""


@final
class Freshness:
    """`contracts.Rule` of the greatest time; its state is that time."""

    def __init__(self, config: FreshnessRule, began: datetime) -> None:
        self._config: Final = config
        self._scope: Final = Scope(config)
        self._began: Final = began
        self.columns: Final = columns_of(config)
        self.tally: Final = Tally(config)
        self._newest: Fraction | None = None

    def observe(self, batch: pa.RecordBatch, /) -> pa.BooleanArray | None:
        rows = self._scope.rows(batch)
        array = column_of(batch, self._config.column)
        if rows is not None:
            array = array.filter(rows)
        self.tally.checked += len(array)
        with self._scope.explained():
            self._take(_newest(array))
        return None

    def see(self, batch: pa.RecordBatch, /) -> None:
        """Know rows that have landed."""
        self.observe(batch)

    def state(self) -> bytes:
        newest = None if self._newest is None else str(self._newest)
        return msgspec.msgpack.encode(_Seen(self.tally.state(), newest))

    def merge(self, state: bytes, /) -> None:
        seen = msgspec.msgpack.decode(state, type=_Seen)
        self.tally.merge(seen.tally)
        self._take(None if seen.newest is None else Fraction(seen.newest))

    def finish(self) -> RuleResult:
        config = self._config
        if self._newest is None:
            self.tally.failed = 1
            detail = f"none of {self.tally.checked:,} rows has a time in {config.column!r}"
            return self.tally.result(is_partition_wide=True, detail=detail)
        began = Fraction((self._began - _EPOCH) // timedelta(microseconds=1), 10**6)
        age = began - self._newest
        self.tally.failed = int(age > Fraction(config.max_age))
        detail = (
            f"the newest {config.column!r} is {_shown(self._newest)}, {_long(age)} before the run"
            f" began; at most {_long(Fraction(config.max_age))} is wanted"
        )
        return self.tally.result(is_partition_wide=True, detail=detail)

    def _take(self, other: Fraction | None) -> None:
        if other is not None and (self._newest is None or other > self._newest):
            self._newest = other


def _newest(array: Array) -> Fraction | None:
    """The greatest time, in seconds since 1970 UTC. Raises Unfit for what is no time."""
    kind = array.type
    if array.null_count == len(array):
        return None
    if pa.types.is_timestamp(kind):
        return Fraction(pc.max(array).value, _UNITS[kind.unit])
    if pa.types.is_date(kind):
        return Fraction(pc.max(array.cast(pa.date32())).value * _DAY_SECONDS)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _newest_text(array)
    raise Unfit(f"column lands as {kind}, which is no time")


def _newest_text(array: Array) -> Fraction | None:
    for zone in ("UTC", None):  # Arrow reads texts that all have an offset, or none has
        try:
            moments: Any = array.cast(pa.timestamp("ns", zone))
        except pa.ArrowInvalid:
            continue
        return Fraction(pc.max(moments).value, _UNITS["ns"])
    found = [seconds for text in array.to_pylist() if (seconds := _seconds(text)) is not None]
    return max(found, default=None)


def _seconds(text: str | None) -> Fraction | None:
    """The instant of one text; None where it is none."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return Fraction((moment - _EPOCH) // timedelta(microseconds=1), 10**6)


def _shown(seconds: Fraction) -> str:
    try:
        moment = _EPOCH + timedelta(seconds=int(seconds))
    except OverflowError:
        return f"{float(seconds):,.0f} s after 1970"
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _long(seconds: Fraction) -> str:
    if abs(seconds) < 120:
        return f"{float(seconds):.1f} s"
    if abs(seconds) < 7200:
        return f"{float(seconds) / 60:.1f} min"
    return f"{float(seconds) / 3600:.1f} h"
