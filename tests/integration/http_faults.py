"""Servers that misbehave, by name: what they send, and what becomes of a read of it."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from typing import Any

from bronze_engine.config.api import Timeout
from bronze_engine.config.auths.auth import BearerAuth
from bronze_engine.config.http.paginator import PagePaginator
from bronze_engine.config.units import Duration, Secret
from bronze_engine.errors import AuthError, BronzeError, ExtractError, PageError, RetryError
from tests.integration.http_server import Handler, Seen, answer

__all__ = [
    "CREDENTIALS",
    "CUT_GZIP",
    "DEEP",
    "FAULTS",
    "HEAD",
    "PAGES",
    "QUICK",
    "ROW",
    "after_two_pages",
    "cut",
    "framed",
    "silence",
]

QUICK = Timeout(connect=Duration(0.05), read=Duration(0.05), total=Duration(0.5))
ROW = [{"id": 1}]
PAGES = PagePaginator()
DEEP = b"[" * 100_000 + b"]" * 100_000
CUT_GZIP = gzip.compress(json.dumps(ROW * 100).encode())[:-12]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CREDENTIALS: dict[str, Any] = {
    "auth": BearerAuth(token=Secret("canary-token")),
    "headers": {"X-Tenant": Secret("canary-header")},
}


def after_two_pages(fault: bytes | None) -> Handler:
    """Two good pages, then always the fault; None closes the connection unanswered."""

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes | None:
        page = int(seen.query.get("page", 1))
        return answer([{"id": page}]) if page < 3 else fault

    return handle


def framed(body: bytes, **headers: str) -> bytes:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return answer(body=body, headers=fields)


def cut(data: bytes) -> Handler:
    """As `after_two_pages`, closing the connection after the fault's bytes."""

    async def handle(seen: Seen, writer: asyncio.StreamWriter) -> bytes | None:
        page = int(seen.query.get("page", 1))
        if page < 3:
            return answer([{"id": page}])
        writer.write(data)
        await writer.drain()
        return None

    return handle


async def silence(*_: object) -> None:
    await asyncio.Event().wait()


FAULTS: dict[str, tuple[Handler, type[BronzeError], int, str]] = {
    "closed unanswered": (after_two_pages(None), RetryError, 5, "without an answer"),
    "body cut, with length": (
        cut(HEAD + b'Content-Length: 99\r\n\r\n[{"id": 3}'),
        RetryError,
        5,
        "the body was cut off",
    ),
    "body cut, without length": (
        cut(HEAD + b'Connection: close\r\n\r\n[{"id": 3}, {"i'),
        RetryError,
        5,
        "the connection ended",
    ),
    "length too large": (
        cut(HEAD + b"Content-Length: 11\r\n\r\n[]"),
        RetryError,
        5,
        "the body was cut off",
    ),
    "length too small": (
        cut(HEAD + b'Content-Length: 5\r\n\r\n[{"id": 3}]'),
        ExtractError,
        1,
        "",
    ),
    "chunks cut": (
        cut(HEAD + b'Transfer-Encoding: chunked\r\n\r\n5\r\n[{"id\r\n5\r\n'),
        RetryError,
        5,
        "the body was cut off",
    ),
    "gzip cut": (
        after_two_pages(framed(CUT_GZIP, Content_Encoding="gzip")),
        RetryError,
        5,
        "gzip stream was cut off",
    ),
    "gzip with garbage behind it": (
        after_two_pages(framed(gzip.compress(b"[]") + b"x" * 20, Content_Encoding="gzip")),
        ExtractError,
        1,
        "no valid gzip",
    ),
    "said to be gzip": (
        after_two_pages(framed(b"[]", Content_Encoding="gzip")),
        ExtractError,
        1,
        'set Accept-Encoding = "identity"',
    ),
    "gzip bomb": (
        after_two_pages(framed(gzip.compress(bytes(80 * 1024**2)), Content_Encoding="gzip")),
        ExtractError,
        1,
        "as only a bomb does",
    ),
    "zstd cut": (
        after_two_pages(framed(b"\x28\xb5\x2f\xfd", Content_Encoding="zstd")),
        RetryError,
        5,
        "zstd stream was cut off",
    ),
    "br unasked": (
        after_two_pages(framed(b"\x0b\x00[]\x03", Content_Encoding="br")),
        ExtractError,
        1,
        "compressed with 'br'",
    ),
    "deflate unasked": (
        after_two_pages(framed(zlib.compress(b"[]"), Content_Encoding="deflate")),
        ExtractError,
        1,
        "compressed with 'deflate'",
    ),
    "invalid JSON": (after_two_pages(framed(b'[{"id": 3,}]')), ExtractError, 1, "no valid JSON"),
    "no number": (after_two_pages(framed(b'[{"id": NaNs}]')), ExtractError, 1, "no valid JSON"),
    "HTML": (after_two_pages(framed(b"\n<!doctype html>")), ExtractError, 1, "HTML"),
    "empty body": (after_two_pages(framed(b"")), ExtractError, 1, "empty"),
    "deep JSON": (after_two_pages(framed(DEEP)), ExtractError, 1, "nested too deeply"),
    "an object": (after_two_pages(answer({"items": []})), PageError, 1, '"items"'),
    "a null": (after_two_pages(answer(None)), PageError, 1, "null"),
    "400": (after_two_pages(answer({"message": "no"}, status=400)), ExtractError, 1, "400: no"),
    "404": (after_two_pages(answer({}, status=404)), ExtractError, 1, "not found"),
    "409": (after_two_pages(answer({}, status=409)), ExtractError, 1, "409"),
    "422": (
        after_two_pages(answer({"errors": [{"detail": "bad since"}]}, status=422)),
        ExtractError,
        1,
        "422: bad since",
    ),
    "401": (after_two_pages(answer({}, status=401)), AuthError, 1, "no auth is configured"),
    "403": (after_two_pages(answer({}, status=403)), AuthError, 1, "403"),
    "304": (after_two_pages(answer(body=b"", status=304)), ExtractError, 1, "304"),
    "500": (after_two_pages(answer({}, status=500)), RetryError, 5, "500"),
    "503": (after_two_pages(answer({}, status=503)), RetryError, 5, "503"),
    "408": (after_two_pages(answer({}, status=408)), RetryError, 5, "408"),
    "header too large": (
        after_two_pages(answer([], headers={"X-Large": "x" * 70_000})),
        ExtractError,
        1,
        "header",
    ),
    "no HTTP": (cut(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), ExtractError, 1, "no HTTP"),
    "bad header": (
        cut(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n[]"),
        ExtractError,
        1,
        "no HTTP",
    ),
    "identical page": (
        after_two_pages(answer([{"id": 2}])),
        PageError,
        1,
        "identical to the page before",
    ),
    "redirect loop": (
        after_two_pages(answer(body=b"", status=302, headers={"Location": "/x?page=3"})),
        ExtractError,
        6,
        "redirects more than 5 times",
    ),
    "redirect nowhere": (
        after_two_pages(answer(body=b"", status=302, headers={"Location": "ftp://x/"})),
        ExtractError,
        1,
        "redirects to what is no URL",
    ),
}
