"""What goes wrong between us and Azure, by type, status and error code.

    on the wire (aiohttp)               -> Transient, with whether it was sent; Unusable
    an answer of the service            -> by its `x-ms-error-code`, else by its status
    no token (azure-identity)           -> AuthError; Transient where its server is silent

`Missing`, `PastEnd`, `BlocksGone` and `Conflict` are answers that the store asked for: it
judges them itself. Codes: https://learn.microsoft.com/rest/api/storageservices/
blob-service-error-codes and common-rest-api-error-codes.
"""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime
from typing import Any, Final, Literal

import aiohttp
import msgspec
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from bronze_engine.errors import AuthError, Conflict, RetryError, StoreError
from bronze_engine.limits.transient import Transient, parse_retry_after

__all__ = [
    "CODES",
    "NEXT_STEPS",
    "STATUSES",
    "WIRE_ERRORS",
    "Action",
    "BlocksGone",
    "Kind",
    "Missing",
    "PastEnd",
    "Permission",
    "Unusable",
    "is_lost",
    "of_answer",
    "of_refusal",
    "of_wire",
]

Permission = Literal["read", "write", "delete", "list"]

WIRE_ERRORS: Final = (aiohttp.ClientError, OSError)
"""What aiohttp raises while connecting, sending and reading; TimeoutError is an OSError."""


class Unusable(Exception):
    """The endpoint can't be talked to, now or later; `of_refusal` makes a StoreError of it."""


class Missing(Exception):
    """There is no such blob."""


class PastEnd(Exception):
    """The range begins at or behind the end of the blob."""


