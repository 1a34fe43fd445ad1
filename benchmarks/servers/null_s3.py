"""As much of S3 as an upload needs, on loopback: it counts the bytes and throws them away.

    python -m benchmarks.servers.null_s3            prints its URL, serves until its input is closed
    python -m benchmarks.servers.null_s3 --check    keeps the bytes: slow, tests every checksum

The kernel discards what arrives (MSG_TRUNC), so that a candidate is measured and not this.
With --check every part is held, its checksums are tested as S3 does (BadDigest), and the
SHA-256 of each object is known.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import secrets
import socket
import sys
import threading
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, NoReturn
from urllib.parse import parse_qs, unquote, urlsplit

from tests.integration.s3_objects import decode_aws_chunks

from benchmarks.servers.incoming import Incoming
from benchmarks.servers.process import serve

__all__ = ["NullS3", "Uploaded"]

_CHECKED: Final[dict[str, Callable[[bytes], bytes]]] = {
    "x-amz-checksum-crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "x-amz-checksum-sha256": lambda data: hashlib.sha256(data).digest(),
    "content-md5": lambda data: hashlib.md5(data, usedforsecurity=False).digest(),
}


@dataclass(frozen=True)
class Uploaded:
    """A complete object."""

    parts: list[int]
    """Bytes of each, in order; one for an object that came whole."""
    sha256: str | None = None
    """Of the content; None unless the server checks."""
    checksums: list[str] = field(default_factory=list)
    """The header fields that proved the content, of any part."""

    @property
    def size_bytes(self) -> int:
        return sum(self.parts)


class NullS3:
    """The server as a child process. Its CPU is its own, and is not counted."""

    def __init__(self, url: str) -> None:
        self.url = url

    @classmethod
    @contextmanager
    def start(cls, *, check: bool = False) -> Iterator[NullS3]:
        with serve("benchmarks.servers.null_s3", *(["--check"] if check else [])) as url:
            yield cls(url)

    def take(self) -> dict[str, Uploaded]:
        """The objects that landed since the last call, by bucket and key."""
        with urllib.request.urlopen(f"{self.url}/-/take") as answer:  # noqa: S310  # loopback
            found = json.load(answer)
        return {key: Uploaded(**fields) for key, fields in found.items()}


@dataclass(frozen=True)
class _Part:
    size_bytes: int
    data: bytes | None
    checksum: str | None
    etag: str = field(default_factory=lambda: f'"{secrets.token_hex(16)}"')


class _Shelf:
    """What has arrived. Every method is called from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._uploads: dict[str, dict[int, _Part]] = {}
        self._objects: dict[str, Uploaded] = {}

    def begin(self) -> str:
        upload = secrets.token_hex(8)
        self._uploads[upload] = {}
        return upload

    def add(self, upload: str, number: int, part: _Part) -> None:
        self._uploads[upload][number] = part

    def end(self, key: str, upload: str, numbers: list[int]) -> Uploaded:
        with self._lock:
            parts = self._uploads.pop(upload)
            return self._land(key, [parts[number] for number in numbers])

    def put(self, key: str, part: _Part) -> None:
        with self._lock:
            self._land(key, [part])

    def abort(self, upload: str) -> None:
        with self._lock:
            self._uploads.pop(upload, None)

    def find(self, key: str) -> Uploaded | None:
        return self._objects.get(key)

    def take(self) -> dict[str, Uploaded]:
        with self._lock:
            taken, self._objects = self._objects, {}
        return taken

    def _land(self, key: str, parts: list[_Part]) -> Uploaded:
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part.data or b"")
        landed = Uploaded(
            parts=[part.size_bytes for part in parts],
            sha256=None if any(part.data is None for part in parts) else digest.hexdigest(),
            checksums=sorted({part.checksum for part in parts if part.checksum}),
        )
        self._objects[key] = landed
        return landed


@dataclass(frozen=True)
class _Request:
    method: str
    key: str
    """Bucket and key."""
    query: dict[str, str]
    headers: dict[str, str]


