"""One data file under way: row groups are encoded in workers, parts go to the store."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import final

import msgspec
import pyarrow as pa

from bronze_engine.config.output import Output
from bronze_engine.contracts import Store, Upload
from bronze_engine.encode.parquet import EncodedRowGroup, ParquetEncoder
from bronze_engine.model.part import Part, Staged
from bronze_engine.telemetry.profile import sending, worked
from bronze_engine.workers import Job, Workers

__all__ = ["OpenFile"]


@final
class OpenFile:
    """A file that row groups are written to. `aclose` removes it unless it was ended."""

    def __init__(
        self, encoder: ParquetEncoder, upload: Upload, stack: AsyncExitStack, workers: Workers
    ) -> None:
        self._encoder = encoder
        self._upload = upload
        self._stack = stack
        self._workers = workers
        self._begun: deque[Job[EncodedRowGroup]] = deque()
        """Row groups that are being encoded, in order."""
        self.may_be_sending = False
        """Whether the store may not have all parts yet."""

    @classmethod
    async def begin(
        cls, store: Store, partition: str, encoder: ParquetEncoder, workers: Workers
    ) -> OpenFile:
        """Begin the file of that encoder's name in a partition."""
        async with AsyncExitStack() as stack:
            key = f"{partition}/{encoder.name}"
            upload = await stack.enter_async_context(store.stage(key))
            return cls(encoder, upload, stack.pop_all(), workers)

    async def write(self, make: Callable[[], pa.Table]) -> int:
        """Write the row group that `make` returns in a worker; how many rows it had."""
        encoder = self._encoder

        def encode() -> Sequence[Part]:
            return encoder.write(make())

        return await self._written(encode)

    async def begin_row_group(self, make: Callable[[], pa.Table]) -> None:
        """Have a further row group encoded meanwhile: `add` writes it, before any other."""
        table = await self._workers.run(make, stage="encode")
        self._begun.append(self._workers.begin(self._encoder.encode, table, stage="encode"))

    @property
    def is_encoded(self) -> bool:
        """Whether `add` would wait for no encoding."""
        return self._begun[0].is_done

    async def add(self) -> int:
        """Write the row group that was begun first; how many rows it had."""
        group = await self._begun.popleft().result()
        return await self._written(partial(self._encoder.add, group))

    async def forget(self) -> None:
        """Do without the row groups that were begun and not added."""
        while self._begun:
            await self._begun.popleft().abandon()

    async def _written(self, write: Callable[[], Sequence[Part]]) -> int:
        encoder = self._encoder
        before, hashed = encoder.rows_written, encoder.hash_seconds
        for part in await self._workers.run(write, stage="encode"):
            with sending():
                await self._upload.part(part)
            self.may_be_sending = True
        worked("hash", encoder.hash_seconds - hashed)
        return encoder.rows_written - before

    def is_full(self, output: Output) -> bool:
        """Whether the next row group belongs to another file."""
        return (
            self._encoder.rows_written >= output.max_rows_per_file
            or self._encoder.bytes_written >= output.max_bytes_per_file
        )

    async def settle(self) -> None:
        """Wait until the store has all parts so far."""
        with sending():
            await self._upload.settle()
        self.may_be_sending = False

    async def end(self, values: Mapping[str, str | None] | None = None) -> Staged:
        """End the file: it is whole and sealed, and outlives us; `aclose` it all the same.

        `values` are its partition values.
        """
        hashed = self._encoder.hash_seconds
        parts, described = await self._workers.run(self._encoder.finish, stage="encode")
        worked("hash", self._encoder.hash_seconds - hashed)
        if values:
            described = msgspec.structs.replace(described, values=dict(values))
        with sending():
            for part in parts:
                await self._upload.part(part)
            return await self._upload.seal(described)

    async def aclose(self) -> None:
        try:
            await self.forget()
        finally:
            await self._stack.aclose()
