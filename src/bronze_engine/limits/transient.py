"""A failure that may pass, and the pause that a server asks for with it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["Transient", "asks_for_pause", "parse_retry_after"]

_SECONDS = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")


class Transient(Exception):
    """An attempt failed in a way that may pass. Only the retry loop sees it.

    `reason` is shown to people and holds no secret. `counts` says that the server is not
    well (a timeout, a connection error, a 5xx); False that it is well and only wants to
    be left alone (429). `retry_after_seconds` is the pause that it asked for, where it
    did (`parse_retry_after`). With either the failure is a pause: it uses no attempt,
    does not count for the breaker, and holds for the whole limit group.
    `is_sent` is False where the request has certainly not reached the server.
    Raise it `from` the error of the client library.
    """

    def __init__(
        self,
        reason: str,
        *,
        counts: bool = True,
        retry_after_seconds: float | None = None,
        is_sent: bool = True,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds
        self.is_sent = is_sent
        self.counts = counts and retry_after_seconds is None


def asks_for_pause(exc: Transient) -> bool:
    """Whether the server is well, and wants to be left alone."""
    return exc.retry_after_seconds is not None or not exc.counts


def parse_retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds from `now` that a Retry-After header asks for; None where it makes no sense.

    Either a number of seconds or an HTTP date, 0.0 when that lies in the past
    (https://www.rfc-editor.org/rfc/rfc9110#field.retry-after).
    """
    text = (text or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if until.tzinfo is None:  # "-0000" and the asctime form: UTC by RFC 9110
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - now).total_seconds())
