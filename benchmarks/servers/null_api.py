"""A paged API that costs next to nothing, on loopback: candidates are measured, and not this.

    python -m benchmarks.servers.null_api --records 100000 --latency-ms 20

answers GET /orders?page=&page_size= with {"data": [...], "total": n} as the demo API does,
about ten times cheaper: each page is made once, and a request is looked at by one regular
expression. It prints its URL and serves until its input is closed. GET /-/peak tells, and
forgets, how many requests were in flight at most and how many there were.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from benchmarks.servers.connection import Connection, serve_connections, whole
from benchmarks.servers.process import serve
from bronze_engine.demo.api import BEARER_TOKEN
from bronze_engine.demo.data import Table, orders

__all__ = ["SEED", "NullApi"]

SEED: Final = 1

_NUMBERS: Final = re.compile(rb"[?&](page|page_size)=(\d+)")
_TOKEN: Final = re.compile(rb"\r\nauthorization: *Bearer " + BEARER_TOKEN.encode(), re.IGNORECASE)


class NullApi:
    """The server as a child process. Its CPU is its own, and is not counted."""

    def __init__(self, url: str) -> None:
        self.url = url

    @classmethod
    @contextmanager
    def start(cls, *, records: int, latency_ms: float) -> Iterator[NullApi]:
        arguments = (f"--records={records}", f"--latency-ms={latency_ms}")
        with serve("benchmarks.servers.null_api", *arguments) as url:
            yield cls(url)

    def peak(self) -> dict[str, int]:
        """{"in_flight": the most at once, "requests": all} since the last call."""
        with urllib.request.urlopen(f"{self.url}/-/peak") as answer:  # noqa: S310  # loopback
            found: dict[str, int] = json.load(answer)
        return found


class _Pages:
    """Whole answers, made when they are first asked for."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._made: dict[tuple[int, int], bytes] = {}

    def answer(self, page: int, size: int) -> bytes:
        made = self._made.get((page, size))
        if made is None:
            total = len(self._table)
            start = min((page - 1) * size, total)
            rows = self._table.array(start, start + size)
            body = b"".join((b'{"data":', *rows, b',"total":%d}' % total))
            made = self._made[page, size] = whole(body)
        return made


class _Counts:
    """Requests, over all connections."""

    def __init__(self) -> None:
        self.in_flight = self.peak = self.requests = 0

    def began(self) -> None:
        self.requests += 1
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)

    def take(self) -> bytes:
        text = json.dumps({"in_flight": self.peak, "requests": self.requests}).encode()
        self.peak = self.requests = 0
        return text


class _Api:
    """What it makes of each request."""

    def __init__(self, pages: _Pages, latency_seconds: float) -> None:
        self._pages = pages
        self._counts = _Counts()
        self._latency_seconds = latency_seconds

    def asked(self, connection: Connection, target: bytes, head: bytes) -> None:
        if target == b"/-/peak":
            connection.send(whole(self._counts.take()))
            return
        if _TOKEN.search(head) is None:
            connection.send(whole(b"{}", b"401 Unauthorized"))
            return
        numbers = dict(_NUMBERS.findall(target))
        page, size = int(numbers.get(b"page", 1)), int(numbers.get(b"page_size", 100))
        self._counts.began()
        if self._latency_seconds:
            loop = asyncio.get_running_loop()
            loop.call_later(self._latency_seconds, self._answer, connection, page, size)
        else:
            self._answer(connection, page, size)

    def _answer(self, connection: Connection, page: int, size: int) -> None:
        self._counts.in_flight -= 1
        connection.send(self._pages.answer(page, size))


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.servers.null_api", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    options = parser.parse_args()
    api = _Api(_Pages(orders(options.records, SEED)), options.latency_ms / 1000)
    asyncio.run(serve_connections(api.asked))


if __name__ == "__main__":
    main()
