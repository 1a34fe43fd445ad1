"""The requests of an Azure store, one method each: under the limits, errors translated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast, final

import msgspec
from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob import BlobBlock, BlobProperties, BlockState, StandardBlobTier
from azure.storage.blob.aio import BlobClient

from bronze_engine.contracts import Limits
from bronze_engine.errors import StoreError
from bronze_engine.limits.transient import Transient
from bronze_engine.store.azure.client import Container
from bronze_engine.store.azure.faults import (
    Action,
    Permission,
    Unusable,
    of_answer,
    of_refusal,
)

__all__ = ["Blobs", "Window", "version_of"]

T = TypeVar("T")

_ABSENT: Final[dict[str, Any]] = {"match_condition": MatchConditions.IfMissing}
MAX_NAME: Final = 1024
"""Characters in a blob's name, the prefix included."""
PAGE_ITEMS: Final = 100
"""Of a listing: the SDK takes 0.2 ms for each, on the event loop (measured)."""


class Window(msgspec.Struct, frozen=True):
    """A piece of a blob."""

    body: bytes
    version: str
    total: int
    """Bytes of the whole blob."""


def version_of(etag: str | None) -> str:
    """An ETag as headers write it; listings leave the quotes out."""
    return '"{}"'.format((etag or "").strip('"'))


@final
class Blobs:
    """The blobs below one prefix of one container, by their keys.

    Raises StoreError, AuthError and RetryError, and where it says so the answers that
    `faults` has types for. Everything is repeated as `limits` says, except where
    `may_repeat` is False.
    """

    def __init__(self, container: Container, location: str, prefix: str, limits: Limits) -> None:
        self._client = container.client
        self._location = location
        self._prefix = f"{prefix}/" if prefix else ""
        self._limits = limits

    async def put(
        self, key: str, body: bytes, *, etag: str | None, absent: bool, md5: bytes | None
    ) -> str:
        """Write a blob whole and return its version; raises Conflict, Missing."""
        conditions = _ABSENT if absent else _unchanged(etag)

        async def put() -> str:
            done = await self._blob(key).upload_blob(
                body, overwrite=True, transactional_content_md5=md5, **conditions
            )
            return version_of(str(done["etag"]))

        return await self._call("PUT", key, "write", put, may_repeat=not conditions)

    async def window(self, key: str, start: int, length: int, *, etag: str | None) -> Window:
        """`length` bytes from `start`, or up to the end; at most `WINDOW_BYTES`.

        Raises Missing, PastEnd, and Conflict where the blob is another than `etag`.
        """

        async def get() -> Window:
            stream = await self._blob(key).download_blob(start, length, **_unchanged(etag))
            body = await stream.readall()
            whole = str(stream.properties.content_range or "").rpartition("/")[2]
            total = int(whole)
            if len(body) != min(length, total - start):
                raise Transient(f"{len(body)} bytes came of {min(length, total - start)}")
            return Window(body, version_of(stream.properties.etag), total)

        return await self._call("GET", key, "read", get)

    async def head(self, key: str) -> BlobProperties:
        """Raises Missing."""
        return await self._call("HEAD", key, "read", lambda: self._blob(key).get_blob_properties())

    async def delete(self, key: str, *, etag: str | None = None) -> None:
        """Raises Missing, and Conflict where the blob is another than `etag`."""
        conditions: dict[str, Any] = {}
        if etag is not None:
            conditions = {"match_condition": MatchConditions.IfNotModified, "etag": etag}
        await self._call("DELETE", key, "delete", lambda: self._blob(key).delete_blob(**conditions))

    async def stage(
        self, key: str, block: str, pieces: tuple[bytes, ...], *, md5: bytes | None
    ) -> None:
        """Send one block, in the pieces that it is in."""
        size = sum(map(len, pieces))

        async def stage() -> None:
            done = await blob.stage_block(block, pieces, size, transactional_content_md5=md5)
            answered = done.get("content_md5")
            if md5 is not None and answered is not None and bytes(answered) != md5:
                raise Transient("the service has computed another MD5 of the block")

        blob = self._blob(key)
        await self._call("PUT block of", key, "write", stage)

    async def blocks(self, key: str) -> list[str]:
        """The ids of the blocks that are staged and not committed; raises Missing."""

        async def blocks() -> list[str]:
            _, uncommitted = await self._blob(key).get_block_list("uncommitted")
            return [str(block.id) for block in uncommitted]

        return await self._call("GET blocks of", key, "read", blocks)

    async def commit(
        self,
        key: str,
        blocks: Sequence[str],
        metadata: Mapping[str, str],
        *,
        tier: str | None = None,
        may_repeat: bool = False,
    ) -> str:
        """Make a blob of staged blocks where there is none, and return its version.

        Raises Conflict where a blob is there, BlocksGone where a block is not.
        """

        async def commit() -> str:
            done = await self._blob(key).commit_block_list(
                [BlobBlock(block, BlockState.UNCOMMITTED) for block in blocks],
                metadata=dict(metadata),
                **_ABSENT,
                standard_blob_tier=None if tier is None else StandardBlobTier(tier),
            )
            return version_of(str(done["etag"]))

        return await self._call("COMMIT", key, "write", commit, may_repeat=may_repeat)

    async def page(
        self, prefix: str, marker: str | None, *, uncommitted: bool = False, items: int = PAGE_ITEMS
    ) -> tuple[list[BlobProperties], str | None]:
        """Some blobs whose keys begin with `prefix`, and the marker of the next page."""
        include = ["metadata", "uncommittedblobs"] if uncommitted else ["metadata"]

        async def page() -> tuple[list[BlobProperties], str | None]:
            pages = self._client.list_blobs(
                name_starts_with=self._prefix + prefix, include=include, results_per_page=items
            ).by_page(marker)
            found = [blob async for blob in await anext(pages)]
            return found, cast("Any", pages).continuation_token

        return await self._call("LIST", prefix, "list", page)

    def key_of(self, name: str) -> str:
        return name.removeprefix(self._prefix)

    def _blob(self, key: str) -> BlobClient:
        name = self._prefix + key
        if len(name) > MAX_NAME:
            raise StoreError(f"{key!r} can't be a key: with its prefix it is over {MAX_NAME} long")
        if any(segment.endswith(".") for segment in key.split("/")):
            # The service would take the dots off, and write another blob.
            raise StoreError(f"{key!r} can't be a key: a part of it ends with a dot; rename it")
        return self._client.get_blob_client(name)

    async def _call(
        self,
        verb: str,
        key: str,
        needs: Permission,
        operation: Callable[[], Awaitable[T]],
        *,
        may_repeat: bool = True,
    ) -> T:
        text = f"{verb} {self._location}/{key}"
        action = Action(text=text, container=self._client.container_name, needs=needs)

        async def attempt() -> T | _Refusal:
            try:
                return await operation()
            except Unusable as exc:
                raise of_refusal(exc, action) from exc
            except AzureError as exc:
                error = of_answer(exc, action)
                if isinstance(error, Transient) or not isinstance(exc, HttpResponseError):
                    raise error from exc
                error.__cause__ = exc
                return _Refusal(error)

        answer = await self._limits.call(attempt, describe=text, may_repeat=may_repeat)
        if isinstance(answer, _Refusal):
            raise answer.error
        return answer


def _unchanged(etag: str | None) -> dict[str, Any]:
    if etag is None:
        return {}
    return {"match_condition": MatchConditions.IfNotModified, "etag": etag}


class _Refusal:
    """An answer all the same: to the breaker it says that the service is well."""

    def __init__(self, error: Exception) -> None:
        self.error = error
