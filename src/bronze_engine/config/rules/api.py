"""What a well-typed [apis.NAME] may still get wrong: URLs, headers, credentials."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from bronze_engine.config.api import Api, Timeout
from bronze_engine.config.auths.auth import ApiKeyAuth
from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.rules.auth import (
    auth_faults,
    auth_headers,
    is_header_name,
    token_url_in_clear,
)
from bronze_engine.config.rules.rate import rate_faults
from bronze_engine.config.rules.url import has_space, is_http, proxy_faults, split_url
from bronze_engine.config.stores.loopback import is_loopback

__all__ = ["api_faults", "sends_secrets_in_clear"]

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def api_faults(api: Api, path: KeyPath) -> Iterator[Fault]:
    """Faults of an API by itself. No text holds a header, a credential or a query."""
    yield from _base_url(api.base_url, (*path, "base_url"))
    for origin in api.allowed_origins:
        url = split_url(origin)
        if not is_http(url) or url.path or url.query or url.fragment or "@" in url.netloc:
            yield Fault(
                (*path, "allowed_origins"),
                "an origin is a scheme and a host: https://files.example.com",
            )
    yield from proxy_faults(api.proxy, path)
    if api.client_key is not None and api.client_cert is None:
        yield Fault((*path, "client_key"), "needs client_cert beside it")
    yield from _headers_and_auth(api, path)
    if api.rate_limit is not None:
        yield from rate_faults(api.rate_limit, (*path, "rate_limit"), of_api=True)
    for name in Timeout.__struct_fields__:
        if getattr(api.timeout, name) <= 0:
            yield Fault((*path, "timeout", name), "must be above zero")


def _base_url(text: str, path: KeyPath) -> Iterator[Fault]:
    url = split_url(text)
    if url is None or has_space(text):
        yield Fault(path, "is no URL; write https://api.example.com/v1")
        return
    if url.scheme not in ("http", "https"):
        scheme = f'the scheme "{url.scheme}"' if url.scheme and "://" in text else "no scheme"
        yield Fault(path, f"has {scheme}; write https://api.example.com/v1")
    elif not url.hostname:
        yield Fault(path, "has no host; write https://api.example.com/v1")
    if "@" in url.netloc:
        yield Fault(path, "has a user or password in it; write them into [apis.NAME.auth]")
    if url.fragment:
        yield Fault(path, "has a fragment (#), which is never sent; leave it out")


def _headers_and_auth(api: Api, path: KeyPath) -> Iterator[Fault]:
    names: dict[str, str] = {}
    for name, value in api.headers.items():
        here = (*path, "headers", name)
        if not is_header_name(name):
            yield Fault(here, "is no name of a header")
        if name.lower() in names:
            yield Fault(here, f"is the same header as {names[name.lower()]}")
        names[name.lower()] = name
        if _CONTROL.search(value.reveal()):
            yield Fault(here, "has a line break or a control character in its value")
    yield from auth_faults(api.auth, (*path, "auth"))
    sent = auth_headers(api.auth)
    for name in sent:
        if name.lower() in names:
            other = names[name.lower()]
            yield Fault((*path, "headers", other), "is what [auth] sends too; keep one of the two")
    if (
        isinstance(api.auth, ApiKeyAuth)
        and "authorization" in names
        and "authorization" not in map(str.lower, sent)
    ):
        yield Fault(
            (*path, "headers", names["authorization"]),
            "is a second credential beside [auth]; keep one of the two",
        )


def sends_secrets_in_clear(api: Api) -> bool:
    """Whether credentials go over plain HTTP to a host that is not this machine."""
    url = urlsplit(api.base_url)
    has_credentials = api.auth is not None or any(
        name.lower() in ("authorization", "cookie") or "key" in name.lower() for name in api.headers
    )
    in_clear = url.scheme == "http" and has_credentials and not is_loopback(url.hostname or "")
    return in_clear or token_url_in_clear(api.auth)
