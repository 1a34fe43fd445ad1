"""Whom we trust, and the certificate that we show."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import httpx

from bronze_engine.config.api import Api
from bronze_engine.errors import ConfigError
from bronze_engine.sources.http.url import origin_of

__all__ = ["tls_for"]


def tls_for(api: Api, origin: str) -> Callable[[httpx.URL], ssl.SSLContext | bool]:
    """The TLS context for a URL: the system's authorities, and those of `ca_file`.

    The client certificate is shown to `origin` alone. Reads the files now; raises
    ConfigError for one that can't be read.
    """
    if api.client_key is not None and api.client_cert is None:
        raise ConfigError(f"apis.{api.name}.client_key is set without client_cert")
    if api.ca_file is None and api.client_cert is None:
        return lambda _: True
    foreign = _context(api)
    if api.client_cert is None:
        return lambda _: foreign
    own = _context(api)
    try:
        own.load_cert_chain(api.client_cert, api.client_key)
    except (OSError, ValueError) as exc:
        raise ConfigError(
            f"apis.{api.name}.client_cert can't be loaded: {exc}; "
            "it is a PEM file, with its key in it or in client_key"
        ) from exc
    return lambda url: own if origin_of(url) == origin else foreign


def _context(api: Api) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if api.ca_file is not None:
        try:
            context.load_verify_locations(cafile=api.ca_file)
        except (OSError, ValueError) as exc:
            raise ConfigError(
                f"apis.{api.name}.ca_file can't be loaded: {exc}; "
                "it is a PEM file of certificate authorities"
            ) from exc
    return context
