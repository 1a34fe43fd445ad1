"""What a body is that is not in the format that was expected: for messages that help."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from bronze_engine.errors import ExtractError

__all__ = ["no_json", "refuse_other"]

_HTML: Final = re.compile(rb"\s*<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
_MARKUP: Final = re.compile(rb"\s*<[?!a-zA-Z]")
_JSON_TYPES: Final = ("application/json", "application/problem+json", "text/json")


def no_json(body: bytes | bytearray, content_type: str, exc: msgspec.DecodeError) -> str:
    """Why a body is no JSON, and what to do."""
    if not bytes(body[:256]).strip() and not bytes(body).strip():
        return "the body is empty, not JSON; check `path` and the Accept header"
    markup = _markup(body, content_type)
    if markup is not None:
        return markup
    if "csv" in content_type:
        return 'the answer is CSV by its Content-Type; set format = "csv"'
    first, _, rest = bytes(body).partition(b"\n")
    if rest.strip() and _is_json(first):
        return f'the body is no valid JSON ({exc}), but its first line is; set format = "ndjson"'
    return f"the body is no valid JSON ({exc})"


def refuse_other(body: bytes | bytearray, content_type: str, expected: str) -> None:
    """Raise ExtractError for what is plainly no NDJSON or CSV: they take any text for records."""
    markup = _markup(body, content_type)
    if markup is not None:
        raise ExtractError(markup)
    if expected == "csv" and (
        content_type.partition(";")[0].strip().lower() in _JSON_TYPES
        or (bytes(body[:64]).lstrip()[:2] in (b'{"', b"[{") and _is_json(bytes(body)))
    ):
        raise ExtractError(
            "the answer is JSON, not CSV: an error, perhaps, or the API was not asked for CSV; "
            "check `path`, `params` and the Accept header"
        )


def _markup(body: bytes | bytearray, content_type: str) -> str | None:
    if _HTML.match(body) or "text/html" in content_type:
        return "the answer is HTML: a login or error page, perhaps; check `base_url` and `path`"
    if _MARKUP.match(body) or "/xml" in content_type or "+xml" in content_type:
        return (
            "the answer is XML, which is not read; ask the API for JSON or CSV by an Accept "
            "header ([apis.NAME.headers]) or a parameter, or convert it before it is landed"
        )
    if body.startswith(b"PK\x03\x04"):
        return (
            'the answer is a zip archive; read it by source.type = "files", with compression = '
            '"zip" and the same api, or ask the API for gzip'
        )
    return None


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
