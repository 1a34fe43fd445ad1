"""Which proxy a request goes through."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from bronze_engine.errors import ConfigError

__all__ = ["ProxyChoice", "proxy_choice"]

ProxyChoice = Callable[[str, str], str | None]
"""The proxy, or None, for the scheme and the network location of a URL."""


def proxy_choice(setting: str, where: str) -> ProxyChoice:
    """The proxies that a `proxy` setting means: "env", "none" or a URL.

    "env" is HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY in either case (on macOS and
    Windows the system's settings where none of them is set). `where` names the setting in
    messages. Raises ConfigError for a proxy that is no http or https URL.
    """
    if setting == "none":
        return lambda _scheme, _netloc: None
    if setting != "env":
        fixed = _checked(setting, where)
        return lambda _scheme, _netloc: fixed
    found = getproxies()
    proxies = {
        scheme: _checked(url, f"{scheme.upper()}_PROXY")
        for scheme, url in found.items()
        if scheme in ("http", "https", "all") and url
    }
    if not proxies:
        return lambda _scheme, _netloc: None

    def by_environment(scheme: str, netloc: str) -> str | None:
        proxy = proxies.get(scheme, proxies.get("all"))
        return None if proxy is None or proxy_bypass(netloc) else proxy

    return by_environment


def _checked(url: str, where: str) -> str:
    url = url if "://" in url else f"http://{url}"
    try:
        parsed = urlsplit(url)
        _ = parsed.port
        valid = parsed.scheme in ("http", "https") and bool(parsed.hostname)
    except ValueError:
        valid = False
    if not valid:
        raise ConfigError(f'{where} is no http or https URL; write it as "http://proxy:3128"')
    return url
