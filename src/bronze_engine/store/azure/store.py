"""Azure Blob Storage as a store: block blobs below a prefix of one container."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Final, final

from azure.storage.blob import BlobProperties

from bronze_engine.clock import Clock
from bronze_engine.config.stores.store import AzureStoreConfig
from bronze_engine.contracts import StoreResources, Upload
from bronze_engine.errors import BronzeError, Conflict, OutcomeUnknown, RetryError, StoreError
from bronze_engine.model.part import (
    ABSENT,
    ANY,
    Expect,
    ObjectInfo,
    Staged,
    StoredObject,
    Version,
)
from bronze_engine.shield import finish
from bronze_engine.store.azure.blobs import Blobs, Window, version_of
from bronze_engine.store.azure.client import WINDOW_BYTES, Container, open_container
from bronze_engine.store.azure.faults import BlocksGone, Missing, PastEnd, is_lost
from bronze_engine.store.azure.upload import DISCARDED, EVERYTHING, AzureUpload, discard
from bronze_engine.store.keys import check_key, check_prefix
from bronze_engine.workers import Workers

__all__ = ["AzureStore", "open_azure"]

logger = logging.getLogger(__name__)

CHUNK_BYTES: Final = 1 << 20
_CLEANUP_SECONDS: Final = 3.0
"""Of the 4 s that a run has for cleaning up once it is told to end."""
_DATE_SECONDS: Final = 5.0
"""How long a Date header may be counted on from; older, and the service is asked."""
_GET_TRIES: Final = 3
_SHA256: Final = "sha256"
"""Metadata of data files: what a completion whose answer was lost is recognised by."""
_FOLDER: Final = "hdi_isfolder"
"""Metadata of the directories that accounts with a hierarchical namespace list as blobs."""


@asynccontextmanager
async def open_azure(
    config: AzureStoreConfig, resources: StoreResources
) -> AsyncIterator[AzureStore]:
    """Open the container and prefix of `config.url`; makes no request.

    Raises ConfigError and AuthError where there is no usable credential.
    """
    async with open_container(config, resources.workers) as container:
        limits = resources.limits(config, "AzureStorage")
        blobs = Blobs(container, config.location, config.address.prefix, limits)
        yield AzureStore(config, container, blobs, resources.workers, resources.clock)


@final
class AzureStore:
    """`contracts.Store` on Azure Blob Storage. Made by `open_azure`.

    Cancellation: a request that is cancelled may have been applied. An upload that is
    left unsealed has removed its blocks, unless the service did not answer within 3 s.
    """

    def __init__(
        self,
        config: AzureStoreConfig,
        container: Container,
        blobs: Blobs,
        workers: Workers,
        clock: Clock,
    ) -> None:
        self._url = config.location
        self._tier = config.access_tier
        self._session = container.session
        self._with_md5 = config.part_checksum == "md5" or not container.is_encrypted
        self._blobs = blobs
        self._workers = workers
        self._clock = clock
        self._given_up: set[str] = set()
        """Tokens of uploads that were discarded while blocks of others stood beside theirs."""

    @property
    def url(self) -> str:
        return self._url

    async def get(self, key: str, /) -> StoredObject | None:
        check_key(key)
        for _ in range(_GET_TRIES):
            with suppress(Conflict):
                return await self._whole(key)
        raise StoreError(f"{self._url}/{key}: it is replaced faster than it can be read", key=key)

    async def _whole(self, key: str) -> StoredObject | None:
        """Raises Conflict where the object changed between its windows."""
        try:
            first = await self._window(key, 0, WINDOW_BYTES, None)
            pieces = [first.body]
            for start in range(len(first.body), first.total, WINDOW_BYTES):
                window = await self._window(key, start, WINDOW_BYTES, first.version)
                pieces.append(window.body)
        except Missing:
            return None
        return StoredObject(key=key, body=b"".join(pieces), version=first.version)

    @asynccontextmanager
    async def read(
        self, key: str, /, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        check_key(key)
        most = WINDOW_BYTES if length is None else min(WINDOW_BYTES, length)
        try:
            first = await self._window(key, start, most, None)
        except Missing:
            raise StoreError(
                f"{self._url}/{key}: it does not exist; was it removed meanwhile?", key=key
            ) from None
        yield self._chunks(key, start, length, first)

    async def _chunks(
        self, key: str, start: int, length: int | None, window: Window
    ) -> AsyncIterator[bytes]:
        end = window.total if length is None else min(window.total, start + length)
        while True:
            for offset in range(0, len(window.body), CHUNK_BYTES):
                yield window.body[offset : offset + CHUNK_BYTES]
            start += len(window.body)
            if start >= end:
                return
            most = min(WINDOW_BYTES, end - start)
            try:
                window = await self._window(key, start, most, window.version)
            except (Missing, Conflict) as exc:
                raise StoreError(
                    f"{self._url}/{key}: it was replaced or removed while it was being read; "
                    "read it again",
                    key=key,
                ) from exc

    async def put(self, key: str, body: bytes, /, *, expect: Expect) -> Version:
        check_key(key)
        etag = expect if isinstance(expect, str) else None
        if etag is not None and not _is_etag(etag):
            raise Conflict(key)
        md5 = await self._workers.run(_md5, body) if self._with_md5 else None
        try:
            return await self._blobs.put(key, body, etag=etag, absent=expect == ABSENT, md5=md5)
        except Missing as exc:
            raise Conflict(key) from exc
        except RetryError as exc:
            if expect == ANY or not is_lost(exc):
                raise
            raise OutcomeUnknown(f"{self._url}/{key}: {exc.message}") from exc

    @asynccontextmanager
    async def stage(self, key: str, /) -> AsyncIterator[Upload]:
        check_key(key)
        upload = AzureUpload(self._blobs, key, self._workers, with_md5=self._with_md5)
        try:
            yield upload
        finally:
            if not upload.is_sealed:
                await finish(self._give_up, key, upload, grace_seconds=lambda: _CLEANUP_SECONDS)

    async def _give_up(self, key: str, upload: AzureUpload) -> None:
        """End the parts on their way, and remove what was sent."""
        await upload.aclose()
        if not upload.is_begun:
            return
        try:
            async with self._clock.timeout(_CLEANUP_SECONDS):
                await self._discard(key, upload.token)
        except (BronzeError, TimeoutError) as exc:  # what has brought us here is to be told
            logger.warning(
                "%s/%s: blocks were not removed (%s); the next run removes them",
                self._url,
                key,
                str(exc) or "no answer in time",
            )

    async def complete(self, staged: Staged, /) -> ObjectInfo:
        key, file = staged.key, staged.file
        check_key(key)
        if file is None:
            raise StoreError(f"{key}: found by a scan; it can only be discarded", key=key)
        lost: RetryError | None = None
        try:
            await self._blobs.commit(key, staged.tags, {_SHA256: file.sha256}, tier=self._tier)
        except (Conflict, BlocksGone, Missing):
            pass  # by us before, perhaps: what stands there tells
        except RetryError as exc:
            if not is_lost(exc):
                raise
            lost = exc
        with suppress(Missing):
            found = await self._blobs.head(key)
            if found.size == file.size_bytes and found.metadata.get(_SHA256) == file.sha256:
                return self._info(found)
        if lost is not None:
            raise OutcomeUnknown(f"{self._url}/{key}: {lost.message}") from lost
        raise StoreError(
            f"{self._url}/{key}: the staged file is gone, or another stands in its place; run "
            "again",
            key=key,
        )

    async def discard(self, staged: Staged, /) -> None:
        check_key(staged.key)
        await self._discard(staged.key, staged.token)

    async def _discard(self, key: str, token: str) -> None:
        if not await discard(self._blobs, key, token, self._given_up):
            self._given_up.add(token)

    async def delete(self, key: str, /) -> None:
        check_key(key)
        with suppress(Missing):
            await self._blobs.delete(key)

    async def scan(self, prefix: str, /) -> AsyncIterator[ObjectInfo]:
        check_prefix(prefix)
        held: list[ObjectInfo] | None = None
        async for blob in self._listed(prefix, uncommitted=False):
            if _is_folder(blob):
                held = held or []
            elif _is_discarded(blob):
                continue
            elif held is None:
                yield self._info(blob)
            else:
                held.append(self._info(blob))
        # A hierarchical namespace lists a directory before what it holds, and that before
        # its neighbours: `a/b` before `a-b`. From the first directory on the order is ours.
        for info in sorted(held or (), key=lambda info: info.key):
            yield info

    async def scan_staged(self, prefix: str, /) -> AsyncIterator[Staged]:
        check_prefix(prefix)
        async for blob in self._listed(prefix, uncommitted=True):
            if blob.size or _is_folder(blob):
                continue
            # A listing does not tell an empty blob from one that only has blocks as yet.
            key = self._blobs.key_of(blob.name)
            with suppress(Missing):
                if _is_discarded(blob) or await self._blobs.blocks(key):
                    yield Staged(key=key, token=EVERYTHING)

    async def _listed(self, prefix: str, *, uncommitted: bool) -> AsyncIterator[BlobProperties]:
        marker: str | None = None
        while True:
            blobs, marker = await self._blobs.page(prefix, marker, uncommitted=uncommitted)
            for blob in blobs:
                yield blob
            if not marker:
                return

    async def now(self) -> datetime:
        """The service's clock, as its Date headers tell it: whole seconds, counted on."""
        now = self._session.server_time(_DATE_SECONDS)
        if now is None:
            await self._blobs.page("_state/", None, items=1)
            now = self._session.server_time(_DATE_SECONDS)
        if now is None:
            raise StoreError(
                f"{self._url}: its answers have no Date header, which leases are judged by; is it "
                "behind a proxy that takes it out?"
            )
        return now

    async def _window(self, key: str, start: int, length: int, version: str | None) -> Window:
        if length:
            try:
                return await self._blobs.window(key, start, length, etag=version)
            except PastEnd:
                pass
        found = await self._blobs.head(key)
        return Window(b"", version_of(found.etag), found.size)

    def _info(self, blob: BlobProperties) -> ObjectInfo:
        return ObjectInfo(
            key=self._blobs.key_of(blob.name),
            size_bytes=blob.size,
            version=version_of(blob.etag),
            modified=blob.last_modified,
        )


def _is_folder(blob: BlobProperties) -> bool:
    return _FOLDER in (blob.metadata or {})


def _is_discarded(blob: BlobProperties) -> bool:
    """Whether it stands for blocks that were being removed when the process died."""
    return not blob.size and DISCARDED in (blob.metadata or {})


def _is_etag(version: str) -> bool:
    """Whether the service has made it; others it would refuse as malformed."""
    return len(version) > 2 and version[0] == version[-1] == '"' and '"' not in version[1:-1]


def _md5(body: bytes) -> bytes:
    return hashlib.md5(body, usedforsecurity=False).digest()
