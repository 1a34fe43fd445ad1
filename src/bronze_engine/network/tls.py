"""Whom we trust, and the certificate that we show."""

from __future__ import annotations

import ssl

from bronze_engine.errors import ConfigError

__all__ = ["tls_context"]


def tls_context(
    owner: str,
    *,
    ca_file: str | None = None,
    client_cert: str | None = None,
    client_key: str | None = None,
) -> ssl.SSLContext:
    """A context that trusts the system's authorities and those of `ca_file`.

    Reads the files now: tens of milliseconds, for a worker. `owner` is the table of the
    configuration that they are named in. Raises ConfigError for one that can't be read.
    """
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ValueError) as exc:
            raise ConfigError(
                f"{owner}.ca_file can't be loaded: {exc}; "
                "it is a PEM file of certificate authorities"
            ) from exc
    if client_cert is not None:
        try:
            context.load_cert_chain(client_cert, client_key)
        except (OSError, ValueError) as exc:
            raise ConfigError(
                f"{owner}.client_cert can't be loaded: {exc}; "
                "it is a PEM file, with its key in it or in client_key"
            ) from exc
    return context
