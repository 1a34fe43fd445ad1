"""The cursor of an incremental pipeline: its values as watermarks, watermarks as parameters.

cursor_type    Arrow types          watermark
timestamp      timestamp            2025-01-15T10:00:00.123456+00:00; without a zone as it
                                    stands, and incremental.cursor_timezone says which
date           date32, date64       2025-01-15
integer        integers, decimals   42
               without a fraction
text           strings              as it stands; its order is the database's
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Final, final
from zoneinfo import ZoneInfo

import msgspec
import pyarrow as pa

from bronze_engine.config.incremental import Incremental
from bronze_engine.errors import ConfigError, ExtractError
from bronze_engine.model.arrow import Array, DataType, Scalar
from bronze_engine.model.window import CursorType, cursor_key
from bronze_engine.sources.adbc.query import parameter

__all__ = ["Cursor"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS: Final = {"s": 1, "ms": 1000, "us": 1_000_000, "ns": 1_000_000_000}
_DAY_MS: Final = 86_400_000


@final
class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """One column to read on by."""

    name: str
    kind: CursorType
    type: DataType
    timezone: str | None = None

    @classmethod
    def of_column(cls, name: str, kind: DataType, incremental: Incremental) -> Cursor:
        """The cursor over a column of this type. Raises ConfigError where it does not fit."""
        wanted, zone = incremental.cursor_type, incremental.cursor_timezone
        found = _kind_of(kind)
        if found != wanted:
            advice = (
                "take a column of another type, or cast this one in a query"
                if found is None
                else f'set incremental.cursor_type = "{found}"'
            )
            raise ConfigError(
                f"incremental.cursor {name!r} comes as {kind}, which is no cursor_type ="
                f' "{wanted}"; {advice}'
            )
        if pa.types.is_timestamp(kind) and kind.tz is None and zone is None:
            raise ConfigError(
                f"incremental.cursor {name!r} comes as {kind}, which has no zone; set"
                ' incremental.cursor_timezone to that of its values, "UTC" for instance'
            )
        return cls(name=name, kind=wanted, type=kind, timezone=zone)

    @property
    def unit_seconds(self) -> float:
        """The resolution of a timestamp."""
        return 1 / _UNITS[self.type.unit]

    def watermark(self, value: Scalar) -> str | None:
        """A value of the column as a watermark, to the last digit; None for NULL.

        Raises ExtractError for a timestamp that no calendar of ours has.
        """
        if not value.is_valid:
            return None
        match self.kind:
            case "timestamp":
                return self._instant(int(value.value))
            case "date":
                days = value.value // (_DAY_MS if pa.types.is_date64(self.type) else 1)
                try:
                    return (date(1970, 1, 1) + timedelta(days=days)).isoformat()
                except OverflowError:
                    raise self._beyond() from None
            case "integer":
                return str(int(value.as_py()))
            case _:
                return str(value.as_py())

    def bound(self, watermark: str) -> Array:
        """A watermark as a parameter that is compared with the column.

        Cut to the column's resolution, which changes neither what is above nor what is not.
        Raises ConfigError for what is no value of the cursor.
        """
        try:
            match self.kind:
                case "timestamp":
                    return self._timestamp(watermark)
                case "date":
                    return parameter(date.fromisoformat(watermark), pa.date32())
                case "integer":
                    return _integer(int(watermark))
                case _:
                    return parameter(watermark, pa.string())
        except (ValueError, OverflowError) as exc:
            raise ConfigError(
                f"incremental.cursor {self.name!r}: {watermark!r} is no {self.kind} of it: {exc}"
            ) from exc

    def at(self, moment: datetime) -> str:
        """An instant, aware, as a watermark of a timestamp."""
        value = (moment - _EPOCH) // timedelta(microseconds=1)
        if self.type.tz is None:
            local = moment.astimezone(self._zone).replace(tzinfo=UTC)
            value = (local - _EPOCH) // timedelta(microseconds=1)
        return _iso(value, 1_000_000, "" if self.type.tz is None else "+00:00")

    def _instant(self, value: int) -> str:
        try:
            return _iso(value, _UNITS[self.type.unit], "" if self.type.tz is None else "+00:00")
        except OverflowError:
            raise self._beyond() from None

    def _timestamp(self, watermark: str) -> Array:
        kind = pa.timestamp("ns" if self.type.unit == "ns" else "us", self.type.tz)
        ticks = int(self._seconds(watermark) * _UNITS[kind.unit] // 1)
        if not -(2**63) <= ticks < 2**63:
            raise ValueError(f"it is past the range of {kind}")
        return parameter(ticks, kind)

    def _seconds(self, watermark: str) -> Fraction:
        """Since 1970, in the zone of the column where it has none."""
        if self.type.tz is not None:
            return _fraction(watermark, self.timezone)
        try:
            instant = _fraction(watermark, None)
        except ValueError:  # without an offset: as it stands
            return _fraction(watermark, "UTC")
        moment = _EPOCH + timedelta(seconds=instant // 1)
        local = moment.astimezone(self._zone).replace(tzinfo=UTC)
        return Fraction((local - _EPOCH) // timedelta(seconds=1)) + instant % 1

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone or "UTC")

    def _beyond(self) -> ExtractError:
        return ExtractError(
            f"incremental.cursor {self.name!r}: its highest value is infinite, or past the year"
            " 9999; leave such rows out with source.where"
        )


def _kind_of(kind: DataType) -> CursorType | None:
    if pa.types.is_timestamp(kind):
        return "timestamp"
    if pa.types.is_date(kind):
        return "date"
    if pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0):
        return "integer"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "text"
    return None


def _fraction(watermark: str, timezone: str | None) -> Fraction:
    value = cursor_key(watermark, "timestamp", timezone)
    assert isinstance(value, Fraction)  # noqa: S101  # what a timestamp's key is
    return value


def _integer(value: int) -> Array:
    if -(2**63) <= value < 2**63:
        return parameter(value, pa.int64())
    kind = pa.decimal128(38, 0)
    if abs(value) >= 10**38:
        raise ValueError("it has more than 38 digits")
    data = pa.py_buffer(value.to_bytes(16, "little", signed=True))
    return pa.Array.from_buffers(kind, 1, [None, data])


def _iso(value: int, per_second: int, offset: str) -> str:
    """The digits of the fraction are those of the resolution; of whole seconds there are none."""
    seconds, fraction = divmod(value, per_second)
    moment = _EPOCH + timedelta(seconds=seconds)
    digits = f".{fraction:0{len(str(per_second)) - 1}}" if fraction else ""
    return moment.replace(tzinfo=None).isoformat() + digits + offset
