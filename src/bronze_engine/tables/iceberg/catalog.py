"""Opening a catalog: its own properties, and what the target's store knows of its server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError

from bronze_engine.config import catalog as config
from bronze_engine.config.stores.place import account_of
from bronze_engine.config.stores.store import AzureStoreConfig, S3StoreConfig, StoreConfig

__all__ = ["make_namespaces", "open_catalog", "properties_of"]


@contextmanager
def open_catalog(catalog: config.Catalog, target: StoreConfig) -> Iterator[Catalog]:
    """For a worker: whatever a catalog does, it waits for."""
    opened = load_catalog(catalog.name, **properties_of(catalog, target))
    try:
        yield opened
    finally:
        opened.close()


def properties_of(catalog: config.Catalog, target: StoreConfig) -> dict[str, str | None]:
    """What `load_catalog` is given, secrets too. What the catalog's own table says, wins."""
    found: dict[str, str | None] = {"type": catalog.type, "warehouse": catalog.warehouse}
    found["uri"] = None if catalog.uri is None else catalog.uri.reveal()
    found |= _of_store(target)
    found |= {key: value.reveal() for key, value in catalog.properties.items()}
    return {key: value for key, value in found.items() if value is not None}


def make_namespaces(catalog: Catalog, namespace: tuple[str, ...]) -> None:
    """The namespace and those around it, as far as there are none."""
    for depth in range(1, len(namespace) + 1):
        try:
            catalog.create_namespace_if_not_exists(namespace[:depth])
        except NamespaceAlreadyExistsError:
            continue  # another process was quicker


def _of_store(store: StoreConfig) -> dict[str, str | None]:
    match store:
        case S3StoreConfig():
            secret, token = store.secret_access_key, store.session_token
            style = {"virtual": "true", "path": "false"}.get(store.addressing_style)
            return {
                "s3.endpoint": store.endpoint_url,
                "s3.region": store.region,
                "s3.access-key-id": store.access_key_id,
                "s3.secret-access-key": None if secret is None else secret.reveal(),
                "s3.session-token": None if token is None else token.reveal(),
                "s3.profile-name": store.profile,
                "s3.role-arn": store.role_arn,
                "s3.force-virtual-addressing": style,
            }
        case AzureStoreConfig():
            key, sas = store.account_key, store.sas_token
            connection = store.connection_string
            return {
                "adls.account-name": account_of(store),
                "adls.account-key": None if key is None else key.reveal(),
                "adls.sas-token": None if sas is None else sas.reveal(),
                "adls.connection-string": None if connection is None else connection.reveal(),
            }
        case _:
            return {}
