"""Temporary copies on the local disk, for readers that seek."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import anyio

from bronze_engine.errors import ExtractError
from bronze_engine.workers import Workers

__all__ = ["spooled"]


@asynccontextmanager
async def spooled(
    chunks: AsyncIterator[bytes], workers: Workers, *, name: str
) -> AsyncIterator[Path]:
    """A copy of a file in the system's directory for temporaries (TMPDIR); gone on leaving.

    Raises ExtractError where the disk does not take it. `name` is the file's, for messages.
    """
    try:
        descriptor, place = await workers.run(_begin)
    except OSError as exc:
        raise _refusal(exc, name) from exc
    try:
        with open(descriptor, "wb", buffering=0) as copy:  # noqa: ASYNC230, PTH123  # it is open already
            async for chunk in chunks:
                try:
                    await workers.run(_write, copy, chunk)
                except OSError as exc:
                    raise _refusal(exc, name) from exc
        yield Path(place)
    finally:
        with anyio.CancelScope(shield=True):
            await workers.run(os.unlink, place)


def _begin() -> tuple[int, str]:
    return tempfile.mkstemp(prefix="bronze-")


def _write(copy: BinaryIO, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[copy.write(view) :]


def _refusal(exc: OSError, name: str) -> ExtractError:
    return ExtractError(
        f"{name} can't be copied to {tempfile.gettempdir()}: {exc.strerror or exc}; point TMPDIR"
        " to a disk with more room"
    )
