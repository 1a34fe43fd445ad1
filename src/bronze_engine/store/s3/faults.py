"""What S3 answers, and what its client raises, as the error that says what to do about it.

By type, code and status alone. The server's own words are repeated only where they say
which permission or parameter is meant, never where a credential was refused. What goes
wrong while credentials are found comes translated from `credentials`.
"""

from __future__ import annotations

import os
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, final
from urllib.parse import urlsplit

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    ProxyConnectionError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError

from bronze_engine.errors import AuthError, Conflict, StoreError
from bronze_engine.limits.transient import Transient, parse_retry_after
from bronze_engine.store.s3.foreign import leads_to

__all__ = ["FOREIGN", "BeyondEnd", "Missing", "translate"]


@final
class Missing(StoreError):
    """There is no such object, or no such upload."""


@final
class BeyondEnd(StoreError):
    """A range that begins at the end of the object, or after it."""


FOREIGN: Final = (
    BotoCoreError,
    ClientError,
    ResponseParserError,
    aiohttp.ClientError,
    OSError,  # TimeoutError is one
)
"""Everything that a call of the client raises for reasons outside this program."""

PERMISSION: Final = {
    "abort_multipart_upload": "s3:AbortMultipartUpload",
    "complete_multipart_upload": "s3:PutObject",
    "create_multipart_upload": "s3:PutObject",
    "delete_object": "s3:DeleteObject",
    "get_object": "s3:GetObject, or s3:ListBucket if there is no such object",
    "head_bucket": "s3:ListBucket",
    "head_object": "s3:GetObject, or s3:ListBucket if there is no such object",
    "list_multipart_uploads": "s3:ListBucketMultipartUploads",
    "list_objects_v2": "s3:ListBucket",
    "list_parts": "s3:ListMultipartUploadParts",
    "put_object": "s3:PutObject",
    "upload_part": "s3:PutObject",
}
"""What the policy of a user must allow for each operation; tags and keys of KMS need more."""

_CREDENTIAL: Final = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidToken",
        "InvalidTokenId",
        "MissingSecurityHeader",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UnrecognizedClientException",
    }
)
_THROTTLED: Final = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "SlowDownRead",
        "SlowDownWrite",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "TooManyRequestsException",
    }
)
_DAMAGED: Final = frozenset(
    {
        "BadDigest",
        "IncompleteBody",
        "InvalidDigest",
        "RequestTimeout",
        "XAmzContentChecksumMismatch",
        "XAmzContentSHA256Mismatch",
    }
)
"""Not all bytes arrived as they were sent. Nothing was stored, and sending again may help."""
_MISSING: Final = frozenset({"NoSuchKey", "NoSuchUpload", "NoSuchVersion", "NotFound", "404"})
_PASSING: Final = frozenset(
    {"InternalError", "InternalFailure", "OperationAborted", "ServiceUnavailable"}
)
_NEXT_STEP: Final = {
    "AllAccessDisabled": "the account is suspended; ask its owner",
    "AuthorizationHeaderMalformed": "the bucket is in another region; set region on the store",
    "EntityTooSmall": "the server wants larger parts than it was sent",
    "IllegalLocationConstraintException": "the bucket is in another region; set region",
    "InvalidBucketName": "no bucket can have this name; correct the url of the store",
    "InvalidRequest": "the server does not take this request",
    "KeyTooLongError": "a key has 1,024 bytes at the most; shorten the url of the store, or"
    " partition by fewer columns or shorter values",
    "NoSuchBucket": "there is no such bucket; create it, or correct the url of the store",
    "NotImplemented": "the server does not know this operation; use one that has all of S3's",
    "PermanentRedirect": "the bucket is in another region; set region on the store",
    "QuotaExceeded": "its quota is full; free some space and run again",
    "XMinioStorageFull": "the server's disks are full; free some space and run again",
}
_QUIET_BYTES: Final = 300


def translate(
    exc: BaseException, method: str, told: str, now: datetime, *, owner: str | None = None
) -> Exception:
    """The error to raise `from exc` where the client's `method` raised it.

    Transient for what may pass; AuthError; Conflict for a failed condition; Missing;
    BeyondEnd; StoreError for everything else. `told` names the operation in messages; a
    Retry-After that is a date is counted from `now`. `owner` is the account that the bucket
    was said to be of: another's is refused as what nobody may do.
    """
    if isinstance(exc, ClientError):
        return _answer(exc, method, told, now, owner)
    if isinstance(exc, HTTPClientError | BotoConnectionError):
        return _connection(exc, told)
    if isinstance(exc, FlexibleChecksumError):
        return Transient("the bytes that arrived do not have the object's checksum")
    if isinstance(exc, IncompleteReadError | ResponseParserError):
        return Transient("the answer was cut off")
    if isinstance(exc, TimeoutError):
        return Transient("no answer in time")
    if isinstance(exc, aiohttp.ClientError | OSError):
        return Transient("the connection broke")
    return StoreError(f"{told}: the client refused it ({type(exc).__name__})")


