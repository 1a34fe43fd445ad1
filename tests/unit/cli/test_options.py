"""Values of options, read or refused."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from bronze_engine.cli.options import read_date, read_dates, read_duration
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.engine import EngineConfig
from bronze_engine.errors import ConfigError

pytestmark = pytest.mark.unit


def test_a_date() -> None:
    assert read_date("2024-02-29", EngineConfig()) == date(2024, 2, 29)


@pytest.mark.parametrize(
    "text", ["", "2025-02-30", "2025-1-05", "20250105", "2025-01-05T00", "today", "2025-01-5 "]
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--date .* is no date; write YYYY-MM-DD"):
        read_date(text, EngineConfig())


def test_today_is_that_of_the_configured_timezone() -> None:
    # 25 hours lie between the two, so their dates differ at any time of the day.
    ahead = read_date(None, EngineConfig(timezone="Pacific/Kiritimati"))
    behind = read_date(None, EngineConfig(timezone="Pacific/Niue"))
    assert ahead - behind == timedelta(days=1) or SYSTEM_CLOCK.now().hour == 10
    assert ahead > behind


def test_the_dates_of_a_range_both_ends_included() -> None:
    days = read_dates(EngineConfig(), None, "2025-01-30", "2025-02-01")
    assert days == (date(2025, 1, 30), date(2025, 1, 31), date(2025, 2, 1))
    assert read_dates(EngineConfig(), "2025-01-30", None, None) == (date(2025, 1, 30),)
    assert read_dates(EngineConfig(), None, None, None) is None


@pytest.mark.parametrize(
    "dates",
    [
        ("2025-01-30", "2025-01-30", None),
        ("2025-01-30", "2025-01-30", "2025-01-31"),
        (None, "2025-01-30", None),
        (None, None, "2025-01-30"),
    ],
)
def test_half_a_range_and_a_range_beside_a_date_are_refused(
    dates: tuple[str | None, str | None, str | None],
) -> None:
    with pytest.raises(ConfigError, match="give --date, or --from and --to"):
        read_dates(EngineConfig(), *dates)


def test_a_duration() -> None:
    assert read_duration("--wait", "90s") == 90
    with pytest.raises(ConfigError, match=r"CFG001 --wait 'soon' is no duration"):
        read_duration("--wait", "soon")
