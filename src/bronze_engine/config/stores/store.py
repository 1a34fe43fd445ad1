"""[stores.NAME]: where partitions land."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Final, Literal, Self

import msgspec

from bronze_engine.config.api import CircuitBreaker, Retry, Timeout
from bronze_engine.config.stores.address import Address, parse_address, service_of
from bronze_engine.config.units import Secret

__all__ = [
    "BUILT_IN",
    "AzureStoreConfig",
    "CustomStore",
    "LocalStoreConfig",
    "RemoteStoreConfig",
    "S3StoreConfig",
    "StoreConfig",
    "implied_type",
]


class LocalStoreConfig(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="local"
):
    """A directory of this machine, or of a file system that it mounts."""

    name: str = ""
    """The key in [stores], set on loading; empty where a path was written."""
    path: str
    """A directory; relative to pipelines.toml; made where it does not exist."""
    single_writer: bool = False
    """The user's word that no other process writes here: locks that do not work are accepted."""

    @property
    def location(self) -> str:
        """Where it is, for people."""
        return self.path


class RemoteStoreConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all object stores have in common. Unset credentials come from the vendor's variables.

    Hashable. Its repr shows only where it is: a proxy's URL may hold a password.
    """

    name: str = ""
    """The key in [stores], set on loading; empty where a URL was written."""
    url: str
    """s3://bucket/prefix, az://container/prefix, or
    abfss://container@account.dfs.core.windows.net/prefix"""
    endpoint_url: str | None = None
    """Of a server that is not the vendor's own, or of a private endpoint."""
    single_writer: bool = False
    """The user's word that no other process writes here: a store that ignores conditions on
    puts is accepted."""
    retry: Retry = Retry()
    circuit_breaker: CircuitBreaker = CircuitBreaker()
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 32
    """Requests in flight over all pipelines that land here."""
    timeout: Timeout = Timeout()
    proxy: str = "env"
    """"env" (HTTPS_PROXY, HTTP_PROXY, NO_PROXY), "none", or a URL."""
    ca_file: str | None = None
    """PEM file with the certificate authorities to trust beside the system's."""
    client_cert: str | None = None
    """PEM file that proves who we are, with its key unless client_key is set."""
    client_key: str | None = None
    """PEM file with the key of client_cert, where that file does not hold it."""
    insecure: bool = False
    """Do not verify certificates. Only for a server on this machine's loopback."""

    @property
    def location(self) -> str:
        """Where it is, for people; a URL with credentials in it is no valid one."""
        return self.url.rstrip("/")

    @property
    def told(self) -> str:
        """Whose settings a message is about: stores.NAME, or the URL where there is no table."""
        return f"stores.{self.name}" if self.name else self.location

    @property
    def address(self) -> Address:
        """The URL's parts. Raises ValueError for one that `store_faults` refuses."""
        return parse_address(self.url)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, url={self.url!r})"

    def __hash__(self) -> int:
        return hash((type(self), self.name, self.url, self.endpoint_url))


class S3StoreConfig(RemoteStoreConfig, frozen=True, kw_only=True, tag="s3"):
    """A bucket of S3, or of a server that speaks its protocol."""

    region: str | None = None
    """Default: AWS_DEFAULT_REGION, the profile's, us-east-1."""
    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    """`path` for servers that know no bucket.host names."""
    access_key_id: str | None = None
    """Where unset `profile`, else the SDK's chain: AWS_* variables, ~/.aws, the role of the
    machine."""
    secret_access_key: Secret | None = None
    """Of access_key_id; the two go together."""
    session_token: Secret | None = None
    """Of temporary keys; beside those two."""
    profile: str | None = None
    """Of ~/.aws/config; wins over the variables."""
    role_arn: str | None = None
    """A role to assume with these credentials; renewed while a run lasts."""
    external_id: str | None = None
    """What the role's owner asks for."""
    sse: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = None
    """Encryption at rest; unset leaves it to the bucket."""
    kms_key_id: str | None = None
    """The key of "aws:kms" and "aws:kms:dsse"; where unset AWS's own for S3, aws/s3."""
    storage_class: str | None = None
    """Of data files; manifests and state are always STANDARD."""
    tags: dict[str, str] = {}
    """Object tags of every object."""
    expected_bucket_owner: str | None = None
    """The account number that must own the bucket."""
    part_checksum: Literal["crc32", "sha256", "md5"] = "crc32"
    """What the server checks each part by; md5 for those that know no other."""


class AzureStoreConfig(RemoteStoreConfig, frozen=True, kw_only=True, tag="azure"):
    """A container of Azure Blob Storage (flat or hierarchical), or of Azurite."""

    account: str | None = None
    """Default: the URL's, else AZURE_STORAGE_ACCOUNT."""
    account_key: Secret | None = None
    """A key of the storage account, in base64."""
    sas_token: Secret | None = None
    """A shared access signature, with or without its `?`."""
    connection_string: Secret | None = None
    """One of the three; without any: AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN,
    AZURE_STORAGE_CONNECTION_STRING, else DefaultAzureCredential (the extra azure-identity)."""
    access_tier: Literal["Hot", "Cool", "Cold"] | None = None
    """Of data files; unset leaves it to the account."""
    part_checksum: Literal["auto", "md5"] = "auto"
    """`auto` sends the MD5 of each block where no TLS protects it, `md5` always."""


class CustomStore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the Structs of third parties' stores build on, each with a tag of its own
    (see bronze_engine.plugins).

    A field of type StoreConfig holds in the file the name of another entry of [stores], and that
    entry once it is loaded. `retry`, `circuit_breaker`, `concurrency` and `timeout`, where a
    Struct has them with the types that other stores have, are those of its limit group. Hashable.
    """

    name: str = ""
    """The key in [stores], set on loading."""
    single_writer: bool = False
    """The user's word that no other process writes here: a store without working locks or
    conditions is accepted."""

    @property
    def location(self) -> str:
        """Where it is, for people, without secrets. Two stores whose locations are the same are
        one place."""
        return f"{self.__struct_config__.tag}:{self.name}"

    @property
    def wrapped(self) -> StoreConfig | None:
        """The store within this one whose place it has: two that wrap one store are one place."""
        return None

    def faults(self) -> Iterable[tuple[str, str]]:
        """Keys whose values contradict each other, each with what is wrong and what to write."""
        return ()

    def resolved(self, absolute: Callable[[str], str], /) -> Self:  # noqa: ARG002  # of others
        """With its paths absolute: `absolute` takes what is relative to pipelines.toml, or `~`."""
        return self

    def __hash__(self) -> int:
        return hash((type(self), self.name, self.location))


StoreConfig = LocalStoreConfig | S3StoreConfig | AzureStoreConfig | CustomStore
BUILT_IN: Final = frozenset({"local", "s3", "azure"})
"""The tags of our own stores."""


def implied_type(table: Mapping[str, Any]) -> str | None:
    """The `type` of a [stores.NAME] that leaves it out: that of its URL's scheme, or `local`
    where it has a path; None where it has neither.

    Raises ValueError for a URL whose scheme is no store's.
    """
    url = table.get("url")
    if isinstance(url, str):
        return service_of(url)
    return "local" if "path" in table else None
