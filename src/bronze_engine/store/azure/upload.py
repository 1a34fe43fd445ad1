"""A file on its way into Azure: blocks that nobody sees until their list is committed.

Block ids begin with the upload's token, and only ids of its own are ever committed, so
that an upload can't be made of another's blocks. A block blob knows no uploads, though:
all that is staged under one name lies in one heap, which goes as a whole, by a commit or
when it is discarded. See `discard`.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, final

from bronze_engine.errors import Conflict
from bronze_engine.model.part import DataFile, Part, Staged
from bronze_engine.store.azure.blobs import Blobs, version_of
from bronze_engine.store.azure.faults import Missing
from bronze_engine.store.multipart import Parts
from bronze_engine.store.parts import check_part
from bronze_engine.workers import Workers

__all__ = ["DISCARDED", "EVERYTHING", "AzureUpload", "discard"]

EVERYTHING: Final = "*"
"""The token of what a scan has found: whatever is staged under that key."""

DISCARDED: Final = "bronze_discarded"
"""Metadata of the empty blob that stands for a moment where uncommitted blocks are removed."""


@final
class AzureUpload:
    """`contracts.Upload`. `token` is 16 characters, `-` and a number follow in the block ids."""

    def __init__(self, blobs: Blobs, key: str, workers: Workers, *, with_md5: bool) -> None:
        self.token = secrets.token_hex(8)
        self.is_sealed = False
        """From then on it outlives us."""
        self._blobs = blobs
        self._key = key
        self._workers = workers
        self._with_md5 = with_md5
        self._parts = Parts(key, self._send)
        self._md5s: dict[int, bytes | None] = {}

    async def part(self, part: Part, /) -> None:
        self._md5s[part.number] = await self._workers.run(_checked, self._key, part, self._with_md5)
        await self._parts.add(part)

    async def settle(self) -> None:
        await self._parts.settle()

    async def seal(self, file: DataFile, /) -> Staged:
        sent = await self._parts.join(file)
        self.is_sealed = True
        tags = tuple(each.tag for each in sent if each.size_bytes)
        return Staged(key=self._key, token=self.token, file=file, tags=tags)

    @property
    def is_begun(self) -> bool:
        """Whether anything of it may be there."""
        return bool(self._md5s)

    async def aclose(self) -> None:
        """Stop what is on its way."""
        await self._parts.aclose()

    async def _send(self, part: Part) -> str:
        block = f"{self.token}-{part.number:06}"
        if part.size_bytes:  # the service takes no empty blocks
            md5 = self._md5s[part.number]
            await self._blobs.stage(self._key, block, part.pieces, md5=md5)
        return block


def _checked(key: str, part: Part, with_md5: bool) -> bytes | None:
    check_part(key, part)
    if not with_md5:
        return None
    md5 = hashlib.md5(usedforsecurity=False)
    for piece in part.pieces:
        md5.update(piece)
    return md5.digest()


async def discard(blobs: Blobs, key: str, token: str, given_up: Iterable[str]) -> bool:
    """Remove what the upload `token` has staged, or `EVERYTHING`; False where it must stay.

    The service has no call for it. An empty list is committed over the blocks, on the
    condition that no blob is there, and that empty blob is deleted, on the condition that
    it is still the same. So a blob that was committed is never touched, and an empty one is
    visible for the time of one request. Where we die in between it is left: scans take it
    for a staged file, and discarding that removes it.

    Blocks of another upload beside ours, which is not among `given_up`, would go with
    ours: then nothing is removed, and what is ours goes with that upload, by its commit or
    its removal. One that stages its first block in between loses it: its commit fails then
    (BlocksGone), and nothing wrong is written.
    """
    try:
        blocks = await blobs.blocks(key)
    except Missing:
        return True
    owners = {block.partition("-")[0] for block in blocks}
    if token != EVERYTHING and not owners <= {token, *given_up}:
        return False
    etag: str | None = None
    if owners:
        with suppress(Conflict):
            etag = await blobs.commit(key, (), {DISCARDED: "1"}, may_repeat=True)
    if etag is None:  # a blob is there: one that was committed, or an empty one of a discard
        etag = await _marker(blobs, key)
    if etag is not None:
        with suppress(Missing, Conflict):
            await blobs.delete(key, etag=etag)
    return True


async def _marker(blobs: Blobs, key: str) -> str | None:
    """The version of an empty blob that a discard, ours or another's, has left."""
    try:
        found = await blobs.head(key)
    except Missing:
        return None
    is_marker = found.size == 0 and DISCARDED in found.metadata
    return version_of(found.etag) if is_marker else None
