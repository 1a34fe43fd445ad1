"""Errors of GraphQL come with status 200."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bronze_engine.errors import AuthError, BronzeError, ExtractError
from bronze_engine.limits.transient import Transient
from bronze_engine.sources.http.graphql import refuse_errors

pytestmark = pytest.mark.unit


def judge(reply: Any) -> None:
    refuse_errors(json.dumps(reply).encode(), lambda text: text.replace("canary", "***"))


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": {"errors": [1]}}',
        b'{"data": {}, "errors": []}',
        b'{"data": {}, "errors": null}',
        b'{"data": {}, "errors": [null]}',
        b'[{"errors": [1]}]',
        b"no JSON",
        b'{"data": {"a": "\xff"}}',
        b"[" * 100_000,
    ],
)
def test_answers_without_errors_pass(body: bytes) -> None:
    refuse_errors(body, str)


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ([{"message": "no canary"}, {"message": "second"}], "no ***"),
        ([{"path": ["a"]}, {"message": "second"}], "second"),
        ("plain text", "plain text"),
        ({"message": "an object"}, "an object"),
        ([7], "an error"),
        ([{"message": "m" * 300}], "m" * 200 + "…"),
        ([{"message": "too dear", "extensions": {"code": "MAX_COST_EXCEEDED"}}], "too dear"),
    ],
)
def test_the_first_message_is_told(errors: Any, said: str) -> None:
    with pytest.raises(ExtractError) as caught:
        judge({"data": {"orders": None}, "errors": errors})
    assert caught.value.message == f"GraphQL: {said}; check json.query and its variables"


@pytest.mark.parametrize(
    "error",
    [
        {"message": "slow", "extensions": {"code": "THROTTLED"}},
        {"message": "slow", "extensions": {"type": "rate_limited"}},
        {"message": "slow", "type": "RATE_LIMITED"},
    ],
)
def test_a_throttled_query_may_be_asked_again(error: Any) -> None:
    with pytest.raises(Transient) as caught:
        judge({"errors": [{"message": "slow"}, error]})
    assert caught.value.reason == "GraphQL: slow"
    assert not caught.value.counts
    assert caught.value.retry_after_seconds is None


@pytest.mark.parametrize(
    ("cost", "seconds"),
    [
        (
            {
                "requestedQueryCost": 502,
                "throttleStatus": {"currentlyAvailable": 2.0, "restoreRate": 50.0},
            },
            10.0,
        ),
        (
            {
                "requestedQueryCost": 5,
                "throttleStatus": {"currentlyAvailable": 9, "restoreRate": 50},
            },
            0.0,
        ),
        (
            {
                "requestedQueryCost": 5,
                "throttleStatus": {"currentlyAvailable": 0, "restoreRate": 0},
            },
            None,
        ),
        ({"requestedQueryCost": 5}, None),
    ],
)
def test_a_bucket_says_when_it_is_full_enough(cost: Any, seconds: float | None) -> None:
    error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
    with pytest.raises(Transient) as caught:
        judge({"errors": [error], "extensions": {"cost": cost}})
    assert caught.value.retry_after_seconds == seconds


@pytest.mark.parametrize("code", ["UNAUTHENTICATED", "FORBIDDEN", "ACCESS_DENIED"])
def test_who_is_not_let_in_is_told(code: str) -> None:
    with pytest.raises(BronzeError) as caught:
        judge({"errors": [{"message": "not you", "extensions": {"code": code}}]})
    assert type(caught.value) is AuthError
    assert "not you" in caught.value.message
