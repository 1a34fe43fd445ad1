"""S3 as a store: a bucket of Amazon's, or of a server that speaks its protocol.

Nothing becomes visible before it is whole: files are multipart uploads, completed by the
commit. Conditional puts are the server's own (If-None-Match, If-Match); the version of an
object is its ETag.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final, final
from urllib.parse import urlencode

from bronze_engine.clock import Clock
from bronze_engine.config.stores.store import S3StoreConfig
from bronze_engine.contracts import StoreResources, Upload
from bronze_engine.errors import Conflict, OutcomeUnknown, RetryError, StoreError
from bronze_engine.model.part import (
    ABSENT,
    ANY,
    DataFile,
    Expect,
    ObjectInfo,
    Staged,
    StoredObject,
    Version,
)
from bronze_engine.shield import finish
from bronze_engine.store.keys import check_key, check_prefix
from bronze_engine.store.s3.bucket import Bucket
from bronze_engine.store.s3.checksum import Checksum, composite
from bronze_engine.store.s3.client import open_client
from bronze_engine.store.s3.faults import Missing
from bronze_engine.store.s3.stream import Stream
from bronze_engine.store.s3.upload import S3Upload, abort, sent_parts
from bronze_engine.workers import Workers

__all__ = ["S3Store", "open_s3"]

_PAGE_KEYS: Final = 500
"""Of a listing; S3 gives 1,000 at most, which take the event loop 34 ms."""
_CLEANUP_SECONDS: Final = 3.0
"""Of the 4 s that a run has for cleaning up once it is told to end."""


@asynccontextmanager
async def open_s3(config: S3StoreConfig, resources: StoreResources) -> AsyncIterator[S3Store]:
    """Open the bucket and prefix of `config.url`; sends nothing yet."""
    limits = resources.limits(config, "S3Storage")
    async with open_client(config, resources.workers) as client:
        bucket = Bucket(client, config, limits, resources.clock)
        yield S3Store(bucket, config, resources.workers, resources.clock)


@final
class S3Store:
    """`contracts.Store` on a bucket. Made by `open_s3`.

    Cancellation: a put or a completion may have been applied; an upload that is left
    unsealed has been removed, unless the server did not answer within 3 s.
    """

    def __init__(
        self, bucket: Bucket, config: S3StoreConfig, workers: Workers, clock: Clock
    ) -> None:
        self._bucket = bucket
        self._algorithm = config.part_checksum
        self._workers = workers
        self._clock = clock
        self._of_objects = _settings(config)
        self._of_files = dict(self._of_objects)
        if config.storage_class is not None:
            self._of_files["StorageClass"] = config.storage_class
        if config.part_checksum != "md5":
            self._of_files["ChecksumAlgorithm"] = config.part_checksum.upper()

    @property
    def url(self) -> str:
        return self._bucket.url

    async def get(self, key: str, /) -> StoredObject | None:
        check_key(key)

        async def attempt() -> StoredObject:
            with self._bucket.attempt("get_object", key):
                answer = await self._bucket.once("get_object", key, ChecksumMode="ENABLED")
                async with answer["Body"] as body:
                    return StoredObject(key=key, body=await body.read(), version=answer["ETag"])

        try:
            return await self._bucket.repeat("get_object", key, attempt)
        except Missing:
            return None

    @asynccontextmanager
    async def read(
        self, key: str, /, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        check_key(key)
        stream = Stream(self._bucket, key, start, length)
        try:
            await stream.open()
            yield stream.chunks()
        finally:
            stream.close()

    async def put(self, key: str, body: bytes, /, *, expect: Expect) -> Version:
        check_key(key)
        checksum = await self._workers.run(Checksum.of, self._algorithm, body)
        condition: dict[str, str] = {}
        if isinstance(expect, str):
            condition["IfMatch"] = expect
        elif expect == ABSENT:
            condition["IfNoneMatch"] = "*"
        try:
            answer = await self._bucket.change(
                "put_object",
                key,
                may_repeat=expect == ANY,
                Body=body,
                **checksum.fields,
                **condition,
                **self._of_objects,
            )
        except Missing as exc:
            if isinstance(expect, str):
                raise Conflict(exc.message) from exc
            raise
        return str(answer["ETag"])

    @asynccontextmanager
    async def stage(self, key: str, /) -> AsyncIterator[Upload]:
        check_key(key)
        upload = S3Upload(
            self._bucket, key, self._algorithm, self._of_files, self._workers, self._clock
        )
        try:
            # Shielded: an upload whose id nobody has heard can't be removed.
            await finish(upload.begin, grace_seconds=lambda: _CLEANUP_SECONDS)
            yield upload
        finally:
            await finish(upload.aclose, grace_seconds=lambda: _CLEANUP_SECONDS)

    async def complete(self, staged: Staged, /) -> ObjectInfo:
        check_key(staged.key)
        file = staged.file
        if file is None:
            raise StoreError(f"{staged.key}: found by a scan; it can only be discarded")
        parts, checksums = sent_parts(staged)
        lost: OutcomeUnknown | None = None
        try:
            await self._bucket.change(
                "complete_multipart_upload",
                staged.key,
                UploadId=staged.token,
                MultipartUpload={"Parts": parts},
            )
        except Missing:
            pass  # completed before, or gone: the object tells
        except OutcomeUnknown as exc:
            lost = exc
        try:
            if lost is None or not await self._is_open(staged):
                return await self._completed(staged.key, file, checksums)
        except Missing as exc:
            raise StoreError(
                f"{self._bucket.url}/{staged.key}: the staged file is gone; run again",
                key=staged.key,
            ) from exc
        except RetryError as exc:
            if lost is None:
                raise
            raise lost from exc
        raise lost

    async def _is_open(self, staged: Staged) -> bool:
        """Whether an upload can still be completed."""
        try:
            await self._bucket.call("list_parts", staged.key, UploadId=staged.token, MaxParts=1)
        except StoreError:  # it is gone; or we may not look, and then the object must tell
            return False
        return True

    async def _completed(self, key: str, file: DataFile, checksums: list[Checksum]) -> ObjectInfo:
        """The visible object, which must be the one that was staged."""
        answer = await self._bucket.call("head_object", key, ChecksumMode="ENABLED")
        size = answer["ContentLength"]
        if size != file.size_bytes:
            raise StoreError(
                f"{self._bucket.url}/{key}: {size} bytes are there where {file.size_bytes} were "
                "staged; does something else write there?",
                key=key,
            )
        for name, expected in composite(checksums).items():
            found = answer.get(name)
            if found is not None and "-" in found and found != expected:
                raise StoreError(
                    f"{self._bucket.url}/{key}: its {name} is {found}, and that of what was "
                    f"staged {expected}; does something else write there?",
                    key=key,
                )
        return ObjectInfo(
            key=key,
            size_bytes=size,
            version=answer["ETag"],
            modified=answer["LastModified"].astimezone(UTC),
        )

    async def discard(self, staged: Staged, /) -> None:
        check_key(staged.key)
        await abort(self._bucket, staged.key, staged.token, self._clock)

    async def delete(self, key: str, /) -> None:
        check_key(key)
        with suppress(Missing):
            await self._bucket.call("delete_object", key)

    def scan(self, prefix: str, /) -> AsyncIterator[ObjectInfo]:
        return self.scan_telling(prefix, _untold)

    async def scan_telling(
        self, prefix: str, leave_out: Callable[[str, str], object], /
    ) -> AsyncIterator[ObjectInfo]:
        check_prefix(prefix)
        page: dict[str, Any] = {"Prefix": self._bucket.base + prefix, "MaxKeys": _PAGE_KEYS}
        while True:
            answer = await self._bucket.call("list_objects_v2", None, **page)
            for each in answer.get("Contents", ()):
                key = self._key_of(each["Key"], leave_out)
                if key is not None:
                    yield ObjectInfo(
                        key=key,
                        size_bytes=each["Size"],
                        version=each["ETag"],
                        modified=each["LastModified"].astimezone(UTC),
                    )
            if not answer.get("IsTruncated"):
                return
            page["ContinuationToken"] = answer["NextContinuationToken"]

    async def scan_staged(self, prefix: str, /) -> AsyncIterator[Staged]:
        check_prefix(prefix)
        page: dict[str, Any] = {"Prefix": self._bucket.base + prefix, "MaxUploads": _PAGE_KEYS}
        while True:
            answer = await self._bucket.call("list_multipart_uploads", None, **page)
            for each in answer.get("Uploads", ()):
                key = self._key_of(each["Key"], _untold)
                if key is not None:
                    yield Staged(key=key, token=each["UploadId"])
            if not answer.get("IsTruncated"):
                return
            page["KeyMarker"] = answer["NextKeyMarker"]
            page["UploadIdMarker"] = answer["NextUploadIdMarker"]

    async def now(self) -> datetime:
        """By the Date of the server's answers: whole seconds."""
        return await self._bucket.now()

    def _key_of(self, name: str, leave_out: Callable[[str, str], object]) -> str | None:
        """An object's key, or None for what others have put there under no valid one."""
        key = name.removeprefix(self._bucket.base)
        try:
            check_key(key)
        except StoreError as exc:
            leave_out(key, exc.message)
            return None
        return key


def _untold(_: str, __: str) -> None:
    """Nobody asks for what is not ours."""


def _settings(config: S3StoreConfig) -> dict[str, str]:
    """What every new object is created with."""
    fields = {
        "ServerSideEncryption": config.sse,
        "SSEKMSKeyId": config.kms_key_id,
        "Tagging": urlencode(config.tags) or None,
    }
    return {name: value for name, value in fields.items() if value is not None}
