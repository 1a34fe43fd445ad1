"""What is known of one API: its first answer, and what is to be found in it."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["ROWS", "TEXT_ROWS", "Known"]

ROWS = [{"id": 11, "name": "a"}, {"id": 12, "name": "b"}]
TEXT_ROWS = [{"id": "c_1", "object": "customer"}, {"id": "c_2", "object": "customer"}]


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """An API's first answer, and what is to be found in it."""

    name: str
    url: str
    body: Any
    paginator: dict[str, Any]
    records: str | None
    headers: dict[str, str] = {}
    json: Any = None
    confidence: str = "certain"
