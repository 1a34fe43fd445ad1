"""Which generation of a partition was the last, where no manifest says it any more."""

from __future__ import annotations

from bronze_engine.contracts import Store
from bronze_engine.publish.checksums import read_checksums
from bronze_engine.publish.entries import scan_entries

__all__ = ["last_generation"]


async def last_generation(store: Store, partition: str) -> int:
    """What the checksums and the names of files tell; 0 where nothing was ever committed.

    Checksums are written after a commit. Files are staged for the generation after the committed
    one, so of them only the one before is certain. Raises StoreError.
    """
    checksums = await read_checksums(store, partition)
    told = 0 if checksums is None else checksums.generation
    async for entry in scan_entries(store, partition):
        if entry.file is not None:
            told = max(told, entry.file.generation - 1)
    return told
