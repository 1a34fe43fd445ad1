"""aiohttp's session as every client of ours wants it: it sends what it is told, once."""

from __future__ import annotations

import ssl
from typing import Final

import aiohttp

__all__ = ["open_session"]

KEEP_SECONDS: Final = 12.0
"""S3 drops idle connections after 20 s; an older one may be gone when it is used."""
HEADER_BYTES: Final = 64 * 1024
HEADERS: Final = 1000
READ_BYTES: Final = 512 * 1024
"""Backpressure begins at twice this; smaller buffers cost a wake-up for each 64 KiB."""

SILENT: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""Headers that aiohttp would add by itself; the caller decides about them."""


def open_session(
    *, timeout: aiohttp.ClientTimeout | None = None, tls: ssl.SSLContext | bool = True
) -> aiohttp.ClientSession:
    """A session without cookies, redirect memory, decompression, or an eye on the environment.

    It sends no request twice. How many are under way at once is the limiter's business.
    Whoever opens it closes it. `timeout` is that of requests that name none.
    """
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=tls, keepalive_timeout=KEEP_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=timeout or aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        trust_env=False,
        skip_auto_headers=SILENT,
        read_bufsize=READ_BYTES,
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
        max_headers=HEADERS,
    )
    # Private, and the reason for aiohttp's pin: it sends what is idempotent by HTTP, a GET and
    # a conditional PUT too, again by itself when a kept-alive connection drops, past our
    # limits and counts.
    session._retry_connection = False  # noqa: SLF001
    return session
