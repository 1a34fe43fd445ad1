"""Every promise of a store that a run rests on, tried out for real, one by one.

Unlike the preflight, which is quick and asks only what safety needs, this asks for all that
a run will use, so that a missing permission is known before the night in which it matters.
"""

from __future__ import annotations

import hashlib
import secrets
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final, final

from bronze_engine.clock import Clock
from bronze_engine.contracts import Locking, Store
from bronze_engine.errors import AuthError, BronzeError, OutcomeUnknown, RetryError, StoreError
from bronze_engine.model.part import ABSENT, ANY, DataFile, Part, Staged
from bronze_engine.model.probe import Probed, try_out
from bronze_engine.publish.preflight import race_puts
from bronze_engine.publish.traces import PROBE_PREFIX
from bronze_engine.shield import finish
from bronze_engine.workers import Workers

__all__ = ["probe_store"]

_FIRST_PART_BYTES: Final = 5 * 1024**2
"""The least that S3 takes for a part that is not the last."""
_LAST_PART_BYTES: Final = 1000
_MARK_BYTES: Final = 64
_CLEANUP_SECONDS: Final = 5.0
_FINAL: Final = frozenset({AuthError.exit_code, RetryError.exit_code})
"""After these nothing else is worth asking."""


async def probe_store(
    store: Store, workers: Workers, clock: Clock, *, single_writer: bool = False
) -> tuple[Probed, ...]:
    """Write, read, list, race, upload, complete, discard and delete a few objects.

    They lie under `_state/probe-*` and are removed again, also when this is cancelled; what a
    kill leaves behind is gc's. Sends 5 MiB. Never raises for what it finds: that is in the
    answer, in the order in which it was asked. A refused credential, or a store that can't
    be reached, ends it, for the rest would fail alike.
    """
    probe = _Probe(store, workers, clock)
    try:
        await probe.run(single_writer=single_writer)
    finally:
        await finish(probe.clean, grace_seconds=lambda: _CLEANUP_SECONDS)
    return tuple(probe.results.values())


