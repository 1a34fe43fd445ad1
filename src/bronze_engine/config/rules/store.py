"""What a well-typed [stores.NAME] may still get wrong."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from bronze_engine.config.api import Timeout
from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.rules.custom import own_faults
from bronze_engine.config.rules.url import is_http, proxy_faults, split_url
from bronze_engine.config.stores.address import SCHEMES, parse_address
from bronze_engine.config.stores.connection_string import connection_parts
from bronze_engine.config.stores.loopback import is_loopback
from bronze_engine.config.stores.place import account_of
from bronze_engine.config.stores.store import (
    AzureStoreConfig,
    CustomStore,
    LocalStoreConfig,
    RemoteStoreConfig,
    S3StoreConfig,
    StoreConfig,
)
from bronze_engine.config.tag import tag_of
from bronze_engine.config.units import Secret

__all__ = ["is_in_clear", "store_faults", "store_of_url"]

_S3_CREDENTIALS: Final = ("access_key_id", "secret_access_key", "session_token")
_AZURE_CREDENTIALS: Final = ("account_key", "sas_token", "connection_string")

_CONNECTION_PLACES: Final = {"accountname", "blobendpoint", "usedevelopmentstorage"}
"""Settings of which a connection string has at least one."""

_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_REGION = re.compile(r"[A-Za-z0-9-]{1,63}")
_OWNER = re.compile(r"\d{12}")
_ROLE = re.compile(r"arn:[a-z-]+:iam::\d{12}:role/\S+")
_TAG = re.compile(r"[\w\s+=.:/@-]*")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_MUST_BE_RESTORED: Final = ("GLACIER", "DEEP_ARCHIVE")


def store_of_url(url: str) -> S3StoreConfig | AzureStoreConfig:
    """The store that a bare URL means. Raises ValueError as `parse_address` does."""
    address = parse_address(url)
    return S3StoreConfig(url=url) if address.service == "s3" else AzureStoreConfig(url=url)


def store_faults(store: StoreConfig, path: KeyPath) -> Iterator[Fault]:
    """Faults of a store by itself. No text holds a credential."""
    if isinstance(store, LocalStoreConfig):
        return
    if isinstance(store, CustomStore):
        yield from own_faults(store, path)
        return
    yield from _url_faults(store, path)
    yield from _network_faults(store, path)
    if isinstance(store, S3StoreConfig):
        yield from _text_faults(store, _S3_CREDENTIALS, path)
        yield from _s3_credential_faults(store, path)
        yield from _s3_faults(store, path)
    else:
        yield from _text_faults(store, _AZURE_CREDENTIALS, path)
        yield from _azure_credential_faults(store, path)
        yield from _azure_account_faults(store, path)


def is_in_clear(store: StoreConfig) -> bool:
    """Whether what lands goes over plain HTTP to a host that is not this machine."""
    if isinstance(store, LocalStoreConfig | CustomStore) or store.endpoint_url is None:
        return False
    url = urlsplit(store.endpoint_url)
    return url.scheme == "http" and not is_loopback(url.hostname or "")


def _url_faults(store: RemoteStoreConfig, path: KeyPath) -> Iterator[Fault]:
    try:
        service = store.address.service
    except ValueError as exc:
        yield Fault((*path, "url"), str(exc))
        return
    tag = tag_of(store)
    if service != tag:
        schemes = " or ".join(f"{scheme}://" for scheme, of in SCHEMES.items() if of == tag)
        yield Fault((*path, "url"), f'type = "{tag}" takes {schemes}')


def _network_faults(store: RemoteStoreConfig, path: KeyPath) -> Iterator[Fault]:
    endpoint = None if store.endpoint_url is None else split_url(store.endpoint_url)
    if store.endpoint_url is not None and not is_http(endpoint):
        yield Fault((*path, "endpoint_url"), "is no URL; write https://s3.example.com")
    elif endpoint is not None and ("@" in endpoint.netloc or endpoint.query):
        yield Fault((*path, "endpoint_url"), "has a credential in it; take it out")
    if store.insecure and (endpoint is None or not is_loopback(endpoint.hostname or "")):
        yield Fault(
            (*path, "insecure"),
            "certificates may go unverified only where endpoint_url is on this machine's "
            "loopback; trust the server's authority with ca_file instead",
        )
    yield from proxy_faults(store.proxy, path)
    if store.client_key is not None and store.client_cert is None:
        yield Fault((*path, "client_key"), "needs client_cert beside it")
    for name in Timeout.__struct_fields__:
        if getattr(store.timeout, name) <= 0:
            yield Fault((*path, "timeout", name), "must be above zero")


def _text_faults(
    store: RemoteStoreConfig, fields: tuple[str, ...], path: KeyPath
) -> Iterator[Fault]:
    for field in fields:
        value = getattr(store, field)
        text = value.reveal() if isinstance(value, Secret) else value
        if text == "":
            yield Fault((*path, field), "is empty; leave it out")
        elif text is not None and (text != text.strip() or _UNPRINTABLE.search(text)):
            yield Fault((*path, field), "begins or ends with a space, or holds a line break")


def _s3_credential_faults(store: S3StoreConfig, path: KeyPath) -> Iterator[Fault]:
    if (store.access_key_id is None) != (store.secret_access_key is None):
        missing = "access_key_id" if store.access_key_id is None else "secret_access_key"
        yield Fault((*path, missing), "missing; the two belong together")
    elif store.session_token is not None and store.access_key_id is None:
        yield Fault((*path, "session_token"), "needs access_key_id and secret_access_key")
    elif store.access_key_id is not None and store.profile is not None:
        yield Fault((*path, "profile"), "is a second credential beside access_key_id; keep one")
    if store.role_arn is not None and not _ROLE.fullmatch(store.role_arn):
        yield Fault((*path, "role_arn"), "is no role; write arn:aws:iam::123456789012:role/NAME")
    if store.external_id is not None and store.role_arn is None:
        yield Fault((*path, "external_id"), "needs role_arn beside it")


def _s3_faults(store: S3StoreConfig, path: KeyPath) -> Iterator[Fault]:
    if store.region is not None and not _REGION.fullmatch(store.region):
        yield Fault((*path, "region"), "is no region; write eu-central-1")
    owner = store.expected_bucket_owner
    if owner is not None and not _OWNER.fullmatch(owner):
        yield Fault((*path, "expected_bucket_owner"), "is no account number; it has 12 digits")
    if store.kms_key_id is not None and store.sse not in ("aws:kms", "aws:kms:dsse"):
        yield Fault((*path, "kms_key_id"), 'needs sse = "aws:kms"')
    if store.storage_class in _MUST_BE_RESTORED:
        yield Fault(
            (*path, "storage_class"),
            "its files must be restored before anybody can read them; land in another class and "
            "let a lifecycle rule of the bucket move old partitions",
        )
    if len(store.tags) > 10:
        yield Fault((*path, "tags"), f"has {len(store.tags)} tags; S3 takes 10 at most")
    for name, value in store.tags.items():
        is_short = 0 < len(name) <= 128 and len(value) <= 256
        if not is_short or not _TAG.fullmatch(name) or not _TAG.fullmatch(value):
            yield Fault((*path, "tags", name), "letters, digits, spaces and + - = . _ : / @ only")
        elif name.lower().startswith("aws:"):
            yield Fault((*path, "tags", name), "names that begin with aws: are Amazon's own")


def _azure_credential_faults(store: AzureStoreConfig, path: KeyPath) -> Iterator[Fault]:
    given = [field for field in _AZURE_CREDENTIALS if getattr(store, field) is not None]
    if len(given) > 1:
        yield Fault((*path, given[1]), f"is a second credential beside {given[0]}; keep one")
    if store.account_key is not None and not _is_base64(store.account_key.reveal()):
        yield Fault((*path, "account_key"), "is no key of a storage account: it is not base64")
    if store.connection_string is not None:
        parts = connection_parts(store.connection_string.reveal())
        if parts is None or not parts.keys() & _CONNECTION_PLACES:
            yield Fault(
                (*path, "connection_string"),
                "is none; it reads AccountName=…;AccountKey=…;EndpointSuffix=core.windows.net",
            )
        elif "accountkey" in parts and not _is_base64(parts["accountkey"]):
            yield Fault((*path, "connection_string"), "its AccountKey is not base64")


def _azure_account_faults(store: AzureStoreConfig, path: KeyPath) -> Iterator[Fault]:
    try:
        named = store.address.account
    except ValueError:
        return
    account = account_of(store)
    if store.account is not None and not _ACCOUNT.fullmatch(store.account):
        yield Fault((*path, "account"), "is no storage account: 3 to 24 small letters and digits")
    elif named is not None and store.account not in (None, named):
        yield Fault((*path, "account"), f'is not the account of the url, "{named}"')
    elif account is None and store.endpoint_url is None and store.connection_string is None:
        yield Fault(
            (*path, "account"),
            "missing; set it, AZURE_STORAGE_ACCOUNT or a connection string, or write "
            "abfss://container@account.dfs.core.windows.net/prefix",
        )
    elif account is None and store.account_key is not None:
        yield Fault((*path, "account"), "missing; account_key is the key of an account")


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False
