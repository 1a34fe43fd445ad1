"""The ends of a window, as parameters of a request."""

from __future__ import annotations

from typing import Any

import pytest

from bronze_engine.config.incremental import Incremental
from bronze_engine.errors import ConfigError
from bronze_engine.model.window import CursorType
from bronze_engine.sources.http.bounds import bound_params

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("kind", "zone", "style", "low", "start", "end"),
    [
        (
            "timestamp",
            None,
            None,
            "2025-01-01T00:00:00.5Z",
            "2025-01-01T00:00:00.5Z",
            "2025-01-01T00:00:00.6Z",
        ),
        (
            "timestamp",
            None,
            None,
            "2024-12-31 23:59:59.999+01:00",
            "2024-12-31 23:59:59.999+01:00",
            "2025-01-01 00:00:00.000+01:00",
        ),
        ("timestamp", None, None, "2025-01-01T23:59Z", "2025-01-01T23:59Z", "2025-01-02T00:00Z"),
        ("timestamp", None, "epoch", "1970-01-01T00:00:01.5Z", "1", "2"),
        ("timestamp", None, "epoch_ms", "1970-01-01T00:00:01.0005Z", "1000", "1001"),
        ("timestamp", None, "epoch", "1969-12-31T23:59:59.5Z", "-1", "0"),
        ("timestamp", None, "%Y-%m-%d", "2025-01-01T12:00:00Z", "2025-01-01", "2025-01-02"),
        ("timestamp", None, "%Y-%m-%d", "2025-01-01T00:00:00Z", "2025-01-01", "2025-01-02"),
        # The day on which the clock goes back has 25 hours.
        (
            "timestamp",
            "Europe/Berlin",
            "%Y-%m-%d",
            "2024-10-27T00:00:00",
            "2024-10-27",
            "2024-10-28",
        ),
        ("timestamp", None, "%Y-%m", "2025-01-01T00:00:00Z", "2025-01", "2025-02"),
        ("timestamp", None, "%Y", "2024-01-01T00:00:00Z", "2024", "2025"),
        (
            "timestamp",
            "Europe/Berlin",
            "%Y-%m-%dT%H:%M:%S%z",
            "2025-01-01T00:00:00",
            "2025-01-01T00:00:00+0100",
            "2025-01-01T00:00:01+0100",
        ),
        (
            "timestamp",
            None,
            "%H:%M:%S",
            "2025-01-01T10:00:00.25+02:00",
            "08:00:00",
            "08:00:01",
        ),
        ("date", None, "%d.%m.%Y", "2025-01-02", "02.01.2025", "03.01.2025"),
        ("date", "Asia/Tokyo", "epoch", "1970-01-02", "86400", "86401"),
        ("integer", None, None, "12", "12", "13"),
        ("date", None, None, "2024-12-31", "2024-12-31", "2025-01-01"),
        ("text", None, None, "abc", "abc", "abc"),
    ],
)
def test_bounds_are_formatted_outwards(
    kind: Any, zone: str | None, style: str | None, low: str, start: str, end: str
) -> None:
    incremental = Incremental(
        cursor="at",
        cursor_type=kind,
        cursor_timezone=zone,
        format=style,
        start_param="s",
        end_param="e",
    )
    assert bound_params(incremental, low, low) == {"s": start, "e": end}
    assert bound_params(incremental, None, None) == {}
    assert bound_params(None, low, low) == {}


@pytest.mark.parametrize(
    ("cursor_type", "initial"), [("integer", "0"), ("timestamp", "2025-01-15T00:00:00Z")]
)
def test_where_a_chain_begins_is_asked_for_as_it_is_written(
    cursor_type: CursorType, initial: str
) -> None:
    incremental = Incremental(cursor="c", cursor_type=cursor_type, start_param="s", initial=initial)
    assert bound_params(incremental, initial, None, low_open=False) == {"s": initial}


def test_a_format_for_integers_is_refused() -> None:
    incremental = Incremental(cursor="id", cursor_type="integer", format="epoch", start_param="s")
    with pytest.raises(ConfigError, match="leave format out"):
        bound_params(incremental, "5", None)


def test_a_watermark_of_another_type_is_refused() -> None:
    incremental = Incremental(cursor="id", format="epoch", start_param="s")
    with pytest.raises(ConfigError, match="is no timestamp"):
        bound_params(incremental, "yesterday", None)
