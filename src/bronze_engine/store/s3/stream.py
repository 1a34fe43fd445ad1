"""A large object as a stream that goes on where it broke."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final, final

from bronze_engine.errors import Conflict, StoreError
from bronze_engine.limits.transient import Transient
from bronze_engine.store.s3.bucket import Bucket
from bronze_engine.store.s3.faults import BeyondEnd

__all__ = ["Stream"]

CHUNK_BYTES: Final = 1 << 20


@final
class Stream:
    """A part of one object. Whoever made it calls `close`, which is idempotent.

    Each chunk is an operation of its own under the limits, so that a slow consumer holds
    no slot; the connection stays open between them. What broke goes on from its offset,
    bound to the version that was begun.
    """

    def __init__(self, bucket: Bucket, key: str, start: int, length: int | None) -> None:
        self._bucket = bucket
        self._key = key
        self._offset = start
        self._end = None if length is None else start + length
        self._version: str | None = None
        self._body: Any = None

    async def open(self) -> None:
        """Ask for the object. Raises StoreError where there is none."""
        if self._offset == self._end:
            await self._bucket.call("head_object", self._key)
            return
        try:
            await self._bucket.repeat("get_object", self._key, self._request)
        except BeyondEnd:
            self._end = self._offset

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes in order, at most 1 MiB at once."""
        while self._end is None or self._offset < self._end:
            try:
                chunk = await self._bucket.repeat("get_object", self._key, self._read)
            except Conflict as exc:
                raise StoreError(
                    f"{self._bucket.tell('get_object', self._key)}: it was replaced while it "
                    "was read; read it again",
                    key=self._key,
                ) from exc
            self._offset += len(chunk)
            yield chunk

    def close(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    async def _request(self) -> None:
        with self._bucket.attempt("get_object", self._key):
            await self._open()

    async def _read(self) -> bytes:
        try:
            with self._bucket.attempt("get_object", self._key):
                if self._body is None:
                    await self._open()
                return await self._gather()
        except BaseException:
            self.close()
            raise

    async def _open(self) -> None:
        parameters = {}
        if self._offset or self._end is not None:
            last = "" if self._end is None else self._end - 1
            parameters["Range"] = f"bytes={self._offset}-{last}"
        if self._version is not None:
            parameters["IfMatch"] = self._version
        answer = await self._bucket.once("get_object", self._key, **parameters)
        self._body = answer["Body"]
        if self._offset and "ContentRange" not in answer:
            self.close()
            raise StoreError(
                f"{self._bucket.tell('get_object', self._key)}: the server sends the whole "
                "object where a range was asked for",
                key=self._key,
            )
        if "ContentLength" not in answer:
            self.close()
            self._bucket.check_has("ContentLength", "get_object", self._key)
        self._version = answer["ETag"]
        self._end = self._offset + answer["ContentLength"]

    async def _gather(self) -> bytes:
        """Up to 1 MiB: what one turn of the loop brings is a tenth of that."""
        assert self._end is not None  # noqa: S101  # set by _open
        pieces = []
        missing = min(CHUNK_BYTES, self._end - self._offset)
        while missing:
            piece = await self._body.read(missing)
            if not piece:
                raise Transient("the answer was cut off")
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)
