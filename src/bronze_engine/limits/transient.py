"""A failure that may pass, and the pause that a server asks for with it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

__all__ = [
    "Transient",
    "asks_for_pause",
    "instant_seconds",
    "parse_instant",
    "parse_retry_after",
]

_SECONDS: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")
_FIRST_INSTANT: Final = 1e9
"""From here on a number is no count of seconds but an instant: of 2001 or later."""
_FIRST_MILLISECOND: Final = 1e12


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


def parse_retry_after(text: str | None, now: datetime, date: str | None = None) -> float | None:
    """Seconds from `now` that a Retry-After header asks for; None where it makes no sense.

    Either a number of seconds or an HTTP date, 0.0 when that lies in the past
    (https://www.rfc-editor.org/rfc/rfc9110#field.retry-after); also what servers send in
    its place, an instant in seconds or milliseconds since 1970 or by ISO 8601; of several
    numbers, as a gateway and its server have each sent one, the largest. Instants
    are compared with `date`, the Date of the same answer, where it has one: the clocks may
    differ.
    """
    text = (text or "").strip()
    if "," in text and all(_SECONDS.fullmatch(each.strip()) for each in text.split(",")):
        text = max(text.split(","), key=float).strip()
    now = (parse_instant(date) if date else None) or now
    if _SECONDS.fullmatch(text):
        number = float(text)
        at = instant_seconds(number)
        return number if at is None else max(0.0, at - now.timestamp())
    until = parse_instant(text)
    return None if until is None else max(0.0, (until - now).total_seconds())


def instant_seconds(number: float) -> float | None:
    """Seconds since 1970 of a number that is an instant, in seconds or in milliseconds; None of
    one that is a count of seconds."""
    if number < _FIRST_INSTANT:
        return None
    return number / 1000 if number >= _FIRST_MILLISECOND else number


def parse_instant(text: str) -> datetime | None:
    """The instant that an ISO 8601 or HTTP date says, in UTC where it names no zone, or None."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        try:
            instant = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
