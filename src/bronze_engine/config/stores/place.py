"""Which place a store is, however its URL is spelled."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from bronze_engine.config.stores.connection_string import account_in, connection_parts
from bronze_engine.config.stores.store import (
    AzureStoreConfig,
    CustomStore,
    LocalStoreConfig,
    RemoteStoreConfig,
    S3StoreConfig,
    StoreConfig,
)

__all__ = ["account_of", "lies_within", "place_of"]

_VENDORS_HOST = re.compile(r"s3[.-][a-z0-9.-]*amazonaws\.com(\.cn)?|[a-z0-9]+\.(blob|dfs)\..+")
"""Bucket and account names are the vendor's own the world over: its host adds nothing."""


def place_of(store: StoreConfig) -> tuple[str, ...]:
    """Equal for two stores whose partitions would lie upon each other.

    Raises ValueError for a URL that `store_faults` refuses.
    """
    match store:
        case LocalStoreConfig():
            return ("local", store.path)
        case S3StoreConfig():
            address = store.address
            return ("s3", _endpoint(store), address.container, address.prefix)
        case CustomStore():
            within = store.wrapped
            return (store.location,) if within is None else place_of(within)
        case _:
            address = store.address
            account = account_of(store) or ""
            return ("azure", _endpoint(store), account, address.container, address.prefix)


def lies_within(inner: StoreConfig, outer: StoreConfig) -> bool:
    """Whether what is in `inner` is in `outer` too. Raises ValueError as `place_of` does."""
    *inner_where, inner_prefix = place_of(inner)
    *outer_where, outer_prefix = place_of(outer)
    if inner_where != outer_where:
        return False
    outer_prefix = outer_prefix.rstrip("/")
    return not outer_prefix or f"{inner_prefix}/".startswith(f"{outer_prefix}/")


def account_of(store: AzureStoreConfig) -> str | None:
    """The storage account: the URL's, the configured one, that of the connection string or of
    the endpoint."""
    connection = "" if store.connection_string is None else store.connection_string.reveal()
    named = store.address.account or store.account or account_in(connection)
    return named or _account_at(store.endpoint_url or "")


def _account_at(endpoint: str) -> str | None:
    """`https://account.blob.core.windows.net`, or `http://127.0.0.1:10000/account`."""
    try:
        url = urlsplit(endpoint)
    except ValueError:  # a fault, told by `store_faults`
        return None
    first, _, rest = (url.hostname or "").partition(".")
    if rest.startswith(("blob.", "dfs.")):
        return first
    return url.path.strip("/").partition("/")[0] or None


def _endpoint(store: RemoteStoreConfig) -> str:
    """The host that is not the vendor's own, in one spelling."""
    text = store.endpoint_url
    if text is None and isinstance(store, AzureStoreConfig) and store.connection_string is not None:
        parts = connection_parts(store.connection_string.reveal()) or {}
        text = parts.get("blobendpoint")
    url = urlsplit(text or "")
    host = url.hostname or ""
    if _VENDORS_HOST.fullmatch(host):
        return ""
    return f"{host}:{url.port}" if url.port else host
