"""An S3 server that does what real ones will not do on demand.

    with serve() as server:                            # a thread of its own, on loopback
        server.url, server.bucket("lake")              # buckets spring up when they are named
        server.on("UploadPart", "corrupt")             # the next one
        server.on("PutObject", "lose_answer", nth=3, key="*_metadata.json")
        server.on("*", error("SlowDown", 503, retry_after=2), times=5)
        server.bucket("lake").is_conditional = False   # ignores If-Match and If-None-Match
        server.count("UploadPart"), server.seen        # what arrived

    python -m tests.integration.s3_server              prints its URL, serves until input ends

Path style. Operations have S3's names. A fault takes the `nth` request that its pattern
matches, and `times` in all (0: every one from then on); faults are looked at in the order
in which they were set, and the first that takes a request is applied. `Fault.fired` counts.
Signatures are verified where `serve(keys={"access key": "secret"})` is told of any.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from fnmatch import fnmatchcase
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote

import pytest
from aiohttp import web

from tests.integration.s3_objects import (
    Answer,
    Objects,
    Request,
    S3Error,
    decode_aws_chunks,
    error_body,
)
from tests.integration.s3_signature import check_signature

__all__ = ["Fault", "Kind", "S3Server", "error", "s3_server", "serve"]

Kind = Literal[
    "corrupt", "lose_request", "lose_answer", "reset", "half", "stall", "stall_after",
    "error_unapplied", "error_applied", "ignore", "lie", "corrupt_answer", "page", "redirect",
]  # fmt: skip
"""`corrupt`: a bit of the body flips before it is checked. `lose_request`, `lose_answer`: the
connection is closed before or after the request is applied. `reset`: in the middle of the
body. `half`: half of the answer is sent. `stall`, `stall_after`: nothing is answered until
the client gives up. `error_unapplied`, `error_applied`: status 200, and an error in the body.
`ignore`: success is answered, and nothing done. `lie`: the checksum answered is another.
`corrupt_answer`: a bit of the answer's body flips. `page`, `redirect`: a gateway answers in
place of the server, with a page of its own or by sending the client to one."""

MAX_BODY_BYTES: Final = 1 << 30


@dataclass(frozen=True)
class error:  # noqa: N801  # reads as a function where a test names a fault
    """Answer an error, and do nothing."""

    code: str
    status: int
    retry_after: float | None = None
    message: str = ""


@dataclass
class Fault:
    kind: Kind | error
    operation: str
    key: str
    nth: int
    times: int
    matched: int = 0
    fired: int = 0

    def takes(self, request: Request) -> bool:
        if not fnmatchcase(request.operation, self.operation):
            return False
        if not fnmatchcase(request.key, self.key):
            return False
        self.matched += 1
        if self.matched < self.nth or (self.times and self.fired >= self.times):
            return False
        self.fired += 1
        return True


@dataclass
class S3Server:
    url: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    ahead: timedelta = timedelta(0)
    """Of the server's clock, as its Date shows it."""
    seen: list[Request] = field(default_factory=list)
    """Requests in order of arrival, without their bodies."""
    faults: list[Fault] = field(default_factory=list)
    _buckets: dict[str, Objects] = field(default_factory=dict)

    def bucket(self, name: str) -> Objects:
        return self._buckets.setdefault(name, Objects())

    def on(
        self,
        operation: str,
        kind: Kind | error,
        *,
        key: str = "*",
        nth: int = 1,
        times: int = 1,
    ) -> Fault:
        """Script a fault; `operation` and `key` are shell patterns."""
        fault = Fault(kind, operation, key, nth, times)
        self.faults.append(fault)
        return fault

    def calm(self) -> None:
        """Forget all faults."""
        self.faults.clear()

    def count(self, operation: str = "*") -> int:
        """Requests that have arrived."""
        return sum(fnmatchcase(each.operation, operation) for each in self.seen)

    async def handle(self, arrived: web.Request) -> web.StreamResponse:
        request = _request(arrived)
        self.seen.append(request)
        fault = next((each for each in self.faults if each.takes(request)), None)
        kind = fault.kind if fault is not None else None
        if kind == "reset":
            await arrived.content.readany()
            _reset(arrived)
            return web.Response()
        body = await arrived.read()
        if "x-amz-decoded-content-length" in request.headers:
            body, trailers = decode_aws_chunks(body)
            request = replace(request, headers={**request.headers, **trailers})
        if kind == "corrupt" and body:
            body = _flipped(body)
        if kind == "lose_request":
            return _close(arrived)
        if kind == "stall":
            await asyncio.Event().wait()
        answer = self._answer(arrived, request, body, kind)
        if kind == "lose_answer":
            return _close(arrived)
        if kind == "stall_after":
            await asyncio.Event().wait()
        answer.headers["Date"] = format_datetime(datetime.now(UTC) + self.ahead, usegmt=True)
        if arrived.method == "HEAD":
            answer.headers["Content-Length"] = str(len(answer.body))
            return web.Response(status=answer.status, headers=answer.headers)
        if kind == "half":
            return await _half(arrived, answer)
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    def _answer(
        self, arrived: web.Request, request: Request, body: bytes, kind: Kind | error | None
    ) -> Answer:
        try:
            check_signature(arrived, body, self.keys)
            if isinstance(kind, error):
                raise S3Error(kind.status, kind.code, kind.message)
            if kind == "ignore":
                return Answer(204)
            if kind == "page":
                return Answer(200, {"Content-Type": "text/html"}, b"<html>Log in</html>")
            if kind == "redirect":
                return Answer(302, {"Location": "https://user:pw@gate.example:8443/?token=canary"})
            if kind == "error_unapplied":
                return Answer(body=error_body("InternalError", "Try again.", request.key))
            whole = Request(
                request.operation, request.bucket, request.key, request.query, request.headers, body
            )
            answer = self.bucket(request.bucket).answer(whole)
            if kind == "error_applied":
                return Answer(body=error_body("InternalError", "Try again.", request.key))
            if kind == "lie":
                for name in answer.headers:
                    if name.startswith("x-amz-checksum-") and name != "x-amz-checksum-type":
                        answer.headers[name] = "AAAA" + answer.headers[name][4:]
            if kind == "corrupt_answer":
                answer.body = _flipped(answer.body)
            return answer
        except S3Error as exc:
            refused = Answer(exc.status, body=error_body(exc.code, exc.message, request.key))
            if isinstance(kind, error) and kind.retry_after is not None:
                refused.headers["Retry-After"] = f"{kind.retry_after:g}"
            return refused


