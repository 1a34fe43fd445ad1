"""Whom an API's requests trust, and where they show its certificate."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import httpx

from bronze_engine.config.api import Api
from bronze_engine.errors import ConfigError
from bronze_engine.network.tls import tls_context
from bronze_engine.sources.http.url import origin_of

__all__ = ["tls_for"]


def tls_for(api: Api, origin: str) -> Callable[[httpx.URL], ssl.SSLContext | bool]:
    """The TLS context for a URL: the system's authorities, and those of `ca_file`.

    The client certificate is shown to `origin` alone. Reads the files now; raises
    ConfigError for one that can't be read.
    """
    owner = f"apis.{api.name}"
    if api.client_key is not None and api.client_cert is None:
        raise ConfigError(f"{owner}.client_key is set without client_cert")
    if api.ca_file is None and api.client_cert is None:
        return lambda _: True
    foreign = tls_context(owner, ca_file=api.ca_file)
    if api.client_cert is None:
        return lambda _: foreign
    own = tls_context(
        owner, ca_file=api.ca_file, client_cert=api.client_cert, client_key=api.client_key
    )
    return lambda url: own if origin_of(url) == origin else foreign
