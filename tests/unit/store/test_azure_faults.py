"""The whole table of what Azure and the wire may say, entry by entry."""

from __future__ import annotations

import ssl
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
import yarl
from aiohttp.client_reqrep import ConnectionKey, RequestInfo
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from multidict import CIMultiDict, CIMultiDictProxy

from bronze_engine.errors import AuthError, BronzeError, Conflict, RetryError, StoreError
from bronze_engine.limits.transient import Transient
from bronze_engine.store.azure.faults import (
    CODES,
    NEXT_STEPS,
    STATUSES,
    Action,
    BlocksGone,
    Kind,
    Missing,
    PastEnd,
    Unusable,
    is_lost,
    of_answer,
    of_wire,
)

pytestmark = pytest.mark.unit

ACTION = Action(text="PUT az://lake/x/k", container="lake", needs="write")

TYPES: dict[Kind, type[Exception]] = {
    "missing": Missing,
    "conflict": Conflict,
    "past end": PastEnd,
    "blocks gone": BlocksGone,
    "throttle": Transient,
    "transient": Transient,
    "corrupt": Transient,
    "credential": AuthError,
    "permission": StoreError,
    "container": StoreError,
    "refused": StoreError,
}

# As the documentation of the service has them, with the statuses that they come with.
DOCUMENTED: tuple[tuple[int, str, Kind], ...] = (
    (404, "BlobNotFound", "missing"),
    (404, "ResourceNotFound", "missing"),
    (404, "PathNotFound", "missing"),
    (409, "BlobAlreadyExists", "conflict"),
    (412, "ConditionNotMet", "conflict"),
    (412, "TargetConditionNotMet", "conflict"),
    (416, "InvalidRange", "past end"),
    (400, "InvalidBlockList", "blocks gone"),
    (503, "ServerBusy", "throttle"),
    (429, "TooManyRequests", "throttle"),
    (500, "InternalError", "transient"),
    (500, "OperationTimedOut", "transient"),
    (400, "Md5Mismatch", "corrupt"),
    (400, "Crc64Mismatch", "corrupt"),
    (400, "InvalidOperation", "corrupt"),
    (403, "AuthenticationFailed", "credential"),
    (400, "InvalidAuthenticationInfo", "credential"),
    (401, "NoAuthenticationInformation", "credential"),
    (403, "KeyBasedAuthenticationNotPermitted", "credential"),
    (403, "AuthorizationFailure", "permission"),
    (403, "AuthorizationPermissionMismatch", "permission"),
    (403, "AuthorizationProtocolMismatch", "permission"),
    (403, "AuthorizationResourceTypeMismatch", "permission"),
    (403, "AuthorizationServiceMismatch", "permission"),
    (403, "AuthorizationSourceIPMismatch", "permission"),
    (403, "InsufficientAccountPermissions", "permission"),
    (403, "UnauthorizedBlobOverwrite", "permission"),
    (409, "PublicAccessNotPermitted", "permission"),
    (404, "ContainerNotFound", "container"),
    (409, "ContainerBeingDeleted", "container"),
    (409, "ContainerDisabled", "container"),
)

BY_STATUS: tuple[tuple[int, Kind], ...] = (
    (307, "refused"),
    (400, "refused"),
    (401, "credential"),
    (403, "permission"),
    (404, "refused"),
    (408, "transient"),
    (409, "refused"),
    (412, "refused"),
    (413, "refused"),
    (416, "refused"),
    (429, "throttle"),
    (500, "transient"),
    (501, "refused"),
    (502, "transient"),
    (503, "transient"),
    (504, "transient"),
    (505, "refused"),
)


def answered(status: int, code: str = "", **headers: str) -> HttpResponseError:
    """As the SDK raises it; its text is the server's, and must not be repeated."""
    fields = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    if code:
        fields["x-ms-error-code"] = code
    response: Any = SimpleNamespace(status_code=status, reason="X", headers=fields, text=str)
    return HttpResponseError(message="canary: the server's own words", response=response)


@pytest.mark.parametrize(("status", "code", "kind"), DOCUMENTED, ids=[row[1] for row in DOCUMENTED])
def test_code_decides(status: int, code: str, kind: Kind) -> None:
    error = of_answer(answered(status, code), ACTION)
    assert type(error) is TYPES[kind]
    assert "canary" not in str(error)


def test_every_code_is_in_the_test() -> None:
    assert {code: kind for _, code, kind in DOCUMENTED} == CODES


@pytest.mark.parametrize(("status", "kind"), BY_STATUS)
def test_status_decides_without_a_code(status: int, kind: Kind) -> None:
    for code in ("", "SomethingNew"):
        error = of_answer(answered(status, code), ACTION)
        assert type(error) is TYPES[kind]
        if isinstance(error, BronzeError):
            assert str(status) in error.message
            assert code in error.message


def test_every_status_is_in_the_test() -> None:
    assert {status: kind for status, kind in BY_STATUS if kind != "refused"} == STATUSES


@pytest.mark.parametrize("code", NEXT_STEPS)
@pytest.mark.parametrize("status", [400, 403, 409, 412])
def test_refusal_with_a_next_step_is_no_conflict_whatever_its_status(
    code: str, status: int
) -> None:
    """A lease of somebody (412) or a policy (409) would else look like another's commit."""
    error = of_answer(answered(status, code), ACTION)
    assert isinstance(error, StoreError)
    assert NEXT_STEPS[code] in error.message
    assert error.message.startswith("PUT az://lake/x/k: ")


