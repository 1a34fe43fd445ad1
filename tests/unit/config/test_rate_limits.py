"""[apis.NAME.rate_limit], limit groups, and what contradicts itself in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.errors import ConfigError
from tests.unit.config.files import API, load, pipeline_table

pytestmark = pytest.mark.unit

RATE = API + "[apis.shop.rate_limit]\n"
HEADERS = API + "[apis.shop.rate_limit.headers]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (RATE + "burst = 5\n", "rate_limit.burst: is the capacity of a bucket: set rps"),
        (RATE + 'timezone = "Mars/Here"\n', "rate_limit.timezone: .* is no time zone"),
        (RATE + 'rps = 1\ntimezone = "Europe/Berlin"\n', "timezone: says when requests_per_day"),
        (RATE + "requests_per_minute = 0\n", "requests_per_minute: expected a whole number"),
        (RATE + "requests_per_day = 1.5\n", "requests_per_day: expected a whole number"),
        (RATE + "requests_per_hour = 5\n", "requests_per_hour"),
        (HEADERS + 'remaining = "X-Left"\n', "headers.reset: is missing"),
        (HEADERS + 'reset = "X-Reset"\n', "headers.remaining: is missing"),
        (
            HEADERS + 'read = false\nremaining = "X-Left"\nreset = "X-Reset"\n',
            "headers.read: is false, and names",
        ),
        (HEADERS + 'remaining = "X Left"\nreset = "R"\n', "remaining: is no name of a header"),
        (API + 'group = ""\n', "apis.shop.group: is no name"),
        (API + 'group = "store lake"\n', "apis.shop.group: is no name"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, text).api("shop")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "rate_limit: sets no limit"),
        ('timezone = "Europe/Berlin"', "rate_limit: sets no limit"),
        ("rps = 1\nheaders = {read = false}", "are read for all pipelines of an API"),
        ("requests_per_minute = 5\nburst = 5", "burst: is the capacity of a bucket"),
    ],
)
def test_a_source_s_own_rate_limit_is_a_number(tmp_path: Path, body: str, message: str) -> None:
    text = pipeline_table("source.rate_limit", body)
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, text).pipeline("myteam.orders")


def test_the_default_rate_is_for_apis_that_set_no_number(tmp_path: Path) -> None:
    environ = {"BRONZE_API_RPS": "2.5"}
    api = load(tmp_path, HEADERS + "read = false\n", environ=environ).api("shop")
    assert api.rate_limit is not None
    assert (api.rate_limit.rps, api.rate_limit.headers.read) == (2.5, False)
    api = load(tmp_path, RATE + "requests_per_minute = 60\n", environ=environ).api("shop")
    assert api.rate_limit is not None
    assert (api.rate_limit.rps, api.rate_limit.requests_per_minute) == (None, 60)


def two_apis(shop: str, crm: str) -> str:
    return f"{API}{shop}\n[apis.crm]\nbase_url = 'https://crm.example'\n{crm}\n"


@pytest.mark.parametrize("crm", ['group = "shop"', 'group = "all"'])
def test_apis_of_one_group_say_the_same_of_its_limits(tmp_path: Path, crm: str) -> None:
    shop = "" if "shop" in crm else 'group = "all"\n'
    same = "[apis.{}.rate_limit]\nrps = 3\n"
    text = two_apis(shop + same.format("shop"), crm + "\n" + same.format("crm"))
    config = load(tmp_path, text)
    assert config.check_all() == []
    assert config.api("shop").limit_group == config.api("crm").limit_group


def test_another_limit_in_one_group_is_a_fault_that_names_both(tmp_path: Path) -> None:
    text = two_apis(
        "concurrency = 3\n[apis.shop.rate_limit]\nrps = 3\n",
        'group = "shop"\n[apis.crm.rate_limit]\nrps = 4\n',
    )
    (error,) = load(tmp_path, text).check_all()
    assert "apis.shop.group" in str(error)
    assert '"shop" is the limit group of apis.crm too' in str(error)
    assert "rate_limit and concurrency" in str(error)


def test_two_groups_may_differ(tmp_path: Path) -> None:
    text = two_apis("concurrency = 3\n", "concurrency = 4\n")
    assert load(tmp_path, text).check_all() == []
