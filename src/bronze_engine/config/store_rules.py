"""What a well-typed [stores.NAME] may still get wrong, and what the vendors' variables add."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import SplitResult, urlsplit

import msgspec

from bronze_engine.config.address import SCHEMES, parse_address
from bronze_engine.config.api import Timeout
from bronze_engine.config.fault import Fault, KeyPath
from bronze_engine.config.loopback import is_loopback
from bronze_engine.config.sensitive import of_url, worth_hiding
from bronze_engine.config.store import (
    AzureStoreConfig,
    LocalStoreConfig,
    RemoteStoreConfig,
    S3StoreConfig,
    StoreConfig,
)
from bronze_engine.config.units import Secret

__all__ = ["of_store", "store_faults", "store_of_url", "with_variables"]

_S3_PLACE: Final = {
    "endpoint_url": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "region": ("AWS_DEFAULT_REGION", "AWS_REGION"),
    "ca_file": ("AWS_CA_BUNDLE",),
}
_S3_KEYS: Final = {
    "access_key_id": ("AWS_ACCESS_KEY_ID",),
    "secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
    "session_token": ("AWS_SESSION_TOKEN",),
}
_AZURE_PLACE: Final = {
    "account": ("AZURE_STORAGE_ACCOUNT",),
    "endpoint_url": ("AZURE_STORAGE_ENDPOINT",),
}
_AZURE_KEYS: Final = (
    ("connection_string", "AZURE_STORAGE_CONNECTION_STRING"),
    ("account_key", "AZURE_STORAGE_KEY"),
    ("sas_token", "AZURE_STORAGE_SAS_TOKEN"),
)
_Remote = TypeVar("_Remote", bound=RemoteStoreConfig)

_TAG = re.compile(r"[\w\s+=.:/@-]*")
_PROFILE: Final = "AWS_PROFILE"


def store_of_url(url: str) -> S3StoreConfig | AzureStoreConfig:
    """The store that a bare URL means. Raises ValueError as `parse_address` does."""
    address = parse_address(url)
    return S3StoreConfig(url=url) if address.service == "s3" else AzureStoreConfig(url=url)


def with_variables(store: _Remote, variables: Mapping[str, str]) -> _Remote:
    """The store with what the vendors' own variables say where the file says nothing.

    Credentials are taken whole or not at all: keys of the file are never mixed with a
    token of the environment. What is still unset then is for the SDK's chain to find.
    """
    match store:
        case S3StoreConfig():
            found = _found(store, _S3_PLACE, variables)
            if store.access_key_id is None and store.profile is None:
                keys = _found(store, _S3_KEYS, variables)
                if "access_key_id" in keys and "secret_access_key" in keys:
                    found |= keys
                elif variables.get(_PROFILE):
                    found["profile"] = variables[_PROFILE]
            return msgspec.structs.replace(store, **found)
        case AzureStoreConfig():
            found = _found(store, _AZURE_PLACE, variables)
            if not any(getattr(store, field) for field, _ in _AZURE_KEYS):
                for field, variable in _AZURE_KEYS:
                    if variables.get(variable):
                        found[field] = Secret(variables[variable])
                        break
            return msgspec.structs.replace(store, **found)
        case _:
            raise AssertionError(f"no variables are known for {type(store).__name__}")


def _found(
    store: RemoteStoreConfig, names: Mapping[str, tuple[str, ...]], variables: Mapping[str, str]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, candidates in names.items():
        value = next((variables[name] for name in candidates if variables.get(name)), None)
        if value is not None and getattr(store, field) is None:
            is_secret = field in ("secret_access_key", "session_token")
            found[field] = Secret(value) if is_secret else value
    return found


def store_faults(store: StoreConfig, path: KeyPath) -> Iterator[Fault]:
    """Faults of a store by itself. No text holds a credential."""
    if isinstance(store, LocalStoreConfig):
        return
    yield from _url_faults(store, path)
    yield from _network_faults(store, path)
    if isinstance(store, S3StoreConfig):
        yield from _s3_faults(store, path)
    else:
        yield from _azure_faults(store, path)


def of_store(store: StoreConfig) -> Iterator[str]:
    """What of a store must be scrubbed from whatever is printed."""
    match store:
        case S3StoreConfig():
            secrets = [store.secret_access_key, store.session_token]
        case AzureStoreConfig():
            secrets = [store.account_key, store.sas_token, store.connection_string]
            if store.connection_string is not None:
                for pair in store.connection_string.reveal().split(";"):
                    name, _, value = pair.partition("=")
                    if name.lower() in ("accountkey", "sharedaccesssignature"):
                        yield from worth_hiding(value)
            if store.sas_token is not None:
                yield from of_url(f"https://sas/?{store.sas_token.reveal().lstrip('?')}")
        case _:
            return
    for secret in secrets:
        if secret is not None:
            yield from worth_hiding(secret.reveal())
    yield from of_url(store.url)
    yield from of_url(store.endpoint_url or "")
    yield from of_url(store.proxy)


def _url_faults(store: RemoteStoreConfig, path: KeyPath) -> Iterator[Fault]:
    try:
        address = store.address
    except ValueError as exc:
        yield Fault((*path, "url"), str(exc))
        return
    tag = store.__struct_config__.tag
    if address.service != tag:
        schemes = " or ".join(f"{scheme}://" for scheme, of in SCHEMES.items() if of == tag)
        yield Fault((*path, "url"), f'type = "{tag}" takes {schemes}')
    segments = address.prefix.split("/") if address.prefix else []
    if any(not part or part in (".", "..") for part in segments):
        yield Fault((*path, "url"), "its prefix has an empty part, `.` or `..`")


def _network_faults(store: RemoteStoreConfig, path: KeyPath) -> Iterator[Fault]:
    endpoint = _split(store.endpoint_url) if store.endpoint_url is not None else None
    if store.endpoint_url is not None and not _is_http(endpoint):
        yield Fault((*path, "endpoint_url"), "is no URL; write https://s3.example.com")
    elif endpoint is not None and ("@" in endpoint.netloc or endpoint.query):
        yield Fault((*path, "endpoint_url"), "has a credential in it; take it out")
    if store.insecure and (endpoint is None or not is_loopback(endpoint.hostname or "")):
        yield Fault(
            (*path, "insecure"),
            "certificates may go unverified only where endpoint_url is on this machine's "
            "loopback; trust the server's authority with ca_file instead",
        )
    if store.proxy not in ("env", "none") and not _is_http(_split(store.proxy)):
        yield Fault(
            (*path, "proxy"), 'expected "env", "none" or a URL: http://proxy.example.com:3128'
        )
    if store.client_key is not None and store.client_cert is None:
        yield Fault((*path, "client_key"), "needs client_cert beside it")
    for name in Timeout.__struct_fields__:
        if getattr(store.timeout, name) <= 0:
            yield Fault((*path, "timeout", name), "must be above zero")


def _s3_faults(store: S3StoreConfig, path: KeyPath) -> Iterator[Fault]:
    if (store.access_key_id is None) != (store.secret_access_key is None):
        missing = "access_key_id" if store.access_key_id is None else "secret_access_key"
        yield Fault((*path, missing), "missing; the two belong together")
    elif store.session_token is not None and store.access_key_id is None:
        yield Fault((*path, "session_token"), "needs access_key_id and secret_access_key")
    if store.external_id is not None and store.role_arn is None:
        yield Fault((*path, "external_id"), "needs role_arn beside it")
    if store.kms_key_id is not None and store.sse not in ("aws:kms", "aws:kms:dsse"):
        yield Fault((*path, "kms_key_id"), 'needs sse = "aws:kms"')
    if len(store.tags) > 10:
        yield Fault((*path, "tags"), f"has {len(store.tags)} tags; S3 takes 10 at most")
    for name, value in store.tags.items():
        is_short = 0 < len(name) <= 128 and len(value) <= 256
        if not is_short or not _TAG.fullmatch(name) or not _TAG.fullmatch(value):
            yield Fault((*path, "tags", name), "letters, digits, spaces and + - = . _ : / @ only")


def _azure_faults(store: AzureStoreConfig, path: KeyPath) -> Iterator[Fault]:
    given = [field for field, _ in _AZURE_KEYS if getattr(store, field) is not None]
    if len(given) > 1:
        yield Fault((*path, given[1]), f"is a second credential beside {given[0]}; keep one")
    try:
        named = store.address.account
    except ValueError:
        return
    if named is not None and store.account not in (None, named):
        yield Fault((*path, "account"), f'is not the account of the url, "{named}"')
    if (
        named is None
        and store.account is None
        and store.endpoint_url is None
        and store.connection_string is None
    ):
        yield Fault(
            (*path, "account"),
            "missing; set it, AZURE_STORAGE_ACCOUNT or a connection string, or write "
            "abfss://container@account.dfs.core.windows.net/prefix",
        )


def _is_http(url: SplitResult | None) -> bool:
    return url is not None and url.scheme in ("http", "https") and bool(url.hostname)


def _split(text: str) -> SplitResult | None:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        return None
    return url
