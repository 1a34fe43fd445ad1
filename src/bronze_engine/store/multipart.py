"""The parts of one upload, several on their way at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, final

import anyio
import msgspec

from bronze_engine.model.part import DataFile, Part
from bronze_engine.store.parts import sealed_size
from bronze_engine.telemetry.profile import applying

__all__ = ["PARTS_IN_FLIGHT", "Parts", "Sent"]

PARTS_IN_FLIGHT: Final = 4
"""Of one file: enough to fill a fast line at 8 MiB each, and cheap enough for many files."""


class Sent(msgspec.Struct, frozen=True):
    """A part that the server has acknowledged."""

    offset: int
    size_bytes: int
    crc32: int
    tag: str
    """What the server knows it by: an ETag, a block id."""


@final
class Parts:
    """Sends parts side by side, and holds each until it is acknowledged.

    `send` sends one part, retries included, and returns its tag. Its tasks belong to the
    upload rather than to a task group, because an upload is begun, fed and ended by
    different frames of a run: whoever made this calls `aclose`, and then none is left.
    """

    def __init__(self, key: str, send: Callable[[Part], Awaitable[str]]) -> None:
        self._key = key
        self._send = send
        self._slots = anyio.Semaphore(PARTS_IN_FLIGHT)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._sent: dict[int, Sent] = {}
        self._failure: BaseException | None = None

    async def add(self, part: Part) -> None:
        """Take one part on its way; waits while `PARTS_IN_FLIGHT` are.

        Raises what an earlier part failed with: then the upload is lost as a whole.
        """
        profile = applying()
        if profile is not None:
            profile.stage("upload").filled(len(self._tasks) / PARTS_IN_FLIGHT)
        await self._slots.acquire()
        try:
            before = self._tasks.get(part.number)
            if before is not None:  # the same part once more: the last one sent must win
                await asyncio.wait([before])
            self._check()
        except BaseException:
            self._slots.release()
            raise
        task = asyncio.get_running_loop().create_task(self._run(part))
        self._tasks[part.number] = task
        task.add_done_callback(lambda _: self._ended(part.number, task))

    async def settle(self) -> None:
        """Wait until no part is on its way. Raises what one failed with."""
        while self._tasks:
            await asyncio.wait(self._tasks.values())
        self._check()

    async def join(self, file: DataFile) -> tuple[Sent, ...]:
        """Wait for every part; they must be 1..n without a gap and fill the file.

        Raises StoreError where they are not, and what a part failed with.
        """
        await self.settle()
        places = {number: (each.offset, each.size_bytes) for number, each in self._sent.items()}
        sealed_size(self._key, places, file)
        return tuple(self._sent[number] for number in sorted(self._sent))

    async def aclose(self) -> None:
        """Cancel what is on its way, and wait for its end."""
        for task in tuple(self._tasks.values()):
            task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks.values())

    async def _run(self, part: Part) -> None:
        try:
            tag = await self._send(part)
        except asyncio.CancelledError:
            raise
        except BaseException as exc:  # noqa: BLE001  # told by the next `add`, or by `join`
            self._failure = self._failure or exc
        else:
            self._sent[part.number] = Sent(part.offset, part.size_bytes, part.crc32, tag)

    def _ended(self, number: int, task: asyncio.Task[None]) -> None:
        if self._tasks.get(number) is task:
            del self._tasks[number]
        self._slots.release()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
