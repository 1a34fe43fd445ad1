"""Keys and types by the names that other tools have for them."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Final

from bronze_engine.model.nearest import nearest

__all__ = ["meant"]

_OURS: Final = {
    **dict.fromkeys(("verify", "verify_ssl", "ssl_verify", "cert"), "ca_file"),
    **dict.fromkeys(("body", "data", "payload"), "json"),
    **dict.fromkeys(("url", "endpoint", "resource"), "path"),
    **dict.fromkeys(("query", "query_params"), "params"),
    **dict.fromkeys(("data_selector", "data_path", "records_path", "record_path"), "records"),
    **dict.fromkeys(("per_page", "limit", "page_limit"), "page_size"),
    **dict.fromkeys(("session", "cookie", "cookies"), "login"),
    "oauth2": "oauth2_client_credentials",
    "jsonl": "ndjson",
    "link": "link_header",
}


def meant(word: str, known: Collection[str]) -> str:
    """The end of an error about `word`: what we call that, else the nearest of `known`."""
    ours = _OURS.get(word.casefold())
    return f"did you mean {json.dumps(ours)}?" if ours in known else nearest(word, known)
