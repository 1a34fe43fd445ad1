"""Where an Azure store's service is, and what we show it: from the configuration alone."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential

from bronze_engine.config.stores.loopback import is_loopback
from bronze_engine.config.stores.store import AzureStoreConfig
from bronze_engine.errors import ConfigError

__all__ = ["Access", "access_of"]

_PUBLIC_CLOUD: Final = "core.windows.net"
_EMULATOR: Final = {
    "accountname": "devstoreaccount1",
    # Not a secret: the one that Azurite's documentation prints for everybody.
    "accountkey": "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/"
    "K1SZFPTOtr/KBHBeksoGMGw==",
    "blobendpoint": "http://127.0.0.1:10000/devstoreaccount1",
}


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """The endpoint without a credential, and the credential by itself."""

    endpoint: str
    credential: AzureNamedKeyCredential | AzureSasCredential | None
    """None where nothing is configured: what DefaultAzureCredential finds."""

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS protects what is sent from being changed on the way."""
        return urlsplit(self.endpoint).scheme == "https"


def access_of(config: AzureStoreConfig) -> Access:
    """Work out endpoint and credential.

    `endpoint_url` wins over the connection string's endpoint, that over the account's
    own. Raises ConfigError where something is missing or malformed.
    """
    given = _parsed(config)
    endpoint = config.endpoint_url or _endpoint_of(given) or _own_endpoint(config)
    endpoint = endpoint.rstrip("/")
    key = config.account_key.reveal() if config.account_key is not None else given.get("accountkey")
    if key:
        account = config.account or given.get("accountname") or _account_in(config, endpoint)
        return Access(endpoint=endpoint, credential=AzureNamedKeyCredential(account, key))
    sas = config.sas_token.reveal() if config.sas_token is not None else None
    sas = sas or given.get("sharedaccesssignature")
    if sas:
        return Access(endpoint=endpoint, credential=AzureSasCredential(sas.strip().lstrip("?")))
    if config.connection_string is not None:
        raise ConfigError(
            f"{config.told}.connection_string has neither AccountKey nor SharedAccessSignature; "
            "copy it whole from the portal (Access keys)"
        )
    if not endpoint.startswith("https://"):
        raise ConfigError(
            f"{config.told}: a token is sent over https only; write endpoint_url with https, or "
            "set account_key or sas_token"
        )
    return Access(endpoint=endpoint, credential=None)


def _parsed(config: AzureStoreConfig) -> dict[str, str]:
    """The pairs of the connection string, their names in lower case."""
    if config.connection_string is None:
        return {}
    pairs: dict[str, str] = {}
    for text in config.connection_string.reveal().strip().split(";"):
        name, equals, value = text.strip().partition("=")
        if text.strip() and not equals:
            raise ConfigError(
                f"{config.told}.connection_string is malformed: expected "
                "DefaultEndpointsProtocol=https;AccountName=...;AccountKey=..."
            )
        pairs[name.lower()] = value
    if pairs.get("usedevelopmentstorage", "").lower() == "true":
        return _EMULATOR
    return pairs


def _endpoint_of(pairs: dict[str, str]) -> str | None:
    if "blobendpoint" in pairs:
        return pairs["blobendpoint"]
    account = pairs.get("accountname")
    if not account:
        return None
    protocol = pairs.get("defaultendpointsprotocol", "https")
    return f"{protocol}://{account}.blob.{pairs.get('endpointsuffix', _PUBLIC_CLOUD)}"


def _own_endpoint(config: AzureStoreConfig) -> str:
    address = config.address
    account = address.account or config.account
    if account is None:
        raise ConfigError(
            f"{config.told}: no storage account is named; set account, AZURE_STORAGE_ACCOUNT, "
            "or write abfss://container@account.dfs.core.windows.net/prefix"
        )
    return f"https://{account}.blob.{address.suffix or _PUBLIC_CLOUD}"


def _account_in(config: AzureStoreConfig, endpoint: str) -> str:
    """The account whose key signs, as the endpoint names it: a path, or the host's first part."""
    if config.address.account is not None:
        return config.address.account
    url = urlsplit(endpoint)
    host = url.hostname or ""
    path = url.path.strip("/")
    if path:
        return path.partition("/")[0]
    if is_loopback(host) or host.replace(".", "").isdigit():
        raise ConfigError(
            f"{config.told}: account_key needs to know its account; set account, or write "
            "endpoint_url with it: http://127.0.0.1:10000/devstoreaccount1"
        )
    return host.partition(".")[0]
