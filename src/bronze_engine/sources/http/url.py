"""URLs of requests: built, and compared by origin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import quote

import httpx

from bronze_engine.errors import ConfigError

__all__ = ["build_url", "origin_of", "parse_origin"]

_PORTS = {"http": 80, "https": 443}

Param = str | int | float | bool


def build_url(base: str, path: str, params: Mapping[str, Param | Sequence[Param]]) -> str:
    """`base` with `path` joined to it and the query parameters of all three.

    A list becomes the same name several times; booleans are `true` and `false`.
    """
    base, _, base_query = base.partition("?")
    path, _, path_query = path.partition("?")
    if path:
        base = f"{base.rstrip('/')}/{path.lstrip('/')}"
    pairs = [
        f"{_quoted_name(name)}={_text(item)}"
        for name, value in params.items()
        for item in (value if isinstance(value, list | tuple) else [value])
    ]
    query = "&".join(part for part in (base_query, path_query, *pairs) if part)
    return f"{base}?{query}" if query else base


@lru_cache(maxsize=256)
def _quoted_name(name: str) -> str:
    """The same few names come with every page: quoting them anew takes longer than all else."""
    return quote(name, safe="")


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case _:
            return quote(str(value), safe="")


def origin_of(url: httpx.URL) -> str:
    """Scheme, host and port: `https://api.example.com:443`."""
    return f"{url.scheme}://{url.raw_host.decode('ascii')}:{url.port or _PORTS.get(url.scheme, 0)}"


def parse_origin(text: str) -> str:
    """The origin that a configuration names. Raises ConfigError where it names none."""
    try:
        url = httpx.URL(text)
        valid = url.scheme in _PORTS and bool(url.host)
    except httpx.InvalidURL:
        valid = False
    if not valid:
        raise ConfigError(f'{text!r} is no origin; write it as "https://files.example.com"')
    return origin_of(url)
