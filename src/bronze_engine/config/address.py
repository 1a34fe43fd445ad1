"""The URL of an object store: which container of which service, and the prefix within it."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

import msgspec

__all__ = ["SCHEMES", "Address", "parse_address"]

Service = Literal["s3", "azure"]

SCHEMES: dict[str, Service] = {
    "s3": "s3",
    "s3a": "s3",
    "az": "azure",
    "abfs": "azure",
    "abfss": "azure",
}
"""What a URL may begin with, and who is meant."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]", re.IGNORECASE)
_CONTAINER = re.compile(r"\$root|\$web|[a-z0-9](?:-?[a-z0-9]){2,62}")
_HOST = re.compile(r"(?P<account>[a-z0-9]{3,24})\.(?:dfs|blob)\.(?P<suffix>[a-z0-9.-]+)")


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where partitions lie within a service."""

    service: Service
    container: str
    """The bucket of S3, the container of Azure."""
    prefix: str = ""
    """Without slashes at its ends; empty means the whole container."""
    account: str | None = None
    """Azure's storage account, where the URL names one."""
    suffix: str | None = None
    """What follows `account.blob.` in the host, where the URL names one."""


def parse_address(url: str) -> Address:
    """`s3://bucket/prefix`, `az://container/prefix`, or
    `abfss://container@account.dfs.core.windows.net/prefix`.

    Raises ValueError with what is wrong and how to write it; the text repeats nothing of
    the URL that could be a credential.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("is no URL; write s3://bucket/prefix or az://container/prefix") from None
    service = SCHEMES.get(parts.scheme)
    if service is None:
        raise ValueError(
            f'the scheme "{parts.scheme}" is no store; write s3://bucket/prefix, '
            "az://container/prefix, or the path of a directory"
        )
    if parts.query or parts.fragment:
        raise ValueError("has a query (?) or a fragment (#); credentials belong into [stores]")
    prefix = parts.path.strip("/")
    container, at, host = parts.netloc.rpartition("@")
    if service == "s3":
        if at:
            raise ValueError("has a user or password in it; credentials belong into [stores]")
        if not _BUCKET.fullmatch(host):
            raise ValueError("names no bucket; write s3://bucket/prefix")
        return Address(service="s3", container=host, prefix=prefix)
    if not at:
        container, host = host, ""
    if not _CONTAINER.fullmatch(container):
        raise ValueError(
            "names no container (3 to 63 lower-case letters, digits and single hyphens); "
            "write az://container/prefix or "
            "abfss://container@account.dfs.core.windows.net/prefix"
        )
    match = _HOST.fullmatch(host)
    if host and match is None:
        raise ValueError(
            "names no storage account; write abfss://container@account.dfs.core.windows.net/prefix"
        )
    return Address(
        service="azure",
        container=container,
        prefix=prefix,
        account=match["account"] if match else None,
        suffix=match["suffix"] if match else None,
    )
