"""The manifest that a run starts from: what its commit must find unchanged."""

from __future__ import annotations

import msgspec

from bronze_engine.contracts import Store
from bronze_engine.errors import BronzeError, DamagedManifest, ForeignManifest, StateError
from bronze_engine.model.manifest import MANIFEST_NAME, Manifest, run_date_of
from bronze_engine.model.manifest_json import decode_manifest
from bronze_engine.model.part import ABSENT, Expect

__all__ = ["Base", "keeping_superseded", "read_base", "superseded", "superseded_by"]


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """A partition as a run found it."""

    partition: str
    """`{system}/{entity}/dt=YYYY-MM-DD`."""
    manifest: Manifest | None
    version: Expect
    """What the commit expects: the manifest's version, or ABSENT."""
    lost: int = 0
    """The generation that was committed last, where the manifest that said so is lost."""
    damage: str | None = None
    """What is wrong with the manifest that the run may replace all the same."""

    @property
    def generation(self) -> int:
        """0 where nothing was ever committed; a run commits this plus one."""
        return self.lost if self.manifest is None else self.manifest.generation

    @property
    def committed(self) -> Manifest | None:
        """The manifest that readers follow; a void one is none."""
        manifest = self.manifest
        return None if manifest is None or manifest.status == "void" else manifest

    @property
    def manifest_key(self) -> str:
        return f"{self.partition}/{MANIFEST_NAME}"


async def read_base(
    store: Store, partition: str, *, pipeline: str, adopt: bool = False, anew: bool = False
) -> Base:
    """Read the partition's manifest as the base of a run of `pipeline`.

    Raises StateError (STATE001) where a newer bronze-engine wrote it, where it can't be
    read, unless the run makes all of it `anew`, and, ForeignManifest, where it is another
    pipeline's, unless `adopt`. A void one is nobody's.
    """
    key = f"{partition}/{MANIFEST_NAME}"
    found = await store.get(key)
    if found is None:
        return Base(partition=partition, manifest=None, version=ABSENT)
    try:
        manifest = decode_manifest(found.body, key)
    except DamagedManifest as exc:
        if not anew:
            raise
        damage = exc.message.partition(";")[0]
        return Base(partition=partition, manifest=None, version=found.version, damage=damage)
    base = Base(partition=partition, manifest=manifest, version=found.version)
    if base.committed is not None and manifest.pipeline != pipeline and not adopt:
        day = run_date_of(partition.rpartition("/")[2])
        command = f"silver {pipeline}" if day is None else f"run {pipeline} --date {day}"
        raise ForeignManifest(
            f"{partition} belongs to pipeline {manifest.pipeline!r} (run {manifest.run}), not to "
            f"{pipeline!r}; give this pipeline its own system and entity, or, where it was renamed,"
            f" take that over: `bronze {command} --adopt`",
            partition=partition,
            pipeline=manifest.pipeline,
        )
    return base


def keeping_superseded(manifest: Manifest, base: Base) -> Manifest:
    """The manifest that is to replace `base`, with the data files that it has no more spared until
    it is itself replaced: for `reap = "next_run"`."""
    old = () if base.committed is None else base.committed.files
    gone = {file.name for file in old} - manifest.names
    return msgspec.structs.replace(manifest, superseded=tuple(sorted(gone)))


async def superseded(store: Store, base: Base) -> StateError | None:
    """The error of a run whose base is no longer the partition's manifest; else None.

    For whoever meets an error that this would explain: a run that commits first reaps what
    others have staged. A store that can't be asked says nothing.
    """
    try:
        found = await store.get(base.manifest_key)
        if found is None or found.version == base.version:
            return None
        return superseded_by(base, decode_manifest(found.body, base.manifest_key))
    except BronzeError:
        return None


def superseded_by(base: Base, other: Manifest) -> StateError:
    """Another run has committed over the base."""
    return StateError(
        f"run {other.run} committed generation {other.generation} of {base.partition} first; "
        "nothing of this run was published, run again if it should replace that",
        partition=base.partition,
        run=other.run,
        generation=other.generation,
    )
