"""What a bucket holds, and what S3 makes of each request: no I/O, and no faults.

Written after Amazon's API reference, where moto is laxer than it: checksums are verified,
conditions hold, parts have their least size, listings have pages.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final
from urllib.parse import quote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

__all__ = ["Answer", "Objects", "Request", "S3Error", "decode_aws_chunks", "error_body"]

MIN_PART_BYTES: Final = 5 * 1024**2
_XMLNS: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
_ALGORITHMS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "CRC32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "SHA256": lambda data: hashlib.sha256(data).digest(),
}
_KEPT: Final = ("x-amz-server-side-encryption", "x-amz-storage-class", "x-amz-tagging")


class S3Error(Exception):
    """Answered as S3's XML."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.message = message or code


@dataclass
class Request:
    operation: str
    """S3's own name: PutObject, UploadPart."""
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = b""


@dataclass
class Answer:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Object:
    body: bytes
    etag: str
    modified: datetime
    checksum: tuple[str, str] | None
    """Algorithm and value; `value-n` for n parts."""
    settings: dict[str, str]
    """Headers it was made with: encryption, storage class, tags."""


@dataclass
class Piece:
    body: bytes
    etag: str
    checksum: str | None


@dataclass
class Upload:
    key: str
    algorithm: str | None
    settings: dict[str, str]
    began: datetime
    parts: dict[int, Piece] = field(default_factory=dict)


