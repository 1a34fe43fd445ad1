"""Which proxy a request goes through."""

from __future__ import annotations

from collections.abc import Callable
from urllib.request import getproxies, proxy_bypass

import httpx

from bronze_engine.errors import ConfigError

__all__ = ["proxy_for"]


def proxy_for(setting: str, api: str) -> Callable[[httpx.URL], str | None]:
    """The proxy for a URL by an API's `proxy` setting: "env", "none" or a URL.

    "env" is HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY in either case (on macOS and
    Windows the system's settings where none of them is set).
    Raises ConfigError for a proxy that is no http or https URL.
    """
    if setting == "none":
        return lambda _: None
    if setting != "env":
        fixed = _checked(setting, f"apis.{api}.proxy")
        return lambda _: fixed
    found = getproxies()
    proxies = {
        scheme: _checked(url, f"{scheme.upper()}_PROXY")
        for scheme, url in found.items()
        if scheme in ("http", "https", "all") and url
    }
    if not proxies:
        return lambda _: None

    def by_environment(url: httpx.URL) -> str | None:
        proxy = proxies.get(url.scheme, proxies.get("all"))
        if proxy is None or proxy_bypass(url.netloc.decode("ascii")):
            return None
        return proxy

    return by_environment


def _checked(url: str, where: str) -> str:
    url = url if "://" in url else f"http://{url}"
    try:
        parsed = httpx.URL(url)
        valid = parsed.scheme in ("http", "https") and bool(parsed.host)
    except httpx.InvalidURL:
        valid = False
    if not valid:
        raise ConfigError(f'{where} is no http or https URL; write it as "http://proxy:3128"')
    return url
