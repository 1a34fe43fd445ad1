"""What a span of one attempt is called, and what it says: by the semantic conventions where they
have a word (https://opentelemetry.io/docs/specs/semconv/http/http-spans/)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from bronze_engine.telemetry.events import RequestFinished

__all__ = ["attributes_of", "is_error", "name_of"]

_OPERATION = re.compile(r"([A-Z]{3,7}) (([a-z][a-z0-9+.-]*)://\S+)(.*)", re.DOTALL)
_PORTS: Final = {"http": 80, "https": 443}
_ERRORS_FROM: Final = 400


def name_of(event: RequestFinished) -> str:
    """The method and the limit group: of a URL there are too many."""
    match = _OPERATION.match(event.operation)
    what = match[1] if match is not None else event.operation.partition(" ")[0]
    return f"{what} {event.group}"


def is_error(event: RequestFinished) -> bool:
    """Whether the attempt went wrong: 4xx of a client too, whatever its caller makes of it."""
    return event.outcome in ("failed", "refused") or (event.status or 0) >= _ERRORS_FROM


def attributes_of(event: RequestFinished, operation: str) -> Mapping[str, str | int | float]:
    """`operation` is the event's, without secrets."""
    found: dict[str, str | int | float] = {
        "bronze.operation": operation,
        "bronze.group": event.group,
        "bronze.component": event.component,
        "bronze.outcome": event.outcome,
        "bronze.waited_seconds": round(event.waited_seconds, 6),
    }
    if event.pipeline:
        found["bronze.pipeline"] = event.pipeline
    if is_error(event):
        # By the conventions the status where there is one, else the type of what broke it.
        has_status = event.status is not None and event.status >= _ERRORS_FROM
        found["error.type"] = str(event.status) if has_status else event.error or event.outcome
    match = _OPERATION.match(operation)
    if match is None:
        return found
    method, text, scheme, _ = match.groups()
    found["http.request.method"] = method
    if event.status is not None:
        found["http.response.status_code"] = event.status
    if event.resends:
        found["http.request.resend_count"] = event.resends
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return found
    if scheme in _PORTS:
        found["url.full"] = text
        found["url.scheme"] = scheme
        found["server.address"] = url.hostname or ""
        found["server.port"] = port or _PORTS[scheme]
    elif scheme == "s3":
        found["aws.s3.bucket"] = url.netloc
        if len(url.path) > 1:
            found["aws.s3.key"] = url.path[1:]
    return found