class BlocksGone(Exception):
    """Blocks that were to be committed are not there (any more)."""


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One request, as messages speak of it."""

    text: str
    """`PUT az://container/key`"""
    container: str
    """Its name."""
    needs: Permission


Kind = Literal[
    "missing",
    "conflict",
    "past end",
    "blocks gone",
    "throttle",
    "transient",
    "corrupt",
    "credential",
    "permission",
    "container",
    "refused",
]
"""What an answer means for whoever asked."""

CODES: Final[dict[str, Kind]] = {
    "BlobNotFound": "missing",
    "ResourceNotFound": "missing",
    "PathNotFound": "missing",
    "BlobAlreadyExists": "conflict",
    "ConditionNotMet": "conflict",
    "TargetConditionNotMet": "conflict",
    "InvalidRange": "past end",
    "InvalidBlockList": "blocks gone",
    "ServerBusy": "throttle",
    "TooManyRequests": "throttle",
    "InternalError": "transient",
    "OperationTimedOut": "transient",
    "Md5Mismatch": "corrupt",
    "Crc64Mismatch": "corrupt",
    "InvalidOperation": "corrupt",  # so says Azurite; the service, of snapshots, which we have none
    "AuthenticationFailed": "credential",
    "InvalidAuthenticationInfo": "credential",
    "NoAuthenticationInformation": "credential",
    "KeyBasedAuthenticationNotPermitted": "credential",
    "AuthorizationFailure": "permission",
    "AuthorizationPermissionMismatch": "permission",
    "AuthorizationProtocolMismatch": "permission",
    "AuthorizationResourceTypeMismatch": "permission",
    "AuthorizationServiceMismatch": "permission",
    "AuthorizationSourceIPMismatch": "permission",
    "InsufficientAccountPermissions": "permission",
    "UnauthorizedBlobOverwrite": "permission",
    "PublicAccessNotPermitted": "permission",
    "ContainerNotFound": "container",
    "ContainerBeingDeleted": "container",
    "ContainerDisabled": "container",
}
"""Codes that say more than their status; others are refusals, see `NEXT_STEPS`."""

STATUSES: Final[dict[int, Kind]] = {
    401: "credential",
    403: "permission",
    408: "transient",
    429: "throttle",
    500: "transient",
    502: "transient",
    503: "transient",
    504: "transient",
}
"""For answers without a code, of a gateway in between; only the service itself can say that
a blob is missing or another."""

NEXT_STEPS: Final = {
    "LeaseIdMissing": "somebody holds a lease on this blob; break it",
    "BlobImmutableDueToPolicy": "the container has an immutability policy or a legal hold; land "
    "into one without: manifests are replaced, and superseded files removed",
    "SnapshotsPresent": "the blob has snapshots; delete them, or keep backups elsewhere",
    "BlobArchived": "a lifecycle rule has archived the blob; rehydrate it, and except this prefix",
    "BlobBeingRehydrated": "the blob comes back from the archive; wait until it is there",
    "InvalidBlobType": "an append or page blob stands there; remove it",
    "InvalidBlobOrBlock": "blocks of another program stand there; they go by themselves after a "
    "week, or when an empty blob of that name is written and deleted",
    "BlockCountExceedsLimit": "the file has more than 50,000 blocks; raise max_bytes_per_file "
    "less far",
    "AccountIsDisabled": "the storage account is disabled",
    "InvalidResourceName": "check the container and the prefix in the url",
    "OutOfRangeInput": "check the container and the prefix in the url",
}

_UNKNOWN: Final = "see this error code in Azure's documentation"
_FOREIGN: Final = "this is no answer of Azure Storage; check endpoint_url and proxy of the store"
_ROLE: Final = "Storage Blob Data Contributor"
_LETTERS: Final[dict[Permission, str]] = {"read": "r", "write": "cw", "delete": "d", "list": "l"}


def of_answer(exc: AzureError, action: Action) -> Exception:
    """What `exc`, raised for one request, means: to be raised `from exc`."""
    response: Any = exc.response if isinstance(exc, HttpResponseError) else None
    if response is None:
        return _without_answer(exc, action)
    status = int(response.status_code or 0)
    code = str(response.headers.get("x-ms-error-code") or "")
    said = f"{status} {code}".strip()
    match _kind(status, code):
        case "missing":
            return Missing(action.text)
        case "conflict":
            return Conflict(action.text)
        case "past end":
            return PastEnd(action.text)
        case "blocks gone":
            return BlocksGone(action.text)
        case "throttle":
            # Refused before it was done, so that a conditional put may be sent again.
            return Transient(
                said, counts=False, retry_after_seconds=_retry_after(response), is_sent=False
            )
        case "transient":
            return Transient(said, retry_after_seconds=_pause(status, response))
        case "corrupt":  # and so was not done
            return Transient(f"the bytes changed on the way ({said})", is_sent=False)
        case "credential":
            return AuthError(
                f"{action.text}: the credential was refused ({said}). Check account_key, sas_token "
                "(its dates, too) or connection_string of the store, and this machine's clock",
                status=status,
                error=code,
            )
        case "permission":
            return StoreError(
                f"{action.text}: the credential may not {action.needs} here ({said}). Give it the "
                f'role "{_ROLE}" on the container {action.container}, or a SAS with '
                f"sp={_LETTERS[action.needs]} (all that is needed: sp=rcwdl), and let the "
                "account's firewall pass this machine",
                status=status,
                error=code,
                permission=action.needs,
            )
        case "container":
            return StoreError(
                f"{action.text}: the container {action.container} is not there ({said}). Create "
                f"it: az storage container create --name {action.container}",
                status=status,
                error=code,
            )
        case _:
            step = NEXT_STEPS.get(code, _UNKNOWN if code else _FOREIGN)
            return StoreError(f"{action.text}: refused ({said}): {step}", status=status, error=code)


def _kind(status: int, code: str) -> Kind:
    if code in CODES:
        return CODES[code]
    if code in NEXT_STEPS:
        return "refused"
    return STATUSES.get(status, "refused")


def _without_answer(exc: AzureError, action: Action) -> Exception:
    match exc:
        case ClientAuthenticationError():
            return AuthError(
                f"{action.text}: there is no usable credential ({type(exc).__name__}). Set "
                "account_key (base64), sas_token or connection_string of the store, or "
                "AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING, "
                "or sign in with something that DefaultAzureCredential finds: a managed identity, "
                "`az login`, AZURE_CLIENT_ID with AZURE_TENANT_ID and AZURE_CLIENT_SECRET"
            )
        case ServiceRequestError() | ServiceResponseError():
            # Our own transport raises none of these, so they are of the token's server.
            return Transient(f"no token: {type(exc).__name__}", is_sent=False)
        case _:
            return Transient(f"the answer can't be understood: {type(exc).__name__}")


def _retry_after(response: Any) -> float | None:
    return parse_retry_after(response.headers.get("Retry-After"), datetime.now(UTC))


def _pause(status: int, response: Any) -> float | None:
    return _retry_after(response) if status == 503 else None


def of_wire(exc: BaseException) -> Transient | Unusable:
    """What an error of aiohttp means, without its text: that may hold the URL, which a SAS is
    part of, or the proxy's password."""
    match exc:
        case aiohttp.ConnectionTimeoutError():
            return Transient("no connection within the connect timeout", is_sent=False)
        case aiohttp.ServerTimeoutError():
            return Transient("silence for longer than the read timeout")
        case aiohttp.ClientConnectorDNSError():
            return Transient(f"the name {exc.host} can't be resolved", is_sent=False)
        case aiohttp.ClientConnectorCertificateError():
            return Unusable(
                f"the certificate of {exc.host} is not trusted ({exc.certificate_error}); name the "
                "PEM file of its authority in ca_file of the store"
            )
        case aiohttp.ClientConnectorSSLError():
            return Transient(f"TLS failed: {exc.strerror or type(exc).__name__}", is_sent=False)
        case aiohttp.ClientProxyConnectionError():
            return Transient(f"no connection to the proxy: {exc.strerror}", is_sent=False)
        case aiohttp.ClientHttpProxyError():
            if exc.status >= 500:
                return Transient(f"the proxy answered {exc.status}", is_sent=False)
            return Unusable(
                f"the proxy answered {exc.status}; check proxy of the store, with user and "
                "password in its URL where it asks for them, or HTTPS_PROXY"
            )
        case aiohttp.ClientConnectorError():
            why = os.strerror(exc.errno) if exc.errno else exc.strerror or "refused"
            return Transient(f"no connection: {why}", is_sent=False)
        case aiohttp.ServerDisconnectedError():
            return Transient("the server closed the connection without an answer")
        case aiohttp.ClientPayloadError():
            return Transient("the answer was cut off")
        case aiohttp.ClientResponseError():
            return Transient("the answer is no HTTP")
        case TimeoutError():
            return Transient("the server took no more of the request for the read timeout")
        case aiohttp.ClientOSError() if _is_verdict(exc.__cause__):
            # TLS 1.3: a server refuses our certificate only after the handshake.
            return Unusable("the server has ended TLS; check client_cert of the store")
        case aiohttp.ClientConnectionError() | OSError():
            return Transient(f"the connection broke: {type(exc).__name__}")
        case _:
            return Unusable(f"it can't be asked ({type(exc).__name__}); check endpoint_url")


def _is_verdict(exc: BaseException | None) -> bool:
    """Whether TLS was ended on purpose, and not by a connection that broke."""
    broke = ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError
    return isinstance(exc, ssl.SSLError) and not isinstance(exc, broke)


def of_refusal(exc: Unusable, action: Action) -> StoreError:
    return StoreError(f"{action.text}: {exc}")


def is_lost(exc: RetryError) -> bool:
    """Whether the operation that was not repeated may have been applied all the same."""
    return isinstance(exc.__cause__, Transient) and exc.__cause__.is_sent
