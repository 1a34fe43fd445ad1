"""The whole table of what S3 answers and its client raises, entry by entry."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import aiohttp
import botocore.exceptions as boto
import pytest
from aiohttp.client_reqrep import ConnectionKey
from botocore.parsers import ResponseParserError

from bronze_engine.errors import AuthError, Conflict, StoreError
from bronze_engine.limits.transient import Transient
from bronze_engine.store.s3 import faults as s3_faults
from bronze_engine.store.s3.faults import FOREIGN, BeyondEnd, Missing

pytestmark = pytest.mark.unit

CANARY = "canary-secret"
TOLD = "put_object s3://lake/key"
KEY = ConnectionKey("s3.example", 443, True, True, None, None, None)
PROXY = aiohttp.ClientHttpProxyError(None, (), status=407, message=CANARY)  # type: ignore[arg-type]
BAD_PROXY = aiohttp.ClientHttpProxyError(None, (), status=503, message=CANARY)  # type: ignore[arg-type]


NOW = datetime(2025, 1, 15, 12, 0, tzinfo=UTC)


def translate(exc: Exception, method: str, told: str) -> Exception:
    return s3_faults.translate(exc, method, told, NOW)


def answered(
    code: str | None,
    status: int,
    *,
    operation: str = "PutObject",
    message: str = "",
    headers: dict[str, str] | None = None,
) -> boto.ClientError:
    error = {} if code is None else {"Code": code, "Message": message}
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": headers or {}}
    return boto.ClientError({"Error": error, "ResponseMetadata": metadata}, operation)


ANSWERS: list[tuple[str | None, int, type[Exception]]] = [
    *((code, 403, AuthError) for code in sorted(s3_faults._CREDENTIAL)),
    ("RequestTimeTooSkewed", 403, AuthError),
    ("ExpiredToken", 400, AuthError),
    (None, 401, AuthError),
    *((code, 503, Transient) for code in sorted(s3_faults._THROTTLED)),
    (None, 429, Transient),
    *((code, 400, Transient) for code in sorted(s3_faults._DAMAGED)),
    *((code, 500, Transient) for code in sorted(s3_faults._PASSING)),
    (None, 500, Transient),
    (None, 502, Transient),
    (None, 503, Transient),
    (None, 504, Transient),
    ("Unheard", 500, Transient),
    *((code, 404, Missing) for code in sorted(s3_faults._MISSING)),
    ("PreconditionFailed", 412, Conflict),
    (None, 412, Conflict),
    ("ConditionalRequestConflict", 409, Conflict),
    ("InvalidRange", 416, BeyondEnd),
    ("AccessDenied", 403, StoreError),
    (None, 403, StoreError),
    ("Unheard", 403, StoreError),
    ("Unheard", 400, StoreError),
    (None, 301, StoreError),
    (None, 307, StoreError),
    (None, 501, StoreError),
    *((code, 400, StoreError) for code in sorted(s3_faults._NEXT_STEP)),
    ("NoSuchBucket", 404, StoreError),
    ("XMinioStorageFull", 507, StoreError),
    ("NotImplemented", 501, StoreError),
]


@pytest.mark.parametrize(("code", "status", "expected"), ANSWERS)
def test_answers(code: str | None, status: int, expected: type[Exception]) -> None:
    error = translate(answered(code, status, message=CANARY), "put_object", TOLD)
    assert type(error) is expected
    if isinstance(error, AuthError | Transient):
        assert CANARY not in str(error)
    elif isinstance(error, StoreError):
        assert error.message.startswith(TOLD)


@pytest.mark.parametrize("code", sorted(s3_faults._NEXT_STEP))
def test_what_to_do_next_is_told(code: str) -> None:
    error = translate(answered(code, 400), "put_object", TOLD)
    assert s3_faults._NEXT_STEP[code] in str(error)


@pytest.mark.parametrize(
    ("date", "told"),
    [
        ("Wed, 15 Jan 2025 11:40:00 GMT", "too far from the server's, 1200 s ahead; set it right"),
        ("Wed, 15 Jan 2025 13:00:00 GMT", "too far from the server's, 3600 s behind; set it"),
        ("Wed, 15 Jan 2025 13:00:00 -0000", "too far from the server's; set it right"),
        ("no date", "too far from the server's; set it right"),
    ],
)
def test_a_clock_that_is_off_is_told_with_how_far(date: str, told: str) -> None:
    refused = answered("RequestTimeTooSkewed", 403, headers={"date": date})
    assert told in str(translate(refused, "put_object", TOLD))


CONNECTIONS: list[tuple[Exception, type[Exception], bool | None]] = [
    (boto.EndpointConnectionError(endpoint_url="u", error=OSError(CANARY)), Transient, False),
    (boto.ConnectTimeoutError(endpoint_url="u", error=CANARY), Transient, False),
    (
        boto.ProxyConnectionError(
            proxy_url="p", error=aiohttp.ClientProxyConnectionError(KEY, OSError(CANARY))
        ),
        Transient,
        False,
    ),
    (boto.ProxyConnectionError(proxy_url="p", error=BAD_PROXY), Transient, False),
    (boto.ProxyConnectionError(proxy_url="p", error=PROXY), StoreError, None),
    (boto.SSLError(endpoint_url="u", error=CANARY), StoreError, None),
    (boto.ReadTimeoutError(endpoint_url="u", error=CANARY), Transient, True),
    (boto.ConnectionClosedError(endpoint_url="u", error=CANARY), Transient, True),
    (boto.ResponseStreamingError(error=CANARY), Transient, True),
    (boto.HTTPClientError(error=aiohttp.ClientError(CANARY)), Transient, True),
    (boto.HTTPClientError(error=ConnectionResetError(CANARY)), Transient, True),
    (boto.HTTPClientError(error=ValueError(CANARY)), StoreError, None),
    (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), Transient, True),
    (boto.FlexibleChecksumError(error_msg=CANARY), Transient, True),
    (ResponseParserError(CANARY), Transient, True),
    (aiohttp.ClientPayloadError(CANARY), Transient, True),
    (aiohttp.ServerDisconnectedError(CANARY), Transient, True),
    (TimeoutError(CANARY), Transient, True),
    (ConnectionResetError(CANARY), Transient, True),
    (boto.ParamValidationError(report=CANARY), StoreError, None),
]


@pytest.mark.parametrize(
    ("raised", "expected", "is_sent"),
    CONNECTIONS,
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_the_client_raises(
    raised: Exception, expected: type[Exception], is_sent: bool | None
) -> None:
    assert isinstance(raised, FOREIGN)
    error = translate(raised, "put_object", TOLD)
    assert type(error) is expected
    assert CANARY not in str(error)
    if isinstance(error, Transient):
        assert error.is_sent is is_sent


@pytest.mark.parametrize(
    ("headers", "seconds", "counts"),
    [
        ({}, None, True),
        ({"retry-after": "7"}, 7.0, False),
        ({"retry-after": "Wed, 15 Jan 2025 12:00:30 GMT"}, 30.0, False),
        ({"retry-after": "soon"}, None, True),
    ],
)
def test_a_server_that_asks_for_a_pause_gets_it(
    headers: dict[str, str], seconds: float | None, counts: bool
) -> None:
    error = translate(answered("ServiceUnavailable", 503, headers=headers), "get_object", TOLD)
    assert isinstance(error, Transient)
    assert error.retry_after_seconds == seconds
    assert error.counts is counts


@pytest.mark.parametrize(("code", "status"), [("SlowDown", 503), (None, 429)])
def test_a_throttle_is_no_failure_and_nothing_was_done(code: str | None, status: int) -> None:
    error = translate(answered(code, status), "put_object", TOLD)
    assert isinstance(error, Transient)
    assert (error.counts, error.is_sent) == (False, False)


def test_an_answer_to_head_has_no_code() -> None:
    heads: list[tuple[str, int, type[Exception], str]] = [
        ("head_object", 400, AuthError, "renew them"),
        ("head_object", 403, StoreError, "s3:GetObject"),
        ("head_object", 404, Missing, "does not exist"),
        ("head_bucket", 404, StoreError, "create it"),
        ("head_bucket", 403, StoreError, "s3:ListBucket"),
    ]
    for method, status, expected, told in heads:
        error = translate(answered(str(status), status), method, TOLD)
        assert type(error) is expected
        assert told in str(error)


@pytest.mark.parametrize(("method", "permission"), sorted(s3_faults.PERMISSION.items()))
def test_the_missing_permission_is_named(method: str, permission: str) -> None:
    error = translate(answered("AccessDenied", 403, message="not you,\n sorry"), method, TOLD)
    assert isinstance(error, StoreError)
    assert str(error) == f"STG001 {TOLD}: access denied: not you, sorry; grant {permission}"
    assert error.context["permission"] == permission


def test_a_long_answer_is_cut() -> None:
    error = translate(answered("Unheard", 400, message="x" * 10_000), "put_object", TOLD)
    assert len(str(error)) < 500


def test_every_error_of_botocore_is_foreign() -> None:
    for value in vars(boto).values():
        if isinstance(value, type) and issubclass(value, boto.BotoCoreError | boto.ClientError):
            assert issubclass(value, FOREIGN)


def test_an_answer_without_anything_is_a_refusal() -> None:
    nothing: dict[str, Any] = {}
    error = translate(boto.ClientError(nothing, "PutObject"), "put_object", TOLD)
    assert type(error) is StoreError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (aiohttp.ClientConnectorError(KEY, OSError(111, "x")), "Connection refused"),
        (aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "x")), "its name can't be resolved"),
        (OSError("x"), "refused"),
    ],
)
def test_a_server_that_is_not_there_is_named_without_its_credentials(
    error: Exception, said: str
) -> None:
    url = f"http://user:{CANARY}@minio:9000/lake/key?token={CANARY}"
    found = translate(
        boto.EndpointConnectionError(endpoint_url=url, error=error), "get_object", TOLD
    )
    assert isinstance(found, Transient)
    assert found.reason == f"can't connect to http://minio:9000: {said}"