class Objects:
    """One bucket. `answer` takes a request and changes it; not thread-safe.

    `is_conditional = False` makes it a gateway that ignores conditions. `page_size` bounds
    listings. `owner` is the account that `x-amz-expected-bucket-owner` must name.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.uploads: dict[str, Upload] = {}
        self.is_conditional = True
        self.page_size = 1000
        self.owner = "111122223333"
        self._count = 0

    def answer(self, request: Request) -> Answer:
        expected = request.headers.get("x-amz-expected-bucket-owner", self.owner)
        if expected != self.owner:
            raise S3Error(403, "AccessDenied", "Access Denied")
        return _HANDLERS[request.operation](self, request)

    def head_bucket(self, _: Request) -> Answer:
        return Answer()

    def put_object(self, request: Request) -> Answer:
        checksum = _verified(request)
        self._check_conditions(request)
        etag = _etag(hashlib.md5(request.body, usedforsecurity=False).digest())
        settings = _settings(request)
        self.objects[request.key] = Object(request.body, etag, _now(), checksum, settings)
        return Answer(headers={"ETag": etag, **_checksum_header(checksum)})

    def get_object(self, request: Request) -> Answer:
        found = self._object(request)
        size = len(found.body)
        headers = {
            "ETag": found.etag,
            "Last-Modified": format_datetime(found.modified, usegmt=True),
            "Accept-Ranges": "bytes",
            **{name: value for name, value in found.settings.items() if "tagging" not in name},
        }
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if match is None:
            if request.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
                headers |= _checksum_header(found.checksum)
            return Answer(headers=headers, body=found.body)
        start = int(match[1])
        end = min(size, int(match[2]) + 1) if match[2] else size
        if start >= size or end <= start:
            raise S3Error(416, "InvalidRange")
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        return Answer(206, headers, found.body[start:end])

    def delete_object(self, request: Request) -> Answer:
        self.objects.pop(request.key, None)
        return Answer(204)

    def list_objects(self, request: Request) -> Answer:
        prefix = request.query.get("prefix", "")
        after = request.query.get("continuation-token", request.query.get("start-after", ""))
        keys = sorted(key for key in self.objects if key.startswith(prefix) and key > after)
        size = min(self.page_size, int(request.query.get("max-keys", "1000")))
        page, is_truncated = keys[:size], len(keys) > size
        is_encoded = request.query.get("encoding-type") == "url"
        contents = [
            _element(
                "Contents",
                ("Key", quote(key) if is_encoded else key),
                ("LastModified", _iso(self.objects[key].modified)),
                ("ETag", self.objects[key].etag),
                ("Size", len(self.objects[key].body)),
                ("StorageClass", "STANDARD"),
            )
            for key in page
        ]
        fields = [("Prefix", quote(prefix) if is_encoded else prefix), ("KeyCount", len(page))]
        if is_encoded:
            fields.append(("EncodingType", "url"))
        if is_truncated:
            fields.append(("NextContinuationToken", page[-1]))
        return _document("ListBucketResult", is_truncated, fields, contents)

    def create_upload(self, request: Request) -> Answer:
        algorithm = request.headers.get("x-amz-checksum-algorithm")
        if algorithm is not None and algorithm not in _ALGORITHMS:
            raise S3Error(400, "InvalidRequest", "Checksum algorithm provided is unsupported.")
        self._count += 1
        upload_id = f"upload-{self._count:06}"
        self.uploads[upload_id] = Upload(request.key, algorithm, _settings(request), _now())
        return _document(
            "InitiateMultipartUploadResult",
            None,
            [("Bucket", request.bucket), ("Key", request.key), ("UploadId", upload_id)],
        )

    def upload_part(self, request: Request) -> Answer:
        upload = self._upload(request)
        number = int(request.query["partNumber"])
        if not 1 <= number <= 10_000:
            raise S3Error(400, "InvalidArgument", "Part number must be between 1 and 10000")
        checksum = _verified(request)
        if upload.algorithm is not None and checksum is None:
            checksum = (upload.algorithm, _digest(upload.algorithm, request.body))
        if upload.algorithm is not None and checksum and checksum[0] != upload.algorithm:
            raise S3Error(400, "InvalidRequest", "Checksum Type mismatch occurred")
        etag = _etag(hashlib.md5(request.body, usedforsecurity=False).digest())
        value = checksum[1] if checksum else None
        upload.parts[number] = Piece(request.body, etag, value)
        return Answer(headers={"ETag": etag, **_checksum_header(checksum)})

    def list_parts(self, request: Request) -> Answer:
        upload = self._upload(request)
        after = int(request.query.get("part-number-marker", "0"))
        size = min(self.page_size, int(request.query.get("max-parts", "1000")))
        numbers = sorted(number for number in upload.parts if number > after)
        parts = [
            _element(
                "Part",
                ("PartNumber", number),
                ("ETag", upload.parts[number].etag),
                ("Size", len(upload.parts[number].body)),
                ("LastModified", _iso(upload.began)),
            )
            for number in numbers[:size]
        ]
        fields = [("Key", request.key), ("UploadId", request.query["uploadId"])]
        if len(numbers) > size:
            fields.append(("NextPartNumberMarker", str(numbers[size - 1])))
        return _document("ListPartsResult", len(numbers) > size, fields, parts)

    def list_uploads(self, request: Request) -> Answer:
        prefix = request.query.get("prefix", "")
        after = (request.query.get("key-marker", ""), request.query.get("upload-id-marker", ""))
        size = min(self.page_size, int(request.query.get("max-uploads", "1000")))
        found = sorted(
            (upload.key, upload_id)
            for upload_id, upload in self.uploads.items()
            if upload.key.startswith(prefix) and (upload.key, upload_id) > after
        )
        page, is_truncated = found[:size], len(found) > size
        uploads = [
            _element(
                "Upload",
                ("Key", key),
                ("UploadId", upload_id),
                ("Initiated", _iso(self.uploads[upload_id].began)),
            )
            for key, upload_id in page
        ]
        fields: list[tuple[str, object]] = [("Prefix", prefix)]
        if is_truncated:
            fields += [("NextKeyMarker", page[-1][0]), ("NextUploadIdMarker", page[-1][1])]
        return _document("ListMultipartUploadsResult", is_truncated, fields, uploads)

    def complete_upload(self, request: Request) -> Answer:
        upload = self._upload(request)
        listed = _listed_parts(request.body)
        numbers = [int(part["PartNumber"]) for part in listed]
        if not numbers:
            raise S3Error(400, "MalformedXML")
        if numbers != sorted(set(numbers)):
            raise S3Error(400, "InvalidPartOrder")
        pieces = [_piece(upload, part) for part in listed]
        if any(len(piece.body) < MIN_PART_BYTES for piece in pieces[:-1]):
            raise S3Error(400, "EntityTooSmall")
        body = b"".join(piece.body for piece in pieces)
        if int(request.headers.get("x-amz-mp-object-size", len(body))) != len(body):
            raise S3Error(400, "InvalidRequest", "The provided size does not match")
        self._check_conditions(request)
        digests = b"".join(bytes.fromhex(piece.etag.strip('"')) for piece in pieces)
        md5 = hashlib.md5(digests, usedforsecurity=False)
        etag = f'"{md5.hexdigest()}-{len(pieces)}"'
        checksum = None
        if upload.algorithm is not None:
            values = b"".join(base64.b64decode(piece.checksum or "") for piece in pieces)
            checksum = (upload.algorithm, f"{_digest(upload.algorithm, values)}-{len(pieces)}")
        self.objects[request.key] = Object(body, etag, _now(), checksum, upload.settings)
        del self.uploads[request.query["uploadId"]]
        fields = [("Bucket", request.bucket), ("Key", request.key), ("ETag", etag)]
        if checksum:
            fields.append((f"Checksum{checksum[0]}", checksum[1]))
        return _document("CompleteMultipartUploadResult", None, fields)

    def abort_upload(self, request: Request) -> Answer:
        self._upload(request)
        del self.uploads[request.query["uploadId"]]
        return Answer(204)

    def _object(self, request: Request) -> Object:
        found = self.objects.get(request.key)
        if found is None:
            raise S3Error(404, "NoSuchKey", "The specified key does not exist.")
        if request.headers.get("if-match", found.etag) not in (found.etag, "*"):
            raise S3Error(412, "PreconditionFailed")
        return found

    def _upload(self, request: Request) -> Upload:
        upload = self.uploads.get(request.query["uploadId"])
        if upload is None or upload.key != request.key:
            raise S3Error(404, "NoSuchUpload", "The specified upload does not exist.")
        return upload

    def _check_conditions(self, request: Request) -> None:
        if not self.is_conditional:
            return
        found = self.objects.get(request.key)
        wanted = request.headers.get("if-match")
        if wanted is not None and found is None:
            raise S3Error(404, "NoSuchKey", "The specified key does not exist.")
        if wanted is not None and found is not None and wanted not in (found.etag, "*"):
            raise S3Error(412, "PreconditionFailed")
        if request.headers.get("if-none-match") == "*" and found is not None:
            raise S3Error(412, "PreconditionFailed")


_HANDLERS: Final[dict[str, Callable[[Objects, Request], Answer]]] = {
    "AbortMultipartUpload": Objects.abort_upload,
    "CompleteMultipartUpload": Objects.complete_upload,
    "CreateMultipartUpload": Objects.create_upload,
    "DeleteObject": Objects.delete_object,
    "GetObject": Objects.get_object,
    "HeadBucket": Objects.head_bucket,
    "HeadObject": Objects.get_object,
    "ListMultipartUploads": Objects.list_uploads,
    "ListObjectsV2": Objects.list_objects,
    "ListParts": Objects.list_parts,
    "PutObject": Objects.put_object,
    "UploadPart": Objects.upload_part,
}


def error_body(code: str, message: str, key: str) -> bytes:
    """S3's XML of an error."""
    fields = (("Code", code), ("Message", message), ("Key", key), ("RequestId", "R1"))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_element("Error", *fields)}'.encode()


