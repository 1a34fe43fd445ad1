"""The manifest that a run starts from: what its commit must find unchanged."""

from __future__ import annotations

import msgspec

from bronze_engine.contracts import Store
from bronze_engine.errors import StateError
from bronze_engine.model.manifest import MANIFEST_NAME, Manifest
from bronze_engine.model.manifest_json import decode_manifest
from bronze_engine.model.part import ABSENT, Expect

__all__ = ["Base", "read_base"]


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """A partition as a run found it."""

    partition: str
    """`{system}/{entity}/dt=YYYY-MM-DD`."""
    manifest: Manifest | None
    version: Expect
    """What the commit expects: the manifest's version, or ABSENT."""

    @property
    def generation(self) -> int:
        """0 where nothing was ever committed; a run commits this plus one."""
        return 0 if self.manifest is None else self.manifest.generation

    @property
    def manifest_key(self) -> str:
        return f"{self.partition}/{MANIFEST_NAME}"


async def read_base(store: Store, partition: str, *, pipeline: str, adopt: bool = False) -> Base:
    """Read the partition's manifest as the base of a run of `pipeline`.

    Raises StateError (STATE001) where a newer bronze-engine wrote it, where it can't be
    read, and where it is another pipeline's, unless `adopt`.
    """
    key = f"{partition}/{MANIFEST_NAME}"
    found = await store.get(key)
    if found is None:
        return Base(partition=partition, manifest=None, version=ABSENT)
    manifest = decode_manifest(found.body, key)
    if manifest.pipeline != pipeline and not adopt:
        raise StateError(
            f"{partition} belongs to pipeline {manifest.pipeline!r} (run {manifest.run}), not to "
            f"{pipeline!r}; give this pipeline its own system and entity, or pass --adopt",
            partition=partition,
            pipeline=manifest.pipeline,
        )
    return Base(partition=partition, manifest=manifest, version=found.version)
