"""What lies in a partition, told by name: ours with its generation, or not ours."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from bronze_engine.contracts import Store
from bronze_engine.model.manifest import DELTA_LOG, Manifest
from bronze_engine.model.part import ObjectInfo, Staged
from bronze_engine.publish.names import FileName, parse

__all__ = ["Entry", "Named", "entry_of", "scan_entries"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A visible object of a partition, or a staged file of one."""

    name: str
    """Relative to the partition."""
    file: FileName | None
    """What the name says; None where it is none of ours, and then it is never touched."""
    size_bytes: int | None
    """None for a staged file: stores do not list what its parts take."""
    staged: Staged | None = None


def entry_of(found: ObjectInfo | Staged, partition: str) -> Entry:
    """What a scan found below `{partition}/`."""
    name = found.key.removeprefix(f"{partition}/")
    if isinstance(found, Staged):
        return Entry(name=name, file=parse(name), size_bytes=None, staged=found)
    return Entry(name=name, file=parse(name), size_bytes=found.size_bytes)


class Named(msgspec.Struct, frozen=True):
    """What a manifest names or spares, by the last part of each name too: where a file system knows
    no case, the folders of two partition values may be one, under the name that it had first."""

    names: frozenset[str] = frozenset()
    files: frozenset[FileName] = frozenset()

    @classmethod
    def of(cls, manifest: Manifest) -> Named:
        names = manifest.names.union(manifest.superseded)
        files = (parse(name) for name in names)
        return cls(names, frozenset(file for file in files if file is not None))

    def has(self, entry: Entry) -> bool:
        """Whether the manifest means this entry: never a staged file, not even one of a name that
        it has, for that file was completed."""
        return entry.staged is None and (entry.name in self.names or entry.file in self.files)


async def scan_entries(store: Store, partition: str) -> AsyncIterator[Entry]:
    """All that lies in a partition, the visible objects first; without a table's log."""
    log = f"{partition}/{DELTA_LOG}/"
    async for info in store.scan(f"{partition}/"):
        if not info.key.startswith(log):
            yield entry_of(info, partition)
    async for staged in store.scan_staged(f"{partition}/"):
        yield entry_of(staged, partition)
