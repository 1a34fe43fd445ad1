"""Where rejected records are kept while a run is under way.

They are staged twice, as the same bytes: as a quarantine file of the partition, which a
committed run completes, and as the run's own file beside its report, which a run that
fails for them completes. Nothing is opened before the first reject.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import final

import msgspec

from bronze_engine.contracts import Encoder, Store, Upload
from bronze_engine.model.block import Reject
from bronze_engine.model.part import Part, Staged
from bronze_engine.workers import Workers

__all__ = ["Kept", "Quarantine"]


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Rejected records of a slice, staged for either outcome."""

    committed: Staged
    failed: Staged


@final
class Quarantine:
    """One slice's rejected records. Leave it to remove what was not sealed."""

    def __init__(
        self,
        *,
        workers: Workers,
        encoder: Callable[[], Encoder[Sequence[Reject]]],
        partition: tuple[Store, str],
        run: tuple[Store, str],
    ) -> None:
        self._workers = workers
        self._make_encoder = encoder
        self._targets = (partition, run)
        self._stack = AsyncExitStack()
        self._encoder: Encoder[Sequence[Reject]] | None = None
        self._uploads: list[Upload] = []
        self.committed: Staged | None = None
        self.failed: Staged | None = None
        """The two files once they are sealed, each as soon as it is."""

    async def __aenter__(self) -> Quarantine:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def write(self, rejects: Sequence[Reject]) -> None:
        """Keep some records, in order."""
        if not rejects:
            return
        if self._encoder is None:
            self._encoder = self._make_encoder()
            for store, key in self._targets:
                upload = await self._stack.enter_async_context(store.stage(key))
                self._uploads.append(upload)
        await self._send(await self._workers.run(self._encoder.write, rejects))

    async def seal(self) -> Kept | None:
        """End the files; None where nothing was rejected."""
        if self._encoder is None:
            return None
        parts, file = await self._workers.run(self._encoder.finish)
        await self._send(parts)
        partition, run = self._uploads
        self.committed = await partition.seal(file)
        self.failed = await run.seal(file)
        return Kept(committed=self.committed, failed=self.failed)

    async def _send(self, parts: Sequence[Part]) -> None:
        for part in parts:
            for upload in self._uploads:
                await upload.part(part)
