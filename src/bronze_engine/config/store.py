"""[stores.NAME]: where partitions land."""

from __future__ import annotations

import msgspec

__all__ = ["LocalStoreConfig", "StoreConfig"]


class LocalStoreConfig(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="local"
):
    """A directory of this machine, or of a file system that it mounts."""

    path: str
    """A directory; relative to pipelines.toml; made where it does not exist."""
    single_writer: bool = False
    """The user's word that no other process writes here: locks that do not work are accepted."""


StoreConfig = LocalStoreConfig
