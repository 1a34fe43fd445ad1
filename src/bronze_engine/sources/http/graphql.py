"""What a GraphQL server says is wrong, in an answer whose status is 200."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from bronze_engine.errors import AuthError, ExtractError
from bronze_engine.limits.transient import Transient
from bronze_engine.sources.http.status import shortened

__all__ = ["refuse_errors"]

_THROTTLED: Final = frozenset({"THROTTLED", "RATE_LIMITED", "RATE_LIMIT", "RATELIMITED"})
"""Shopify's and GitHub's; the others are spelt so by servers that follow one of them."""
_REFUSED: Final = frozenset({"UNAUTHENTICATED", "FORBIDDEN", "ACCESS_DENIED"})
"""Apollo's and Shopify's."""


class _Reply(msgspec.Struct):
    errors: Any = None
    extensions: Any = None


_REPLY: Final = msgspec.json.Decoder(_Reply)


def refuse_errors(body: bytes | bytearray, scrub: Callable[[str], str]) -> None:
    """Return for an answer without errors, and for what is no JSON object.

    Raises Transient where the server throttles, AuthError where it lets us not in, and
    ExtractError for every other error, also where there are data beside it: what is missing
    of them nobody can tell. `scrub` takes secrets out of the server's text. Walks the whole
    body, without keeping it: runs in a worker.
    """
    try:
        reply = _REPLY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return  # for the reader of the records to judge
    errors = reply.errors if isinstance(reply.errors, list) else [reply.errors]
    if not any(errors):
        return
    said = shortened(scrub(next((text for text in map(_message, errors) if text), "an error")))
    codes = {code for error in errors for code in _codes(error)}
    if codes & _THROTTLED:
        raise Transient(
            f"GraphQL: {said}",
            counts=False,
            retry_after_seconds=_restored_after(reply.extensions),
        )
    if codes & _REFUSED:
        raise AuthError(f"GraphQL: {said}; check that the API's [auth] may read this")
    raise ExtractError(f"GraphQL: {said}; check json.query and its variables")


def _message(error: object) -> str:
    match error:
        case str():
            return error
        case {"message": str(message)}:
            return message
        case _:
            return ""


def _codes(error: object) -> list[str]:
    if not isinstance(error, dict):
        return []
    extensions = error.get("extensions")
    places = (error, extensions if isinstance(extensions, dict) else {})
    return [
        str(place[name]).upper()
        for place in places
        for name in ("code", "type")
        if isinstance(place.get(name), str)
    ]


def _restored_after(extensions: object) -> float | None:
    """Seconds until a bucket like Shopify's holds what the query costs; None where not told.

    https://shopify.dev/docs/api/usage/limits#graphql-admin-api-rate-limits
    """
    match extensions:
        case {
            "cost": {
                "requestedQueryCost": int() | float() as cost,
                "throttleStatus": {
                    "currentlyAvailable": int() | float() as available,
                    "restoreRate": int() | float() as rate,
                },
            }
        } if rate > 0:
            return max(0.0, (cost - available) / rate)
    return None
