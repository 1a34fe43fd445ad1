"""The URL of an object store: which container of which service, and the prefix within it."""

from __future__ import annotations

import re
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

__all__ = ["SCHEMES", "Address", "Service", "parse_address", "service_of"]

Service = Literal["s3", "azure"]

SCHEMES: Final[dict[str, Service]] = {
    "s3": "s3",
    "s3a": "s3",
    "az": "azure",
    "abfs": "azure",
    "abfss": "azure",
}
"""What a URL may begin with, and who is meant."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,19}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
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


def service_of(url: str) -> Service:
    """The service that a URL's scheme means. Raises ValueError, as `parse_address` does."""
    scheme, separator, _ = url.partition("://")
    service = SCHEMES.get(scheme.lower())
    if not separator or service is None:
        is_scheme = separator and _SCHEME.fullmatch(scheme)
        what = f'the scheme "{scheme}" is no store' if is_scheme else "is no URL of a store"
        raise ValueError(
            f"{what}; write s3://bucket/prefix, az://container/prefix, or the path of a directory"
        )
    return service


def parse_address(url: str) -> Address:
    """`s3://bucket/prefix`, `az://container/prefix`, or
    `abfss://container@account.dfs.core.windows.net/prefix`.

    Raises ValueError with what is wrong and how to write it; the text repeats nothing of
    the URL that could be a credential.
    """
    service = service_of(url)
    if _CONTROL.search(url):  # urlsplit would drop them without a word
        raise ValueError("has a line break, a tab or another control character")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("is no URL; write s3://bucket/prefix or az://container/prefix") from None
    if parts.query or parts.fragment:
        raise ValueError("has a query (?) or a fragment (#); credentials belong into [stores]")
    prefix = parts.path.strip("/")
    if prefix and any(part in ("", ".", "..") for part in prefix.split("/")):
        raise ValueError("its prefix has an empty part, `.` or `..`")
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
    if at and match is None:
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