def test_permission_names_what_is_missing_and_where() -> None:
    error = of_answer(answered(403, "AuthorizationPermissionMismatch"), ACTION)
    assert isinstance(error, StoreError)
    for text in (
        "may not write",
        "Storage Blob Data Contributor",
        "the container lake",
        "sp=rcwdl",
    ):
        assert text in error.message
    assert error.context["permission"] == "write"


@pytest.mark.parametrize(
    ("error", "counts", "pause", "is_sent"),
    [
        (answered(500, "InternalError"), True, None, True),
        (answered(500, "OperationTimedOut"), True, None, True),
        (answered(503, "ServerBusy"), False, None, False),
        (answered(503, "ServerBusy", Retry_After="7"), False, 7.0, False),
        (answered(429, Retry_After="2"), False, 2.0, False),
        (answered(503), True, None, True),
        (answered(503, Retry_After="3"), False, 3.0, True),
        (answered(502, Retry_After="3"), True, None, True),
        (answered(400, "Md5Mismatch"), True, None, False),
    ],
)
def test_transient_says_whether_it_counts_pauses_and_may_have_been_applied(
    error: HttpResponseError, counts: bool, pause: float | None, is_sent: bool
) -> None:
    found = of_answer(error, ACTION)
    assert isinstance(found, Transient)
    assert (found.counts, found.retry_after_seconds, found.is_sent) == (counts, pause, is_sent)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ClientAuthenticationError("nobody is signed in"), AuthError),
        (ServiceRequestError("canary: login"), Transient),
        (ServiceResponseError("canary: login"), Transient),
        (DecodeError("canary: no XML"), Transient),
        (AzureError("canary: else"), Transient),
    ],
)
def test_error_without_an_answer(error: AzureError, expected: type[Exception]) -> None:
    found = of_answer(error, ACTION)
    assert type(found) is expected
    assert "canary" not in str(found)


def test_silent_token_server_means_that_nothing_was_sent() -> None:
    for error in (ServiceRequestError("x"), ServiceResponseError("x")):
        found = of_answer(error, ACTION)
        assert isinstance(found, Transient)
        assert not found.is_sent
    unclear = of_answer(DecodeError("x"), ACTION)
    assert isinstance(unclear, Transient)
    assert unclear.is_sent


URL = yarl.URL("https://account.blob.core.windows.net/lake/k?sig=canary-signature")
KEY = ConnectionKey(
    "account.blob.core.windows.net",
    443,
    True,
    True,
    yarl.URL("http://me:canary-password@proxy:3128"),
    None,
    None,
)
INFO = RequestInfo(URL, "PUT", CIMultiDictProxy(CIMultiDict()), URL)


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


WIRE: tuple[tuple[Exception, type[Exception], bool], ...] = (
    (aiohttp.ConnectionTimeoutError("canary"), Transient, False),
    (aiohttp.SocketTimeoutError("canary"), Transient, True),
    (aiohttp.ServerTimeoutError("canary"), Transient, True),
    (aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "no such name")), Transient, False),
    (aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLError("self-signed")), Unusable, False),
    (aiohttp.ClientConnectorSSLError(KEY, OSError(1, "wrong version")), Transient, False),
    (aiohttp.ClientProxyConnectionError(KEY, OSError(111, "refused")), Transient, False),
    (aiohttp.ClientHttpProxyError(INFO, (), status=502), Transient, False),
    (aiohttp.ClientHttpProxyError(INFO, (), status=407), Unusable, False),
    (aiohttp.ClientConnectorError(KEY, OSError(111, "refused")), Transient, False),
    (aiohttp.ServerDisconnectedError(), Transient, True),
    (aiohttp.ClientPayloadError("canary"), Transient, True),
    (aiohttp.ClientResponseError(INFO, (), status=400, message="canary"), Transient, True),
    (TimeoutError("canary"), Transient, True),
    (aiohttp.ClientOSError(104, "reset"), Transient, True),
    (caused(aiohttp.ClientOSError(1, "x"), ssl.SSLEOFError(8, "eof")), Transient, True),
    (caused(aiohttp.ClientOSError(1, "x"), ssl.SSLError(1, "cert required")), Unusable, False),
    (aiohttp.ClientConnectionError("canary"), Transient, True),
    (ConnectionResetError(104, "reset"), Transient, True),
    (OSError(5, "canary"), Transient, True),
    (aiohttp.InvalidURL(URL), Unusable, False),
    (aiohttp.ClientError("canary"), Unusable, False),
)


@pytest.mark.parametrize(
    ("error", "expected", "is_sent"), WIRE, ids=[type(row[0]).__name__ for row in WIRE]
)
def test_error_of_the_wire(error: Exception, expected: type[Exception], is_sent: bool) -> None:
    found = of_wire(error)
    assert type(found) is expected
    assert "canary" not in str(found)
    if isinstance(found, Transient):
        assert (found.is_sent, found.counts) == (is_sent, True)


def test_outcome_is_lost_only_where_the_last_attempt_was_sent() -> None:
    for cause, expected in (
        (Transient("x"), True),
        (Transient("x", is_sent=False), False),
        (None, False),
    ):
        error = RetryError("spent")
        error.__cause__ = cause
        assert is_lost(error) is expected