def _connection(exc: BotoCoreError, told: str) -> Exception:
    """What happened between us and the server, or the proxy."""
    cause = exc.kwargs.get("error")
    if isinstance(exc, SSLError):
        return StoreError(
            f"{told}: no TLS that both sides trust ({type(cause).__name__}); set ca_file on the "
            "store to the server's authority, and client_cert where it asks for one"
        )
    if isinstance(exc, ProxyConnectionError):
        status = getattr(cause, "status", None)
        if status is not None and status < 500:
            return StoreError(
                f"{told}: the proxy refused the connection ({status}); correct proxy on the store"
            )
        return Transient("the proxy can't be reached, or can't reach the server", is_sent=False)
    if isinstance(exc, ConnectTimeoutError):
        return Transient("no connection in time", is_sent=False)
    if isinstance(exc, ReadTimeoutError):
        return Transient("no answer in time")
    if isinstance(exc, ConnectionClosedError | ResponseStreamingError):
        return Transient("the server closed the connection")
    if isinstance(exc, EndpointConnectionError):
        return Transient(_unreachable(exc, cause), is_sent=False)
    if isinstance(cause, aiohttp.ClientError | OSError):
        return Transient(f"the connection broke ({type(cause).__name__})")
    return StoreError(f"{told}: the client failed ({type(cause).__name__})")


def _unreachable(exc: EndpointConnectionError, cause: object) -> str:
    url = urlsplit(str(exc.kwargs.get("endpoint_url")))
    where = f"{url.scheme}://{url.netloc.rpartition('@')[2]}"
    if isinstance(cause, aiohttp.ClientConnectorDNSError):
        return f"can't connect to {where}: its name can't be resolved"
    number = cause.errno if isinstance(cause, OSError) else None
    return f"can't connect to {where}: {os.strerror(number) if number else 'refused'}"


def _answer(
    exc: ClientError, method: str, told: str, now: datetime, owner: str | None
) -> Exception:
    """What the server said, by its code, else by its status."""
    answer: dict[str, Any] = exc.response
    code = str(answer.get("Error", {}).get("Code", ""))
    metadata = answer.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode", 0))
    retry_after = parse_retry_after(metadata.get("HTTPHeaders", {}).get("retry-after"), now)
    if code in _THROTTLED or status == 429 or (status == 503 and retry_after is not None):
        return Transient(
            f"it asks for fewer requests ({code or status})",
            counts=False,
            retry_after_seconds=retry_after,
            is_sent=False,  # what it refuses, it has not done
        )
    if code in _DAMAGED:
        return Transient(f"the bytes did not arrive as they were sent ({code})", is_sent=False)
    if code in _PASSING or (status >= 500 and status != 501 and code not in _NEXT_STEP):
        return Transient(f"the server failed ({code or status})", retry_after_seconds=retry_after)
    if code == "RequestTimeTooSkewed":
        return AuthError(f"{told}: {_skew(metadata, now)}; set it right, by NTP for example")
    if code in _CREDENTIAL or status == 401 or (method.startswith("head") and status == 400):
        return AuthError(
            f"{told}: the credentials were refused ({code or status}); renew them, or correct "
            "access_key_id and secret_access_key, and check this machine's clock"
        )
    if status == 412 or code in ("ConditionalRequestConflict", "PreconditionFailed"):
        return Conflict(f"{told}: {code or status}")
    if method == "head_bucket" and status == 404:
        code = "NoSuchBucket"  # an answer to HEAD has no body, and so no code
    if code not in _NEXT_STEP and (code in _MISSING or status == 404):
        return Missing(f"{told}: it does not exist; was it removed meanwhile?")
    if status == 416 or code == "InvalidRange":
        return BeyondEnd(f"{told}: the range begins after its end")
    if code not in _NEXT_STEP and (status == 403 or code == "AccessDenied"):
        or_else = f", or correct expected_bucket_owner ({owner})" if owner else ""
        return StoreError(
            f"{told}: access denied{_said(answer)}; grant {PERMISSION[method]}{or_else}",
            permission=PERMISSION[method],
        )
    if (origin := leads_to(metadata)) is not None:
        return StoreError(
            f"{told}: it is redirected to {origin} ({status}), which is not followed, for the "
            "request is signed for this server; set endpoint_url on the store to who answers"
        )
    if 300 <= status < 400 and code not in _NEXT_STEP:
        code = "PermanentRedirect"
    next_step = _NEXT_STEP.get(code, "the server refused it")
    return StoreError(f"{told}: {next_step} ({code or status}){_said(answer)}", code=code)


def _skew(metadata: dict[str, Any], now: datetime) -> str:
    """How far this machine's clock is from the server's, as its Date shows it."""
    what = "this machine's clock is too far from the server's"
    try:
        date = parsedate_to_datetime(metadata.get("HTTPHeaders", {}).get("date", ""))
    except ValueError:
        return what
    seconds = round((now - date).total_seconds()) if date.tzinfo is not None else 0
    return f"{what}, {abs(seconds)} s {'ahead' if seconds > 0 else 'behind'}" if seconds else what


def _said(answer: dict[str, Any]) -> str:
    """The server's words on one short line, where it has any."""
    words = " ".join(str(answer.get("Error", {}).get("Message", "")).split())
    return f": {words[:_QUIET_BYTES]}" if words else ""
