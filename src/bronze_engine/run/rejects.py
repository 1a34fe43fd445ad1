"""Rejected records, read back from the files that runs have written."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from io import IOBase
from tempfile import TemporaryFile
from typing import IO, Final, cast

import msgspec
import pyarrow as pa

from bronze_engine.contracts import Store
from bronze_engine.errors import StoreError
from bronze_engine.model.quarantine import Quarantined
from bronze_engine.workers import Workers

__all__ = ["RejectsFile", "first_rejects", "read_rejects"]

_STEP_BYTES: Final = 256 * 1024
_LINE: Final = msgspec.json.Decoder(Quarantined)


class RejectsFile(msgspec.Struct, frozen=True, kw_only=True):
    """A quarantine file, where it lies."""

    key: str
    sha256: str | None = None
    """What the manifest says; None where no manifest names it."""


async def first_rejects(
    store: Store, files: Sequence[RejectsFile], workers: Workers, limit: int | None
) -> tuple[Quarantined, ...]:
    """The first `limit` records of some files, or all. Raises StoreError as `read_rejects`."""
    found: list[Quarantined] = []
    async with aclosing(read_rejects(store, files, workers)) as groups:
        async for group in groups:
            found += group
            if limit is not None and len(found) >= limit:
                break
    return tuple(found if limit is None else found[:limit])


async def read_rejects(
    store: Store, files: Sequence[RejectsFile], workers: Workers
) -> AsyncGenerator[list[Quarantined], None]:
    """The records of some files, in order, some at a time; each file is checked before that.

    Raises StoreError for a file that is not what was written.
    """
    for file in files:
        with TemporaryFile(prefix="bronze-quarantine-") as spool:  # Arrow reads zstd from a file
            digest = hashlib.sha256()
            async with store.read(file.key) as chunks:
                async for chunk in chunks:
                    digest.update(chunk)
                    await workers.run(spool.write, chunk)
            try:
                if file.sha256 not in (None, digest.hexdigest()):
                    raise ValueError("its sha256 is another")
                async with workers.iterate(_records(spool)) as groups:
                    async for group in groups:
                        yield group
            except (ValueError, OSError) as exc:
                raise StoreError(
                    f"{file.key} is not what was written: {exc}; `bronze verify` says more",
                    key=file.key,
                ) from exc


def _records(spool: IO[bytes]) -> Iterator[list[Quarantined]]:
    spool.seek(0)
    begun = b""
    with pa.CompressedInputStream(pa.PythonFile(cast("IOBase", spool), mode="r"), "zstd") as stream:
        while piece := stream.read(_STEP_BYTES):
            *lines, begun = (begun + piece).split(b"\n")
            if lines:
                yield [_LINE.decode(line) for line in lines]
    if begun:
        raise ValueError("its last line has no end")
