"""What rate-limit headers say, as the servers in the field write them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.config.api import Api, RateLimitHeaders
from bronze_engine.errors import AuthError
from bronze_engine.limits.transient import Transient
from bronze_engine.model.quota import Quota
from bronze_engine.sources.http.quota_headers import Nonsense, QuotaHeaders
from bronze_engine.sources.http.status import raise_for_status
from bronze_engine.sources.http.wire.client import Answer
from bronze_engine.testing import ManualClock

pytestmark = pytest.mark.unit

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
EPOCH = int(NOW.timestamp())


def read(
    headers: dict[str, str], config: RateLimitHeaders | None = None
) -> list[tuple[str, float, float | None, float]]:
    reader = QuotaHeaders(config or RateLimitHeaders())
    quotas = reader.read(headers, ManualClock(start=NOW))
    return [(each.name, each.remaining, each.limit, each.reset_seconds) for each in quotas]


def three(prefix: str, remaining: str, reset: str, limit: str = "100") -> dict[str, str]:
    return {f"{prefix}limit": limit, f"{prefix}remaining": remaining, f"{prefix}reset": reset}


@pytest.mark.parametrize(
    ("headers", "quota"),
    [
        # GitHub, Okta, Zendesk: an instant in seconds.
        (three("x-ratelimit-", "42", str(EPOCH + 600)), ("", 42, 100, 600)),
        # Twitter.
        (three("x-rate-limit-", "14", str(EPOCH + 900)), ("", 14, 100, 900)),
        # GitLab.
        (three("ratelimit-", "5", str(EPOCH + 7)), ("", 5, 100, 7)),
        # Milliseconds since 1970.
        (three("x-ratelimit-", "1", str(EPOCH * 1000 + 2500)), ("", 1, 100, 2.5)),
        # Reddit: numbers with a point, and seconds from now.
        (three("x-ratelimit-", "594.0", "388", "600"), ("", 594, 600, 388)),
        # The IETF's drafts up to the sixth: the limit with its windows behind it.
        (three("ratelimit-", "5", "7", "10, 10;w=1, 50;w=60"), ("", 5, 10, 7)),
        # OpenAI: durations.
        (three("x-ratelimit-", "3", "1m30s"), ("", 3, 100, 90)),
        (three("x-ratelimit-", "3", "6ms"), ("", 3, 100, 0.006)),
        (three("x-ratelimit-", "3", "1d2h"), ("", 3, 100, 93600)),
        # Dates.
        (three("x-ratelimit-", "3", "2025-01-15T12:01:00Z"), ("", 3, 100, 60)),
        (three("x-ratelimit-", "3", "2025-01-15T13:01:00+01:00"), ("", 3, 100, 60)),
        (three("x-ratelimit-", "3", "Wed, 15 Jan 2025 12:02:00 GMT"), ("", 3, 100, 120)),
        # A reset that is being made, told in whole seconds.
        (three("x-ratelimit-", "0", str(EPOCH - 1)), ("", 0, 100, 0)),
        # Without a limit.
        ({"x-ratelimit-remaining": "9", "x-ratelimit-reset": "5"}, ("", 9, None, 5)),
        # The later drafts of the IETF.
        ({"ratelimit": '"default";r=50;t=30'}, ("default", 50, None, 30)),
        ({"ratelimit": "limit=100, remaining=50, reset=5"}, ("", 50, 100, 5)),
        (
            {"ratelimit": '"burst";r=5', "ratelimit-policy": '"burst";q=100;w=60'},
            ("burst", 5, 100, 60),
        ),
        # Shopify.
        ({"x-shopify-shop-api-call-limit": "32/40"}, ("", 8, 40, 16)),
        ({"x-shopify-shop-api-call-limit": "0/400"}, ("", 400, 400, 0)),
    ],
)
def test_headers_of_the_field(
    headers: dict[str, str], quota: tuple[str, float, float | None, float]
) -> None:
    assert read(headers) == [pytest.approx(quota)]


def test_several_limits_of_one_answer() -> None:
    headers = {
        "ratelimit": '"minute";r=5;t=30, "day, of all";r=400;t=40000;pk=:abc:',
        "ratelimit-policy": '"minute";q=60;w=60,"day, of all";q=5000;w=86400',
    }
    assert read(headers) == [("minute", 5, 60, 30), ("day, of all", 400, 5000, 40000)]


def test_shopify_s_bucket_leaks_a_twentieth_a_second() -> None:
    reader = QuotaHeaders(RateLimitHeaders())
    headers = {"x-shopify-shop-api-call-limit": "40/80"}
    (quota,) = reader.read(headers, ManualClock())
    assert quota.refill_per_second == 4


def test_an_instant_is_compared_with_the_server_s_own_clock() -> None:
    headers = three("x-ratelimit-", "3", str(EPOCH - 3600 + 60))
    headers["date"] = "Wed, 15 Jan 2025 11:00:00 GMT"  # an hour behind ours
    assert read(headers) == [("", 3, 100, 60)]


def test_names_of_the_configuration_stand_in_place_of_the_usual_ones() -> None:
    config = RateLimitHeaders(remaining="X-Quota-Left", limit="X-Quota", reset="X-Quota-Reset")
    headers = {"x-quota-left": "7", "x-quota": "70", "x-quota-reset": "9"}
    headers |= three("x-ratelimit-", "1", "1")
    assert read(headers, config) == [("", 7, 70, 9)]
    assert read(three("x-ratelimit-", "1", "1"), config) == []


def test_they_may_be_left_unread() -> None:
    assert read(three("x-ratelimit-", "1", "1"), RateLimitHeaders(read=False)) == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "application/json", "x-ratelimit-limit": "100"},
        {"x-ratelimit-remaining": "5"},
        {"ratelimit": '"default";r=5'},
    ],
)
def test_where_nothing_is_told_nothing_is_read(headers: dict[str, str]) -> None:
    assert read(headers) == []


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        (three("x-ratelimit-", "-5", "10"), "x-ratelimit-remaining"),
        (three("x-ratelimit-", "many", "10"), "x-ratelimit-remaining"),
        (three("x-ratelimit-", "", "10"), "x-ratelimit-remaining"),
        (three("x-ratelimit-", "5", "-10"), "x-ratelimit-reset"),
        (three("x-ratelimit-", "5", "soon"), "x-ratelimit-reset"),
        (three("x-ratelimit-", "5", ""), "x-ratelimit-reset"),
        (three("x-ratelimit-", "5", str(EPOCH - 60)), "x-ratelimit-reset"),
        (three("x-ratelimit-", "5", "99999999"), "x-ratelimit-reset"),
        (three("x-ratelimit-", "5", "2031-01-01T00:00:00Z"), "x-ratelimit-reset"),
        (three("x-ratelimit-", "5", "10", limit="-1"), "x-ratelimit-limit"),
        ({"x-shopify-shop-api-call-limit": "forty"}, "x-shopify-shop-api-call-limit"),
        ({"x-shopify-shop-api-call-limit": "4/0"}, "x-shopify-shop-api-call-limit"),
        ({"ratelimit": "plenty"}, "ratelimit"),
        ({"ratelimit": '"default";r=-5;t=5'}, "ratelimit"),
    ],
)
def test_nonsense_names_its_header(headers: dict[str, str], name: str) -> None:
    with pytest.raises(Nonsense, match=f"^{name}$"):
        read(headers)


@given(
    name=st.sampled_from(
        [
            "x-ratelimit-remaining",
            "x-ratelimit-limit",
            "x-ratelimit-reset",
            "ratelimit",
            "ratelimit-policy",
            "x-shopify-shop-api-call-limit",
            "date",
        ]
    ),
    text=st.text(alphabet=st.characters(codec="latin-1"), max_size=60)
    | st.text(alphabet='0123456789-.;,="rtqw/: TZ', max_size=40),
)
def test_whatever_stands_there_is_a_quota_or_nonsense(name: str, text: str) -> None:
    headers = three("x-ratelimit-", "5", str(EPOCH + 5)) if name.startswith("x-r") else {}
    try:
        quotas = read({**headers, name: text})
    except Nonsense:
        return
    for _, remaining, limit, reset in quotas:
        assert remaining >= 0
        assert limit is None or limit >= 0
        assert 0 <= reset <= 35 * 86400


def refused(status: int, headers: dict[str, str], quotas: tuple[Quota, ...] = ()) -> Transient:
    body = json.dumps({"message": "slow down"}).encode()
    values: dict[str, Any] = {"status": status, "headers": headers, "url": "x", "chunks": [body]}
    answer = Answer(**values)
    with pytest.raises(Transient) as caught:
        raise_for_status(
            answer, said="slow down", api=Api(base_url="http://x"), now=NOW, quotas=quotas
        )
    return caught.value


USED_UP = (
    Quota(remaining=0, reset_seconds=40),
    Quota(remaining=0, reset_seconds=60),
    Quota(remaining=5, reset_seconds=900),
)


def test_a_429_without_retry_after_waits_for_the_reset() -> None:
    assert refused(429, {}, USED_UP).retry_after_seconds == 60
    assert refused(429, {"retry-after": "7"}, USED_UP).retry_after_seconds == 7
    assert refused(429, {}).retry_after_seconds is None


def test_a_403_is_a_pause_where_nothing_is_left() -> None:
    for exc in (refused(403, {}, USED_UP), refused(403, {"retry-after": "60"})):
        assert exc.retry_after_seconds == 60
        assert not exc.counts


def test_a_403_is_none_otherwise() -> None:
    values: dict[str, Any] = {"status": 403, "headers": {}, "url": "x", "chunks": []}
    with pytest.raises(AuthError):
        raise_for_status(
            Answer(**values), said="", api=Api(base_url="http://x"), now=NOW, quotas=USED_UP[2:]
        )
