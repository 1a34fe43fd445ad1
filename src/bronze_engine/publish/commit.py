"""The commit: staged files become a partition's next generation, or nothing changes.

Files are completed first; they are visible then, but no manifest names them. Then one
conditional put replaces the manifest, and that is the whole commit. Its answer may be
lost, so the manifest is read back: the attempt that it names says whose commit it is.

Who removes what: staged files are the caller's until it calls `publish`. From then on
`publish` removes them, completed or not, whenever it is certain that no manifest names
them or ever will; where that can't be known, nothing is deleted, and the next run reaps.
What a checkpoint names it never removes: who resumes the run publishes the same files.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Final, final

import anyio
import msgspec

from bronze_engine.clock import Clock
from bronze_engine.contracts import Store
from bronze_engine.errors import (
    BronzeError,
    CommitUnknown,
    Conflict,
    OutcomeUnknown,
    StateError,
    StoreError,
)
from bronze_engine.flow import each
from bronze_engine.model.manifest import Lineage, Manifest
from bronze_engine.model.manifest_json import decode_manifest, encode_manifest
from bronze_engine.model.part import ABSENT, Staged, StoredObject
from bronze_engine.publish.base import Base, read_base, superseded, superseded_by
from bronze_engine.publish.checksums import checksums_of, write_checksums

__all__ = ["COMMIT_SECONDS", "LINEAGE_LENGTH", "Base", "Published", "publish", "read_base"]

LINEAGE_LENGTH: Final = 16
COMMIT_SECONDS: Final = 30.0
"""One deadline over all sending and reading back; a store silent for longer is down."""
COMPLETE_SECONDS: Final = 300.0
"""S3 says that completing a large upload "could take several minutes"."""
_COMPLETE_TRIES: Final = 3
_AT_ONCE: Final = 8
_DISCARD_SECONDS: Final = 10.0


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A commit that happened."""

    manifest: Manifest
    """As it was written: with its lineage."""
    body: bytes
    superseded_by: str | None = None
    """The run that committed over this one before its answer was read back."""
    warnings: tuple[str, ...] = ()
    """What failed after the commit; the next run or `verify` mends it."""


async def publish(
    store: Store,
    base: Base,
    manifest: Manifest,
    staged: Sequence[Staged],
    clock: Clock,
    *,
    shared: Collection[str] = (),
    kept: Collection[str] = (),
    commit_seconds: float = COMMIT_SECONDS,
) -> Published:
    """Complete the files, commit the manifest over `base`, write the checksums.

    `manifest` is the generation after `base`, without its lineage; `staged` are exactly
    the files that it names, without captured pages that `base` names already, or there are
    none and it names those of `base`; `kept` are names of files of `base` that it names again, as
    they are, data files before the staged ones and in their order (ValueError otherwise). What
    else `base` names is dropped, and the next reap removes it. `shared` are the keys of those that
    a checkpoint names: another process may come to publish them, or has done so already.

    Raises StateError (STATE001) where another run changed the partition since `base` was
    read, StoreError (STG001) where the store failed before the commit, and CommitUnknown
    where it can't be learned whether the commit happened. Cancelled before the manifest
    is sent, it removes its files and nothing has changed; cancelled later, the outcome is
    unknown, so callers shield this. What fails after the commit is a warning.
    """
    _check(base, manifest, staged, frozenset(kept))
    manifest = msgspec.structs.replace(manifest, lineage=_lineage(base, manifest))
    commit = _Commit(store, base, manifest, clock)
    try:
        await _complete(store, base, staged, clock)
        superseded_by = await commit.run(commit_seconds)
    except BaseException:
        if not commit.is_in_doubt:
            await _discard(store, [one for one in staged if one.key not in shared])
        raise
    warnings: list[str] = []
    try:
        await write_checksums(store, base.partition, checksums_of(manifest, commit.body))
    except (BronzeError, OutcomeUnknown) as exc:
        warnings.append(f"the checksums of {base.partition} were not written: {exc}")
    if superseded_by is not None:
        warnings.append(f"{base.partition} was replaced by run {superseded_by} meanwhile")
    return Published(
        manifest=manifest,
        body=commit.body,
        superseded_by=superseded_by,
        warnings=tuple(warnings),
    )


