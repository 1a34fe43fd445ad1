"""Where files lie: the directory, store or server that a `url` means, and what is wanted there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

from bronze_engine.config.api import Api
from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.stores.address import SCHEMES
from bronze_engine.config.stores.store import LocalStoreConfig, StoreConfig

__all__ = ["FilePlace", "has_wildcard", "place_of_files"]

_WILDCARD: Final = re.compile(r"[*?\[]")

OpenPlace = Callable[[str, KeyPath, list[Fault]], object]
"""A store by its URL, or what is no store, with a fault added."""


class FilePlace(msgspec.Struct, frozen=True, kw_only=True):
    """One `url` of a source of files. Its pattern may hold {run_date}."""

    pattern: str
    """The absolute path of a local file, the key within `store`, or the whole URL at `api`; of
    the first two, `*`, `**`, `?` and `[…]` are wildcards."""
    store: StoreConfig | None = None
    """An object store; None for local files and for HTTP."""
    api: Api | None = None
    """For HTTP: whose limits, TLS and credentials count."""


def has_wildcard(pattern: str) -> bool:
    """Whether a pattern may match more than one file."""
    return _WILDCARD.search(pattern) is not None


def place_of_files(
    url: str,
    *,
    store: StoreConfig | None,
    api: Api | None,
    open_place: OpenPlace,
    absolute: Callable[[str], Path],
    path: KeyPath,
    faults: list[Fault],
) -> FilePlace | None:
    """Where the files of one `url` lie; None, with a fault added, where it means nothing."""
    before = len(faults)
    faults.extend(_faults(url, store, api, path))
    if len(faults) > before:
        return None
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower() if separator else ""
    if api is not None or scheme in ("http", "https"):
        return _at_server(url, api)
    if isinstance(store, LocalStoreConfig):
        return FilePlace(pattern=os.path.normpath(f"{_literally(store.path)}/{url}"))
    if store is not None:
        return FilePlace(pattern=url, store=store)
    if scheme in SCHEMES:
        container, _, pattern = rest.partition("/")
        found = open_place(f"{scheme}://{container}", path, faults)
        if not isinstance(found, StoreConfig):
            return None
        return FilePlace(pattern=pattern, store=found)
    if scheme == "file":
        return FilePlace(pattern=os.path.normpath(unquote(rest.removeprefix("localhost"))))
    if url.startswith(("/", "~")):
        return FilePlace(pattern=str(absolute(url)))
    beside = _literally(str(absolute(".")))
    return FilePlace(pattern=os.path.normpath(f"{beside}/{url}"))


def _literally(folder: str) -> str:
    """A pattern that means this directory alone, whatever characters its path has."""
    braced = folder.replace("{", "{{").replace("}", "}}")
    return _WILDCARD.sub(lambda found: f"[{found[0]}]", braced)


def _at_server(url: str, api: Api | None) -> FilePlace:
    if api is None:
        parts = urlsplit(url)
        return FilePlace(pattern=url, api=Api(base_url=f"{parts.scheme}://{parts.netloc}"))
    whole = url if "://" in url else f"{api.base_url.rstrip('/')}/{url.lstrip('/')}"
    return FilePlace(pattern=whole, api=api)


def _faults(url: str, store: StoreConfig | None, api: Api | None, path: KeyPath) -> Iterator[Fault]:
    scheme, separator, rest = url.partition("://")
    is_http = separator and scheme.lower() in ("http", "https")
    if not url.strip():
        yield Fault(path, "is empty; write a path, a glob, or a URL")
    elif store is not None and api is not None:
        yield Fault(path, "files lie in a store or at an API; leave `store` or `api` out")
    elif api is not None and separator and not is_http:
        yield Fault(path, "is read through `api`, which speaks HTTP; leave one of the two out")
    elif store is not None and (separator or url.startswith("/")):
        yield Fault(path, "is looked for within `store`; write the path below it, without a slash")
    elif store is not None and any(part in ("", ".", "..") for part in url.split("/")):
        yield Fault(path, "has an empty part, `.` or `..`")
    elif is_http:
        try:
            parts = urlsplit(url)
            valid = bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            parts, valid = None, False
        if not valid or parts is None:
            yield Fault(path, "is no URL; write https://host/path/file.csv")
        elif "@" in parts.netloc:
            yield Fault(path, "holds a user or password; credentials belong into [apis] and auth")
        elif has_wildcard(parts.path):
            yield Fault(path, "has a wildcard, and HTTP can't list; write a list of URLs")
    elif scheme.lower() in SCHEMES and separator:
        if not rest.partition("/")[2]:
            yield Fault(path, "names no file; write s3://bucket/prefix/*.csv")
    elif separator and scheme.lower() != "file":
        yield Fault(
            path,
            f'the scheme "{scheme}" is unknown; write a path, file://, s3://, az://, abfss:// or'
            " https://",
        )