class _Session:
    """One connection, request after request."""

    def __init__(self, connection: socket.socket, shelf: _Shelf, *, check: bool) -> None:
        self._socket = connection
        self._incoming = Incoming(connection)
        self._shelf = shelf
        self._check = check

    def serve(self) -> None:
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._socket:
            try:
                while True:
                    self._answer(self._request())
            except (EOFError, ConnectionError):
                return

    def _request(self) -> _Request:
        lines = self._incoming.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        url = urlsplit(target)
        pairs = (line.split(":", 1) for line in lines[1:])
        return _Request(
            method=method,
            key=unquote(url.path).lstrip("/"),
            query={k: v[0] for k, v in parse_qs(url.query, keep_blank_values=True).items()},
            headers={name.lower(): value.strip() for name, value in pairs},
        )

    def _answer(self, request: _Request) -> None:
        if request.headers.get("expect", "").lower() == "100-continue":
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        upload = request.query.get("uploadId", "")
        match request.method, request.query:
            case "PUT", {"partNumber": number}:
                part = self._part(request)
                if part is not None:
                    self._shelf.add(upload, int(number), part)
                    self._respond("200 OK", headers=_echo(request, part))
            case "PUT", _:
                part = self._part(request)
                if part is not None:
                    self._shelf.put(request.key, part)
                    self._respond("200 OK", headers=_echo(request, part))
            case "POST", {"uploads": _}:
                self._incoming.body(request.headers, keep=False)
                self._respond(
                    "200 OK", _xml("InitiateMultipartUploadResult", UploadId=self._shelf.begin())
                )
            case "POST", {"uploadId": _}:
                listed, _ = self._incoming.body(request.headers, keep=True)
                numbers = re.findall(rb"<PartNumber>(\d+)</PartNumber>", listed)
                landed = self._shelf.end(request.key, upload, [int(n) for n in numbers])
                self._respond("200 OK", _xml("CompleteMultipartUploadResult", ETag=_etag(landed)))
            case "DELETE", _:
                self._shelf.abort(upload)
                self._respond("204 No Content")
            case "HEAD", _:
                found = self._shelf.find(request.key)
                if found is None:
                    self._respond("404 Not Found")
                else:
                    headers = {"ETag": _etag(found), "Last-Modified": _LONG_AGO}
                    self._respond("200 OK", headers=headers, length=found.size_bytes)
            case "GET", _ if request.key == "-/take":
                taken = {key: vars(landed) for key, landed in self._shelf.take().items()}
                self._respond("200 OK", json.dumps(taken).encode())
            case _:
                self._incoming.body(request.headers, keep=False)
                self._respond("501 Not Implemented", _xml("Error", Code="NotImplemented"))

    def _part(self, request: _Request) -> _Part | None:
        """One part or object; None when its checksum was wrong and has been answered."""
        body, length = self._incoming.body(request.headers, keep=self._check)
        size = int(request.headers.get("x-amz-decoded-content-length", length))
        trailers: dict[str, str] = {}
        if self._check and "x-amz-decoded-content-length" in request.headers:
            body, trailers = decode_aws_chunks(body)
        given = {
            name: value
            for name, value in (request.headers | trailers).items()
            if name.startswith("x-amz-checksum-") or name == "content-md5"
        }
        if self._check:
            assert len(body) == size
            for name, value in given.items():
                digest = _CHECKED.get(name)
                if digest is not None and base64.b64decode(value) != digest(body):
                    self._respond("400 Bad Request", _xml("Error", Code="BadDigest"))
                    return None
        proof = next(iter(given), request.headers.get("x-amz-trailer"))
        return _Part(size, body if self._check else None, proof)

    def _respond(
        self,
        status: str,
        body: bytes = b"",
        *,
        headers: dict[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        fields = {
            "Content-Length": str(len(body) if length is None else length),
            "x-amz-request-id": "null",
            "Date": _LONG_AGO,
            **(headers or {}),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._socket.sendall(f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body)


_LONG_AGO: Final = "Wed, 15 Jan 2025 00:00:00 GMT"


def _echo(request: _Request, part: _Part) -> dict[str, str]:
    """The checksum that came in the head, as S3 confirms it."""
    names = [name for name in request.headers if name.startswith("x-amz-checksum-")]
    return {"ETag": part.etag, **{name: request.headers[name] for name in names}}


def _etag(landed: Uploaded) -> str:
    return f'"{landed.size_bytes:032x}-{len(landed.parts)}"'


def _xml(root: str, **fields: str) -> bytes:
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return f'<?xml version="1.0" encoding="UTF-8"?><{root}>{inner}</{root}>'.encode()


def _accept(listener: socket.socket, shelf: _Shelf, *, check: bool) -> NoReturn:
    while True:
        connection, _ = listener.accept()
        session = _Session(connection, shelf, check=check)
        threading.Thread(target=session.serve, daemon=True).start()


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.servers.null_s3", description=__doc__)
    parser.add_argument("--check", action="store_true", help="keep and test every byte")
    options = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    serving = threading.Thread(
        target=_accept, args=(listener, _Shelf()), kwargs={"check": options.check}, daemon=True
    )
    serving.start()
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
