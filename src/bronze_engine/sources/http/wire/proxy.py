"""Which proxy a request to an API goes through."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from bronze_engine.network.proxy import proxy_choice

__all__ = ["proxy_for"]


def proxy_for(setting: str, api: str) -> Callable[[httpx.URL], str | None]:
    """The proxy for a URL by an API's `proxy` setting. Raises ConfigError, see `proxy_choice`."""
    choice = proxy_choice(setting, f"apis.{api}.proxy")
    return lambda url: choice(url.scheme, url.netloc.decode("ascii"))
