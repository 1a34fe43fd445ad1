"""How S3 writes an instant: ISO 8601 in XML, as HTTP writes dates in headers."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.utils import parse_timestamp

__all__ = ["parse_instant"]


def parse_instant(value: Any) -> datetime:
    """For botocore's parsers, whose own way took two thirds of the time of a listing.

    Everything else (seconds since 1970, in the answers of other services) is left to it.
    Raises ValueError for what is no instant.
    """
    if isinstance(value, str):
        for parse in (datetime.fromisoformat, parsedate_to_datetime):
            try:
                instant = parse(value)
            except ValueError:
                continue
            return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
    parsed: datetime = parse_timestamp(value)
    return parsed
