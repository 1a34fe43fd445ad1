"""What the vendors' own variables add to a store: AWS_* and AZURE_STORAGE_*."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from bronze_engine.config.stores.connection_string import account_in
from bronze_engine.config.stores.store import AzureStoreConfig, RemoteStoreConfig, S3StoreConfig
from bronze_engine.config.units import Secret

__all__ = ["VARIABLES", "with_variables"]

_S3_PLACE: Final = {
    "endpoint_url": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "region": ("AWS_DEFAULT_REGION", "AWS_REGION"),
    "ca_file": ("AWS_CA_BUNDLE",),
}
_AZURE_CREDENTIALS: Final = {
    "connection_string": "AZURE_STORAGE_CONNECTION_STRING",
    "account_key": "AZURE_STORAGE_KEY",
    "sas_token": "AZURE_STORAGE_SAS_TOKEN",
}
_AZURE_PLACE: Final = {
    "account": "AZURE_STORAGE_ACCOUNT",
    "endpoint_url": "AZURE_STORAGE_ENDPOINT",
}
_KEYS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_PROFILE: Final = "AWS_PROFILE"
VARIABLES: Final = frozenset(
    {name for names in _S3_PLACE.values() for name in names}
    | {*_KEYS, _PROFILE, *_AZURE_PLACE.values(), *_AZURE_CREDENTIALS.values()}
)
"""All that are read."""

_Remote = TypeVar("_Remote", bound=RemoteStoreConfig)


def with_variables(store: _Remote, variables: Mapping[str, str]) -> _Remote:
    """The store with what the vendors' own variables say where the file says nothing.

    Credentials are taken whole or not at all: keys of the file are never mixed with a
    token of the environment. What is still unset then is for the SDK's chain to find.
    """
    found: dict[str, Any]
    match store:
        case S3StoreConfig():
            found = _s3_place(store, variables)
            if not _has_s3_credential(store):
                found |= _s3_credential(variables)
        case AzureStoreConfig():
            found = _azure(store, variables)
        case _:
            raise AssertionError(f"no variables are known for {type(store).__name__}")
    return msgspec.structs.replace(store, **found)


def _s3_place(store: S3StoreConfig, variables: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, names in _S3_PLACE.items():
        value = next((variables[name] for name in names if variables.get(name)), None)
        if value is not None and getattr(store, field) is None:
            found[field] = value
    return found


def _has_s3_credential(store: S3StoreConfig) -> bool:
    given = (store.access_key_id, store.secret_access_key, store.session_token, store.profile)
    return any(each is not None for each in given)


def _s3_credential(variables: Mapping[str, str]) -> dict[str, Any]:
    """Keys before a profile, as the SDK reads the same variables."""
    key, secret, token = map(variables.get, _KEYS)
    if key and secret:
        found: dict[str, Any] = {"access_key_id": key, "secret_access_key": Secret(secret)}
        if token:
            found["session_token"] = Secret(token)
        return found
    profile = variables.get(_PROFILE)
    return {"profile": profile} if profile else {}


def _azure(store: AzureStoreConfig, variables: Mapping[str, str]) -> dict[str, Any]:
    """The variables describe one account: of a store that names another they say nothing."""
    try:
        in_url = store.address.account
    except ValueError:  # a fault, told by `store_faults`
        return {}
    connection = variables.get(_AZURE_CREDENTIALS["connection_string"], "")
    account = variables.get(_AZURE_PLACE["account"]) or account_in(connection)
    own = in_url or store.account
    if own is not None and account not in (None, own):
        return {}
    found: dict[str, Any] = {}
    if in_url is None and store.connection_string is None:  # else the place is told already
        for field, name in _AZURE_PLACE.items():
            if getattr(store, field) is None and variables.get(name):
                found[field] = variables[name]
    if all(getattr(store, field) is None for field in _AZURE_CREDENTIALS):
        for field, name in _AZURE_CREDENTIALS.items():
            if variables.get(name):
                found[field] = Secret(variables[name])
                break
    return found
