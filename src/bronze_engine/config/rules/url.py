"""URLs of the file: what is one, and what a proxy may be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeGuard
from urllib.parse import SplitResult, urlsplit

from bronze_engine.config.loading.fault import Fault, KeyPath

__all__ = ["has_space", "is_http", "proxy_faults", "split_url"]

_SPACE = re.compile(r"[\s\x00-\x1f\x7f]")


def split_url(text: str) -> SplitResult | None:
    """Its parts; None for what is no URL, such as one with a port of letters."""
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        return None
    return url


def is_http(url: SplitResult | None) -> TypeGuard[SplitResult]:
    """Whether it is http or https, and has a host."""
    return url is not None and url.scheme in ("http", "https") and bool(url.hostname)


def has_space(text: str) -> bool:
    """Whether white space or a control character is in it, which parsers pass over."""
    return _SPACE.search(text) is not None


def proxy_faults(proxy: str, path: KeyPath) -> Iterator[Fault]:
    """Faults of the `proxy` of the table at `path`."""
    if proxy not in ("env", "none") and (not is_http(split_url(proxy)) or has_space(proxy)):
        yield Fault(
            (*path, "proxy"), 'expected "env", "none" or a URL: http://proxy.example.com:3128'
        )
