"""What an answer's status means: go on, try again, or stop and say why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec

from bronze_engine.config.api import Api
from bronze_engine.errors import AuthError, ExtractError
from bronze_engine.limits.transient import Transient, parse_retry_after
from bronze_engine.model.quota import Quota
from bronze_engine.sources.http.body.inflate import CODINGS, inflate
from bronze_engine.sources.http.body.message import message_in
from bronze_engine.sources.http.body.stream import CutBody
from bronze_engine.sources.http.throttled import (
    GITHUB_SECONDS,
    is_github_secondary,
    is_throttled,
    is_transient,
)
from bronze_engine.sources.http.wire.client import Answer

__all__ = ["excerpt", "raise_for_status", "shortened"]

_EXCERPT_LENGTH: Final = 200
_EXCERPT_BYTES: Final = 256 * 1024
_UNPRINTABLE: Final = re.compile(r"[\x00-\x20\x7f-\x9f]+")


def raise_for_status(
    answer: Answer,
    *,
    said: str,
    api: Api,
    now: datetime,
    quotas: Sequence[Quota] = (),
    behind: Literal["counted", "chained"] | None = None,
) -> None:
    """Return for a 2xx.

    Raises Transient for 408, 425, 429, 5xx and a 400 that says that it may pass, AuthError for
    401 and 403, ExtractError for everything else. `said` is the server's own message, already
    without secrets; `behind` says how a page that is not the first was come to: by counting,
    where this may be how the API answers behind its last page, or by what the page before named.
    A 429 without Retry-After asks to wait until the reset that `quotas` tell; so does a 403
    where nothing is left, with Retry-After, or with a code that says so (`throttled`).
    """
    status = answer.status
    if 200 <= status < 300:
        return
    because = f": {said}" if said else ""
    if status == 429 or status >= 500 or status in (408, 425):
        asked = None
        if status in (429, 503):
            asked = _retry_after(answer, now)
        if status == 429 and asked is None:
            asked = _until_reset(quotas)
        raise Transient(
            f"status {status}{because}", counts=status != 429, retry_after_seconds=asked
        )
    if status == 400:
        error = _error(answer)
        is_fast = is_throttled(error)
        if is_fast or is_transient(error):
            raise Transient(f"status 400{because}", counts=not is_fast)
    if status == 403:
        asked = _retry_after(answer, now) or _until_reset(quotas)
        error = None if asked is not None else _error(answer)
        if is_github_secondary(error):
            asked = GITHUB_SECONDS
        if asked is not None or is_throttled(error):
            raise Transient(f"status {status}{because}", counts=False, retry_after_seconds=asked)
    if status in (401, 403):
        if api.auth is None:
            advice = "no auth is configured; " + (
                f"set [apis.{api.name}.auth]"
                if api.name
                else "name an entry of [apis] that has it in source.api"
            )
        elif status == 401:
            advice = f"check that [apis.{api.name}.auth] is right and has not expired"
        else:
            advice = f"check that whom [apis.{api.name}.auth] names may read this"
        raise AuthError(f"refused with {status}{because}; {advice}")
    if status in (404, 410):
        advice = "check base_url and path"
        if behind == "counted":
            advice = "if this API ends its pages so, set paginator.parallel = 1 (or more)"
        elif behind == "chained":
            advice = "what the page before named has expired, perhaps: run again"
        raise ExtractError(f"not found ({status}){because}; {advice}")
    if 300 <= status < 400:
        raise ExtractError(f"status {status} without a place to go; check base_url and path")
    advice = "check params, json and path"
    if behind == "counted":
        advice += (
            "; if this API answers so behind its last page, name what says how many there are: "
            "paginator.total_path, total_header or total_pages_header"
        )
    if behind is not None:
        advice += "; if it gives no more of one search, ask for less at once (incremental.step)"
    raise ExtractError(f"refused with {status}{because}; {advice}")


def _retry_after(answer: Answer, now: datetime) -> float | None:
    headers = answer.headers
    return parse_retry_after(headers.get("retry-after"), now, headers.get("date"))


def _until_reset(quotas: Sequence[Quota]) -> float | None:
    """Seconds until something is left again of what is used up."""
    return max((quota.reset_seconds for quota in quotas if quota.remaining < 1), default=None)


def excerpt(answer: Answer) -> str:
    """A short line of what the server says in an error's body; nothing for HTML."""
    body = _body(answer)
    try:
        text = message_in(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = body[: 4 * _EXCERPT_LENGTH].decode("utf-8", "replace")
        if text.lstrip().startswith("<"):
            return ""
    return _UNPRINTABLE.sub(" ", text).strip()


def _error(answer: Answer) -> object:
    """The JSON of an error's body, decoded; None where it is none."""
    try:
        return msgspec.json.decode(_body(answer))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _body(answer: Answer) -> bytes:
    """The body of an error, decompressed; nothing where that can't be."""
    body = b"".join(answer.chunks)
    if not answer.encoding:
        return body
    if answer.encoding not in CODINGS:
        return b""
    try:
        return bytes(inflate([body], answer.encoding, _EXCERPT_BYTES))
    except (ExtractError, CutBody):
        return b""


def shortened(text: str) -> str:
    """At most 200 characters of it; secrets are masked before, so that none is cut in half."""
    return text if len(text) <= _EXCERPT_LENGTH else f"{text[:_EXCERPT_LENGTH]}…"
