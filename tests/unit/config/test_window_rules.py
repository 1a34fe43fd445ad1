"""What `window = "date"` needs, told as CFG001 before anything is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.errors import ConfigError
from tests.unit.config.files import load

pytestmark = pytest.mark.unit

SOURCES = {
    "http": 'type = "http"\napi = "shop"\npath = "/orders"\n',
    "postgres": 'type = "postgres"\nconnection = "db"\ntable = "t"\n',
    "files": 'type = "files"\nurl = "in/*.csv"\nformat = "csv"\n',
}


def config(source: str, incremental: str, *, more: str = "", zone: str = "UTC") -> str:
    return (
        f'[engine]\ntimezone = "{zone}"\n'
        '[apis.shop]\nbase_url = "https://shop.example"\n'
        '[connections.db]\ntype = "postgres"\nhost = "db.example"\n'
        '[pipelines.team.orders]\nload = "incremental"\nprimary_key = ["id"]\n'
        f"[pipelines.team.orders.source]\n{SOURCES[source]}{more}\n"
        f'[pipelines.team.orders.incremental]\ncursor = "at"\n{incremental}\n'
    )


DATED = 'window = "date"\n'
BOUNDS = 'start_param = "since"\nend_param = "until"\n'


@pytest.mark.parametrize(
    ("source", "incremental", "message"),
    [
        ("postgres", 'cursor_type = "integer"\n', '"integer" has no days'),
        ("postgres", 'cursor_type = "text"\n', '"text" has no days'),
        ("postgres", 'cursor_type = "xid8"\n', '"xid8" has no days'),
        ("postgres", "low_open = false\n", "a day holds its first value"),
        ("http", "", "needs both bounds in the request; set start_param"),
        ("http", 'start_param = "since"\n', "needs both bounds in the request; set end_param"),
        ("http", 'end_param = "until"\n', "set start_param, or use {low} or {run_date}"),
    ],
)
def test_what_a_date_window_can_not_have(
    tmp_path: Path, source: str, incremental: str, message: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, config(source, DATED + incremental)).pipeline("team.orders")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("source", "incremental", "more"),
    [
        ("postgres", "", ""),
        ("http", BOUNDS, ""),
        ("http", 'cursor_type = "date"\n' + BOUNDS + 'step = "1d"\n', ""),
        ("http", "", 'params = { day = "{run_date}" }'),
        ("http", "", 'params = { since = "{low}", until = "{high}" }'),
        ("http", 'end_param = "until"\n', 'params = { since = "{low}" }'),
        ("files", 'cursor_type = "date"\n', 'name_pattern = "(?P<at>\\\\d+)"'),
    ],
)
def test_what_a_date_window_may_have(
    tmp_path: Path, source: str, incremental: str, more: str
) -> None:
    loaded = load(tmp_path, config(source, DATED + incremental, more=more, zone="Europe/Berlin"))
    pipeline = loaded.pipeline("team.orders")
    assert pipeline.incremental is not None
    assert (pipeline.incremental.window, pipeline.timezone) == ("date", "Europe/Berlin")


def test_the_timezone_counts_for_date_windows_alone(tmp_path: Path) -> None:
    hashes = {
        (window, zone): load(tmp_path, config("postgres", window, zone=zone))
        .pipeline("team.orders")
        .config_hash
        for window in ("", DATED)
        for zone in ("UTC", "Europe/Berlin")
    }
    assert hashes["", "UTC"] == hashes["", "Europe/Berlin"]
    assert hashes[DATED, "UTC"] != hashes[DATED, "Europe/Berlin"]
    assert hashes[DATED, "UTC"] != hashes["", "UTC"]


def test_timezone_is_no_key_of_a_pipeline(tmp_path: Path) -> None:
    text = config("postgres", "").replace('load = "', 'timezone = "UTC"\nload = "')
    with pytest.raises(ConfigError, match="timezone"):
        load(tmp_path, text).pipeline("team.orders")