@contextmanager
def serve(keys: Mapping[str, str] | None = None) -> Iterator[S3Server]:
    """Serve from a thread until the block ends."""
    server = S3Server(keys=keys or {})
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="s3-server", daemon=True)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(_start(server), loop).result(timeout=60)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(timeout=60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def s3_server() -> Iterator[S3Server]:
    """A server of the test's own: no fault and no object of another test."""
    with serve() as server:
        yield server


async def _start(server: S3Server) -> web.AppRunner:
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_route("*", "/{path:.*}", server.handle)
    # Cancelled when its client has gone, a stalled handler ends.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    await web.SockSite(runner, listening).start()
    server.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    return runner


def _request(arrived: web.Request) -> Request:
    path, _, query = arrived.raw_path.partition("?")
    bucket, _, key = unquote(path.lstrip("/")).partition("/")
    fields = dict(parse_qsl(query, keep_blank_values=True))
    headers = {name.lower(): value for name, value in arrived.headers.items()}
    operation = _operation(arrived.method, key, fields)
    return Request(operation, bucket, key, fields, headers)


def _operation(method: str, key: str, query: Mapping[str, str]) -> str:
    if not key:
        by_query = {"uploads": "ListMultipartUploads", "list-type": "ListObjectsV2"}
        named = next((name for field, name in by_query.items() if field in query), None)
        return named or {"HEAD": "HeadBucket", "PUT": "CreateBucket"}.get(method, "Unknown")
    if method == "POST":
        return "CreateMultipartUpload" if "uploads" in query else "CompleteMultipartUpload"
    if "uploadId" in query:
        of_upload = {"PUT": "UploadPart", "GET": "ListParts", "DELETE": "AbortMultipartUpload"}
        return of_upload[method]
    of_object = {"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject"}
    return of_object.get(method, "DeleteObject")


def _flipped(body: bytes) -> bytes:
    place = random.randrange(len(body))
    return body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]


def _close(arrived: web.Request) -> web.Response:
    if arrived.transport is not None:
        arrived.transport.abort()
    return web.Response()


def _reset(arrived: web.Request) -> None:
    if arrived.transport is not None:
        sock = arrived.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        arrived.transport.abort()


async def _half(arrived: web.Request, answer: Answer) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_length = len(answer.body)
    await response.prepare(arrived)
    with suppress(ConnectionError):
        await response.write(answer.body[: len(answer.body) // 2])
    _close(arrived)
    return response


def main() -> None:
    """Serve until standard input ends."""
    with serve() as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
