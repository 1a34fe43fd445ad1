"""The URL of an object of a store, as other engines write it."""

from __future__ import annotations

from bronze_engine.config.stores.place import account_of
from bronze_engine.config.stores.store import (
    AzureStoreConfig,
    LocalStoreConfig,
    S3StoreConfig,
    StoreConfig,
)

__all__ = ["uri_of"]


def uri_of(store: StoreConfig, key: str) -> str:
    """`file:///…`, `s3://bucket/…` or `abfss://container@account.dfs.core.windows.net/…`.

    Nothing in it is escaped: Spark, Trino and pyiceberg take it as it stands. Raises ValueError
    for a store of a third party, which no other engine knows.
    """
    match store:
        case LocalStoreConfig():
            return f"file://{store.path.rstrip('/')}/{key}"
        case S3StoreConfig():
            address = store.address
            return f"s3://{_joined(address.container, address.prefix, key)}"
        case AzureStoreConfig():
            address = store.address
            host = f"{account_of(store)}.dfs.{address.suffix or 'core.windows.net'}"
            return f"abfss://{address.container}@{_joined(host, address.prefix, key)}"
        case _:
            raise ValueError(f"{store.location} has no URL that other engines know")


def _joined(*parts: str) -> str:
    return "/".join(part for part in parts if part)
