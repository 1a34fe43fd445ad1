"""A 400 or 403 that is no refusal: codes by which APIs say that requests come too fast.

Google's older APIs (https://developers.google.com/workspace/drive/api/guides/handle-errors) and
Salesforce answer so, and say nothing of how long; of GitHub's secondary limits at least a minute is
to be waited for (https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api).
Meta (https://developers.facebook.com/docs/graph-api/overview/rate-limiting) and AWS
(https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/CommonErrors.html) do it by 400.
"""

from __future__ import annotations

from typing import Final

__all__ = ["GITHUB_SECONDS", "is_github_secondary", "is_throttled", "is_transient"]

GITHUB_SECONDS: Final = 60.0

_CODES: Final = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "REQUEST_LIMIT_EXCEEDED"})
_KEYS: Final = ("reason", "errorCode")
_META: Final = frozenset({4, 17, 32, 613, *range(80000, 80015)})
_AWS: Final = frozenset(
    {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"}
    | {"ThrottledException", "ProvisionedThroughputExceededException"}
)
_GITHUB: Final = ("secondary-rate-limit", "abuse-rate-limit")
_DEEPEST: Final = 4


def is_throttled(value: object, depth: int = 0) -> bool:
    """Whether a decoded error has one of the codes."""
    match value:
        case {"error": {"code": int(code), "fbtrace_id": str()}}:
            return code in _META
        case {"__type": str(name)} if name.rpartition("#")[2] in _AWS:
            return True
        case dict() if depth < _DEEPEST:
            if any(value.get(key) in _CODES for key in _KEYS if isinstance(value.get(key), str)):
                return True
            return any(is_throttled(each, depth + 1) for each in value.values())
        case list() if depth < _DEEPEST:
            return any(is_throttled(each, depth + 1) for each in value)
        case _:
            return False


def is_transient(value: object) -> bool:
    """Whether a decoded error is one of Meta's that may be gone at the next attempt."""
    match value:
        case {"error": {"is_transient": True}}:
            return True
        case _:
            return False


def is_github_secondary(value: object) -> bool:
    """Whether a decoded error is one of GitHub's that its documentation says to wait for."""
    match value:
        case {"documentation_url": str(url)}:
            return any(name in url for name in _GITHUB)
        case _:
            return False