@final
class _Commit:
    """Sending one manifest until it is known what became of it."""

    def __init__(self, store: Store, base: Base, manifest: Manifest, clock: Clock) -> None:
        self.body = encode_manifest(manifest)
        self.is_in_doubt = False
        """Whether a manifest that names our files is, or may yet come to be, in the store."""
        self._store = store
        self._base = base
        self._manifest = manifest
        self._clock = clock
        self._is_lost = False
        """An answer was lost: that put may be applied at any later time."""

    async def run(self, seconds: float) -> str | None:
        """Commit; returns the run that has superseded this one, if any."""
        try:
            async with self._clock.timeout(seconds):
                return await self._until_known()
        except TimeoutError as exc:
            if self.is_in_doubt:
                raise self._unknown(f"no answer within {seconds:.0f} s") from exc
            raise StoreError(
                f"{self._base.manifest_key}: the store refused to replace it for {seconds:.0f} s "
                "without another run having changed it; nothing was committed, run again",
                partition=self._base.partition,
            ) from exc

    async def _until_known(self) -> str | None:
        pause = 0.1
        while True:
            if await self._send():
                return None
            found = await self._read_back()
            if self._is_base(found):
                await self._clock.sleep(pause)
                pause = min(2.0, pause * 2)
                continue
            return self._judge(found)

    async def _send(self) -> bool:
        """True if it was applied for sure."""
        self.is_in_doubt = True
        try:
            await self._store.put(self._base.manifest_key, self.body, expect=self._base.version)
        except Conflict:
            # The transport may have sent it twice: only reading back tells a stranger's
            # commit from our own first copy.
            self.is_in_doubt = self._is_lost
            return False
        except OutcomeUnknown:
            self._is_lost = True
            return False
        except BronzeError:
            self.is_in_doubt = self._is_lost
            if not self._is_lost:
                raise
            return False
        return True

    async def _read_back(self) -> StoredObject | None:
        while True:
            try:
                return await self._store.get(self._base.manifest_key)
            except BronzeError:
                await self._clock.sleep(1.0)

    def _is_base(self, found: StoredObject | None) -> bool:
        return (ABSENT if found is None else found.version) == self._base.version

    def _judge(self, found: StoredObject | None) -> str | None:
        """The manifest is no longer the base: is what stands there ours, or built on ours?"""
        if found is None:
            self.is_in_doubt = False
            raise StateError(
                f"{self._base.manifest_key} was removed while run {self._manifest.run} was at "
                "work; nothing was committed, run again",
                partition=self._base.partition,
            )
        try:
            other = decode_manifest(found.body, self._base.manifest_key)
        except StateError as exc:
            if self._is_lost:
                raise self._unknown(exc.message) from exc
            raise
        if other.attempt == self._manifest.attempt:
            self.is_in_doubt = True
            return None
        if any(each.attempt == self._manifest.attempt for each in other.lineage):
            self.is_in_doubt = True
            return other.run
        # Every later put of ours would expect a version that never comes again.
        self.is_in_doubt = False
        raise superseded_by(self._base, other)

    def _unknown(self, why: str) -> CommitUnknown:
        return CommitUnknown(
            f"{self._base.manifest_key}: run {self._manifest.run} may or may not have been "
            f"committed ({why}); nothing was deleted, and running again is safe",
            partition=self._base.partition,
            run=self._manifest.run,
        )


async def _complete(store: Store, base: Base, staged: Sequence[Staged], clock: Clock) -> None:
    async def complete(one: Staged) -> None:
        await _complete_one(store, one, clock)

    try:
        async with clock.timeout(COMPLETE_SECONDS):
            await each(staged, complete, at_once=_AT_ONCE)
    except TimeoutError as exc:
        raise StoreError(
            f"{base.partition}: completing {len(staged)} files took longer than "
            f"{COMPLETE_SECONDS:.0f} s; run again",
            partition=base.partition,
        ) from exc
    except BronzeError as exc:
        news = await superseded(store, base)
        if news is not None:
            raise news from exc
        raise


async def _complete_one(store: Store, staged: Staged, clock: Clock) -> None:
    for attempt in range(1, _COMPLETE_TRIES + 1):
        try:
            info = await store.complete(staged)
        except OutcomeUnknown as exc:
            # Completing again is how a store is asked: it is idempotent by contract.
            if attempt == _COMPLETE_TRIES:
                raise StoreError(f"{staged.key}: completing it got no answer: {exc}") from exc
            await clock.sleep(0.5 * attempt)
            continue
        if staged.file is not None and info.size_bytes != staged.file.size_bytes:
            raise StoreError(
                f"{staged.key}: {info.size_bytes} bytes are visible, {staged.file.size_bytes} "
                "were written; does something else write there?",
                key=staged.key,
            )
        return


async def _discard(store: Store, staged: Sequence[Staged]) -> None:
    async def discard(one: Staged) -> None:
        # A failure is left to the next run: the error that brought us here is the one to tell.
        with suppress(BronzeError):
            await store.discard(one)
        with suppress(BronzeError):
            await store.delete(one.key)

    # Cleanup is bounded by real time, also where the clock is a test's.
    with anyio.move_on_after(_DISCARD_SECONDS, shield=True):  # noqa: TID251
        await each(staged, discard, at_once=_AT_ONCE)


def _check(base: Base, manifest: Manifest, staged: Sequence[Staged], kept: frozenset[str]) -> None:
    if manifest.generation != base.generation + 1:
        raise ValueError(f"generation {manifest.generation} does not follow {base.generation}")
    before = base.manifest
    standing = set[str]() if before is None else {file.name for file in before.pages}
    if kept:
        _check_kept(before, manifest, kept)
        standing |= kept
    named = [file.name for file in manifest.listed if file.name not in standing]
    made = sorted(f"{base.partition}/{name}" for name in named)
    is_fence = not staged and before is not None and manifest.names == before.names
    if made != sorted(one.key for one in staged) and not is_fence:
        raise ValueError("the manifest must name exactly the staged files")


def _check_kept(before: Manifest | None, manifest: Manifest, kept: frozenset[str]) -> None:
    """What stays is told of as before: its sizes and hashes are those that were verified."""
    then = {} if before is None else {file.name: file for file in before.listed}
    now = {file.name: file for file in manifest.listed}
    for name in kept:
        if name not in then or now.get(name) != then[name]:
            raise ValueError(f"{name} is to stay, and must be named as the base names it")
    files = () if before is None else before.files
    stays = tuple(file for file in files if file.name in kept)
    if manifest.files[: len(stays)] != stays:
        raise ValueError("the manifest must name the data files that stand first, in their order")


def _lineage(base: Base, manifest: Manifest) -> tuple[Lineage, ...]:
    mine = Lineage(run=manifest.run, attempt=manifest.attempt, generation=manifest.generation)
    before = () if base.manifest is None else base.manifest.lineage
    return (mine, *before)[:LINEAGE_LENGTH]