def decode_aws_chunks(body: bytes) -> tuple[bytes, dict[str, str]]:
    """The content of an aws-chunked body, and its trailers.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
    """
    pieces = []
    at = 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end].partition(b";")[0], 16)
        at = end + 2
        if size == 0:
            break
        pieces.append(body[at : at + size])
        at += size + 2
    lines = body[at:].decode("latin-1").split("\r\n")
    pairs = (line.split(":", 1) for line in lines if line)
    return b"".join(pieces), {name.lower(): value.strip() for name, value in pairs}


def _verified(request: Request) -> tuple[str, str] | None:
    """The checksum that the request names, once the body is seen to have it."""
    md5 = request.headers.get("content-md5")
    if md5 is not None:
        found = hashlib.md5(request.body, usedforsecurity=False).digest()
        _compare(md5, found, "InvalidDigest")
    signed = request.headers.get("x-amz-content-sha256", "")
    if re.fullmatch("[0-9a-f]{64}", signed) and hashlib.sha256(request.body).hexdigest() != signed:
        raise S3Error(400, "XAmzContentSHA256Mismatch")
    for name, digest in _ALGORITHMS.items():
        value = request.headers.get(f"x-amz-checksum-{name.lower()}")
        if value is not None:
            _compare(value, digest(request.body), "InvalidRequest")
            return name, value
    return None


