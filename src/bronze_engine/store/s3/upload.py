"""A file on its way into a bucket: a multipart upload that is sealed but not completed."""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Mapping
from typing import Any, Final, cast, final

from bronze_engine.clock import Clock
from bronze_engine.errors import BronzeError, StoreError
from bronze_engine.limits.transient import Transient
from bronze_engine.model.part import DataFile, Part, Staged
from bronze_engine.store.multipart import Parts
from bronze_engine.store.parts import check_part
from bronze_engine.store.s3.body import PartBody
from bronze_engine.store.s3.bucket import Answer, Bucket
from bronze_engine.store.s3.checksum import ALGORITHMS, Algorithm, Checksum
from bronze_engine.store.s3.faults import Missing
from bronze_engine.workers import Workers

__all__ = ["S3Upload", "abort", "sent_parts"]

logger = logging.getLogger(__name__)

_ABORT_SECONDS: Final = 3.0
"""Of the 4 s that a run has for cleaning up once it is told to end."""
_ABORTS: Final = 4
_PAUSE_SECONDS: Final = 0.2


@final
class S3Upload:
    """`contracts.Upload`. Whoever made it calls `begin`, and `aclose` in any case."""

    def __init__(
        self,
        bucket: Bucket,
        key: str,
        algorithm: Algorithm,
        settings: Mapping[str, Any],
        workers: Workers,
        clock: Clock,
    ) -> None:
        self._bucket = bucket
        self._key = key
        self._algorithm = algorithm
        self._settings = settings
        self._workers = workers
        self._clock = clock
        self._parts = Parts(key, self._send)
        self._checksums: dict[int, Checksum] = {}
        self._id: str | None = None
        self._is_sealed = False

    async def begin(self) -> None:
        answer = await self._bucket.call("create_multipart_upload", self._key, **self._settings)
        self._id = answer["UploadId"]

    async def part(self, part: Part, /) -> None:
        await self._parts.add(part)

    async def settle(self) -> None:
        await self._parts.settle()

    async def seal(self, file: DataFile, /) -> Staged:
        sent = await self._parts.join(file)
        tags = [_tag(self._checksums[number], each.tag) for number, each in enumerate(sent, 1)]
        staged = Staged(key=self._key, token=self._upload_id, file=file, tags=tuple(tags))
        self._is_sealed = True
        return staged

    async def aclose(self) -> None:
        """End the parts on their way; unless it is sealed, remove the upload.

        Takes a few seconds at most. An upload that can't be removed in that time is left
        to the next run, which finds it by its key.
        """
        await self._parts.aclose()
        if self._is_sealed or self._id is None:
            return
        try:
            async with self._clock.timeout(_ABORT_SECONDS):
                await abort(self._bucket, self._key, self._id, self._clock)
        except (BronzeError, TimeoutError) as exc:
            logger.warning(
                "%s/%s: an upload was not removed (%s); the next run removes it",
                self._bucket.url,
                self._key,
                str(exc) or "no answer in time",
            )

    @property
    def _upload_id(self) -> str:
        if self._id is None:
            raise StoreError(f"{self._key}: this upload was not begun", key=self._key)
        return self._id

    async def _send(self, part: Part) -> str:
        if self._algorithm == "crc32":
            checksum = Checksum("crc32", part.crc32.to_bytes(4, "big"))
        else:
            checksum = await self._workers.run(_hashed, self._algorithm, part)
        self._checksums[part.number] = checksum

        async def attempt() -> Answer:
            try:
                with self._bucket.attempt("upload_part", self._key):
                    answer = await self._bucket.once(
                        "upload_part",
                        self._key,
                        Body=PartBody(part.pieces),
                        PartNumber=part.number,
                        UploadId=self._upload_id,
                        **checksum.fields,
                    )
                if checksum.is_denied(answer):
                    raise Transient("the server has stored other bytes than were sent")
            except Transient:  # no repetition helps where the bytes were wrong when they left
                await self._workers.run(check_part, self._key, part)
                raise
            # Where the server has computed the CRC32 that the encoder has, the bytes are right.
            if self._algorithm != "crc32" or not checksum.is_confirmed(answer):
                await self._workers.run(check_part, self._key, part)
            return answer

        answer = await self._bucket.repeat("upload_part", self._key, attempt)
        return str(answer["ETag"])


async def abort(bucket: Bucket, key: str, upload_id: str, clock: Clock) -> None:
    """Remove an upload with all its parts; one that is gone is fine.

    A part that was on its way may arrive after the removal and be kept (and charged for),
    so the server is asked, and told again
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html).
    """
    for attempt in range(_ABORTS):
        try:
            await bucket.call("abort_multipart_upload", key, UploadId=upload_id)
            answer = await bucket.call("list_parts", key, UploadId=upload_id, MaxParts=1)
        except Missing:
            return
        if not answer.get("Parts"):
            return
        if attempt + 1 < _ABORTS:
            await clock.sleep(_PAUSE_SECONDS * 2**attempt)
    raise StoreError(f"{bucket.tell('abort_multipart_upload', key)}: its parts come back", key=key)


def sent_parts(staged: Staged) -> tuple[list[dict[str, Any]], list[Checksum]]:
    """What a completion lists, and the parts' checksums, from the tags of a staged file."""
    listed = []
    checksums = []
    for number, tag in enumerate(staged.tags, 1):
        etag, checksum = _read_tag(staged.key, tag)
        listed.append({"PartNumber": number, "ETag": etag, **checksum.kept})
        checksums.append(checksum)
    return listed, checksums


def _hashed(algorithm: Algorithm, part: Part) -> Checksum:
    return Checksum.of(algorithm, part.data)


def _tag(checksum: Checksum, etag: str) -> str:
    return f"{checksum.algorithm}:{checksum.text}:{etag}"


def _read_tag(key: str, tag: str) -> tuple[str, Checksum]:
    algorithm, _, rest = tag.partition(":")
    text, colon, etag = rest.partition(":")
    if algorithm not in ALGORITHMS or not colon:
        raise StoreError(f"{key}: {tag!r} is no part of an S3 upload", key=key)
    try:
        digest = base64.b64decode(text, validate=True)
    except binascii.Error as exc:
        raise StoreError(f"{key}: {tag!r} is no part of an S3 upload", key=key) from exc
    return etag, Checksum(cast("Algorithm", algorithm), digest)
