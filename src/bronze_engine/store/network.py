"""How requests to a remote store leave: through which proxy, trusting whom, showing what."""

from __future__ import annotations

import ssl
from typing import final

from bronze_engine.config.stores.store import RemoteStoreConfig
from bronze_engine.network.proxy import proxy_choice
from bronze_engine.network.tls import tls_context

__all__ = ["Network"]


@final
class Network:
    """The proxies, the trust and the certificate of one store.

    Reads the files now: for a worker. Raises ConfigError for a proxy that is no URL and a
    file that can't be read.
    """

    def __init__(self, config: RemoteStoreConfig) -> None:
        self.proxy = proxy_choice(config.proxy, f"{config.told}.proxy")
        self.tls: ssl.SSLContext | bool = True
        """For the store itself. True is aiohttp's default: verified, by the system's
        authorities."""
        self.foreign_tls: ssl.SSLContext | bool = True
        """For whom we ask on its behalf (for credentials): always verified, and shown no
        certificate of ours."""
        if config.ca_file is not None:
            self.foreign_tls = self.tls = tls_context(config.told, ca_file=config.ca_file)
        if config.client_cert is not None or config.insecure:
            self.tls = own = tls_context(
                config.told,
                ca_file=config.ca_file,
                client_cert=config.client_cert,
                client_key=config.client_key,
            )
            if config.insecure:
                own.check_hostname = False
                own.verify_mode = ssl.CERT_NONE
