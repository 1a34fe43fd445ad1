"""Values of options, read or refused."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from bronze_engine.cli.options import read_date, read_duration
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


def test_a_duration() -> None:
    assert read_duration("--wait", "90s") == 90
    with pytest.raises(ConfigError, match=r"CFG001 --wait 'soon' is no duration"):
        read_duration("--wait", "soon")
