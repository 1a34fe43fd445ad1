"""Where a script of pyarrow writes: a folder, or S3 by pyarrow's own file system."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pyarrow import fs

__all__ = ["lake"]


def lake(store: Mapping[str, str] | None, out: Path) -> tuple[fs.FileSystem, str]:
    """A file system, and the folder in it."""
    if store is None:
        return fs.LocalFileSystem(), str(out)
    url = urlsplit(store["endpoint_url"])
    files = fs.S3FileSystem(
        access_key=store["access_key_id"],
        secret_key=store["secret_access_key"],
        endpoint_override=url.netloc,
        scheme="https" if url.scheme == "https" else "http",
        region=store["region"],
    )
    return files, f"{store['url'].removeprefix('s3://')}/{out.name}"