@final
class _Probe:
    """The objects of one probe; `mark` is there first and goes last (see `traces`)."""

    def __init__(self, store: Store, workers: Workers, clock: Clock) -> None:
        self.results: dict[str, Probed] = {}
        self._store = store
        self._workers = workers
        self._clock = clock
        self._prefix = f"{PROBE_PREFIX}{secrets.token_hex(8)}/"
        self._mark = f"{self._prefix}mark"
        self._race = f"{self._prefix}race"
        self._file = f"{self._prefix}file"
        self._aborted = f"{self._prefix}aborted"
        self._body = secrets.token_bytes(_MARK_BYTES)
        self._staged: list[Staged] = []
        self._visible: list[str] = []
        self._is_over = ""
        """Why nothing more is asked."""

    async def run(self, *, single_writer: bool) -> None:
        """Ask for everything, in the order in which a run does."""
        promised = "single_writer = true: nobody else writes here" if single_writer else ""
        await self._ask("clock", self._read_clock)
        await self._ask("write", self._write)
        await self._ask("read", self._read, needs="write")
        await self._ask("read a range", self._read_range, needs="write")
        await self._ask("list", self._list, needs="write")
        await self._ask("put if absent", self._put_if_absent, skip=promised)
        await self._ask(
            "put if unchanged", self._put_if_unchanged, needs="put if absent", skip=promised
        )
        if isinstance(self._store, Locking):
            await self._ask("lock", self._lock, skip=promised)
        await self._ask("upload", self._upload)
        await self._ask("list uploads", self._list_uploads, needs="upload")
        await self._ask("complete", self._complete, needs="upload")
        await self._ask("abort upload", self._abort, needs="upload")
        await self._ask("delete", self._delete)

    async def clean(self) -> None:
        """Remove what is still there."""
        for staged in self._staged:
            with suppress(BronzeError):
                await self._store.discard(staged)
        for key in reversed(self._visible):
            with suppress(BronzeError):
                await self._store.delete(key)

    async def _ask(
        self,
        subject: str,
        question: Callable[[], Awaitable[str]],
        *,
        needs: str | None = None,
        skip: str = "",
    ) -> None:
        if not skip and needs is not None and self.results[needs].status != "ok":
            skip = f"needs {needs!r}"
        skip = skip or self._is_over
        if skip:
            self.results[subject] = Probed(subject=subject, status="skipped", detail=skip)
            return
        probed = await try_out(subject, partial(self._answered, question), self._clock)
        self.results[subject] = probed
        if probed.exit_code in _FINAL:
            self._is_over = f"{subject!r} failed, and this would fail alike"

    async def _answered(self, question: Callable[[], Awaitable[str]]) -> str:
        try:
            return await question()
        except OutcomeUnknown as exc:
            raise self._broken(f"the answer was lost ({exc}); try again") from exc

    async def _read_clock(self) -> str:
        ahead = (await self._store.now() - self._clock.now()).total_seconds()
        return f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine"

    async def _write(self) -> str:
        self._visible.append(self._mark)
        await self._store.put(self._mark, self._body, expect=ANY)
        return f"{self._store.url}/{self._mark}"

    async def _read(self) -> str:
        found = await self._store.get(self._mark)
        if found is None or found.body != self._body:
            raise self._broken(
                "what was just written is not what is read; is there a cache in front of it?"
            )
        return "what was written, at once"

    async def _read_range(self) -> str:
        async with self._store.read(self._mark, start=16, length=16) as chunks:
            body = b"".join([chunk async for chunk in chunks])
        if body != self._body[16:32]:
            raise self._broken("it does not honour ranges; a read that breaks could not go on")
        return "bytes 16 to 31"

    async def _list(self) -> str:
        found = [(info.key, info.size_bytes) async for info in self._store.scan(self._prefix)]
        if found != [(self._mark, _MARK_BYTES)]:
            raise self._broken(
                f"a listing shows {len(found)} objects where 1 of {_MARK_BYTES} bytes was written; "
                "its listings must be consistent"
            )
        return "what was written, at once"

    async def _put_if_absent(self) -> str:
        self._visible.append(self._race)
        await race_puts(self._store, self._race, ABSENT)
        return "one winner of several at once"

    async def _put_if_unchanged(self) -> str:
        found = await self._store.get(self._race)
        if found is None:
            raise self._broken("the object that won its race is gone")
        await race_puts(self._store, self._race, found.version)
        return "one winner of several at once"

    async def _lock(self) -> str:
        if isinstance(self._store, Locking) and not await self._store.excludes():
            raise self._broken(
                "a lock here does not keep a second process out (a network mount?); choose "
                "another target, or set single_writer = true if no other process writes there"
            )
        return "it keeps a second process out"

    async def _upload(self) -> str:
        began = self._clock.monotonic()
        await self._stage(self._file, [_FIRST_PART_BYTES, _LAST_PART_BYTES])
        rate = _FIRST_PART_BYTES / max(self._clock.monotonic() - began, 1e-6) / 1024**2
        if await self._store.get(self._file) is not None:
            self._visible.append(self._file)
            raise self._broken("a file is visible before it is complete; readers could see halves")
        return f"two parts, {rate:.1f} MiB/s"

    async def _list_uploads(self) -> str:
        if self._file not in await self._uploads():
            raise self._broken("an open upload is not listed; what a killed run leaves would stay")
        return "what was uploaded, at once"

    async def _complete(self) -> str:
        [staged] = self._staged
        assert staged.file is not None  # noqa: S101  # it was sealed with one
        self._visible.append(self._file)
        await self._store.complete(staged)
        self._staged.remove(staged)
        digest, size = hashlib.sha256(), 0
        async with self._store.read(self._file) as chunks:
            async for chunk in chunks:
                size += len(chunk)
                await self._workers.run(digest.update, chunk)
        if (size, digest.hexdigest()) != (staged.file.size_bytes, staged.file.sha256):
            raise self._broken(f"{size} bytes with another checksum are read than were uploaded")
        return f"{size:,} bytes, and their checksum"

    async def _abort(self) -> str:
        staged = await self._stage(self._aborted, [_LAST_PART_BYTES])
        await self._store.discard(staged)
        if self.results["list uploads"].status == "ok" and self._aborted in await self._uploads():
            raise self._broken("an upload that was aborted is listed all the same")
        self._staged.remove(staged)
        return "gone, at once"

    async def _delete(self) -> str:
        count = len(self._visible)
        while self._visible:
            await self._store.delete(self._visible[-1])
            self._visible.pop()
        return f"{count} objects"

    async def _stage(self, key: str, sizes: list[int]) -> Staged:
        parts, file = await self._workers.run(_random_file, key, sizes)
        async with self._store.stage(key) as upload:
            for part in parts:
                await upload.part(part)
            staged = await upload.seal(file)
            self._staged.append(staged)
        return staged

    async def _uploads(self) -> set[str]:
        return {staged.key async for staged in self._store.scan_staged(self._prefix)}

    def _broken(self, what: str) -> StoreError:
        return StoreError(f"{self._store.url}: {what}", store=self._store.url)


def _random_file(name: str, sizes: list[int]) -> tuple[list[Part], DataFile]:
    """Parts that no server can have seen before, and the file that they make."""
    digest, offset, parts = hashlib.sha256(), 0, list[Part]()
    for number, size in enumerate(sizes, start=1):
        data = secrets.token_bytes(size)
        digest.update(data)
        parts.append(Part(number=number, offset=offset, pieces=(data,), crc32=zlib.crc32(data)))
        offset += size
    return parts, DataFile(name=name, size_bytes=offset, sha256=digest.hexdigest(), row_count=0)