def _compare(value: str, digest: bytes, malformed: str) -> None:
    try:
        claimed = base64.b64decode(value, validate=True)
    except binascii.Error:
        raise S3Error(400, malformed) from None
    if len(claimed) != len(digest):
        raise S3Error(400, malformed)
    if claimed != digest:
        raise S3Error(400, "BadDigest", "The digest you specified did not match the content.")


def _listed_parts(body: bytes) -> list[dict[str, str]]:
    try:
        root = ET.fromstring(body)  # noqa: S314  # our own client's
    except ET.ParseError:
        raise S3Error(400, "MalformedXML") from None
    return [
        {field.tag.rpartition("}")[2]: field.text or "" for field in part}
        for part in root
        if part.tag.endswith("Part")
    ]


def _piece(upload: Upload, listed: Mapping[str, str]) -> Piece:
    piece = upload.parts.get(int(listed["PartNumber"]))
    if piece is None or listed["ETag"].strip('"') != piece.etag.strip('"'):
        raise S3Error(400, "InvalidPart", "One or more of the specified parts were not found.")
    if upload.algorithm is not None and listed.get(f"Checksum{upload.algorithm}") != piece.checksum:
        raise S3Error(400, "InvalidPart", "A part's checksum is missing or another.")
    return piece


def _settings(request: Request) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name.startswith(_KEPT)}


def _digest(algorithm: str, data: bytes) -> str:
    return base64.b64encode(_ALGORITHMS[algorithm](data)).decode()


def _etag(md5: bytes) -> str:
    return f'"{md5.hex()}"'


def _checksum_header(checksum: tuple[str, str] | None) -> dict[str, str]:
    if checksum is None:
        return {}
    kind = "COMPOSITE" if "-" in checksum[1] else "FULL_OBJECT"
    return {f"x-amz-checksum-{checksum[0].lower()}": checksum[1], "x-amz-checksum-type": kind}


def _now() -> datetime:
    return datetime.now(UTC)


def _iso(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%S}.000Z"


def _element(name: str, *fields: tuple[str, object]) -> str:
    inner = "".join(f"<{field}>{escape(str(value))}</{field}>" for field, value in fields)
    return f"<{name}>{inner}</{name}>"


def _document(
    root: str,
    is_truncated: bool | None,
    fields: Iterable[tuple[str, object]],
    children: Iterable[str] = (),
) -> Answer:
    inner = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in fields)
    if is_truncated is not None:
        inner += f"<IsTruncated>{str(is_truncated).lower()}</IsTruncated>"
    inner += "".join(children)
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{_XMLNS}">{inner}</{root}>'
    return Answer(headers={"Content-Type": "application/xml"}, body=text.encode())
