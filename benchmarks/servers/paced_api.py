"""A paged API with a bottleneck of its own, on loopback, for what finds bottlenecks.

    python -m benchmarks.servers.paced_api --latency-ms 50 --at-once 16

answers GET /rows?page=&size= with {"data": [...], "total": 1000000000}, each page after
`--latency-ms`, so many at once (`--at-once`; others wait their turn), at most `--max-size`
records whatever is asked for, and 429 beyond `--per-second` requests (a token bucket of one
second). Records have an id and `--columns` more. It prints its URL and serves until its input is
closed. GET /-/told says how many pages were answered, and how many requests refused.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
import urllib.request
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from benchmarks.servers.connection import Connection, serve_connections, whole
from benchmarks.servers.process import serve

__all__ = ["PacedApi"]

_NUMBERS: Final = re.compile(rb"[?&](page|size)=(\d+)")
_MARK: Final = b"7777777"
_TOTAL: Final = 10**9


class PacedApi:
    """The server as a child process."""

    def __init__(self, url: str) -> None:
        self.url = url

    @classmethod
    @contextmanager
    def start(cls, **options: float) -> Iterator[PacedApi]:
        """`options` as on its command line: latency_ms=50."""
        words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        with serve("benchmarks.servers.paced_api", *words) as url:
            yield cls(url)

    def told(self) -> dict[str, int]:
        """{"good": pages, "refused": 429s} since it began."""
        with urllib.request.urlopen(f"{self.url}/-/told") as answer:  # noqa: S310  # loopback
            found: dict[str, int] = json.load(answer)
        return found


def _record(at: int, columns: int) -> dict[str, Any]:
    row: dict[str, Any] = {"id": int(_MARK) * 10_000 + at}
    for column in range(columns):
        kinds = (at * 1009 + column, (at * 7919 + column) / 128, f"text {(at * 31 + column) % 997}")
        row[f"c{column:02}"] = kinds[column % 3]
    return row


class _Server:
    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._pages: dict[int, bytes] = {}
        self._tokens = options.per_second
        self._filled_at = time.monotonic()
        self._busy = 0
        self._waiting: deque[tuple[Connection, bytes]] = deque()
        self.good = self.refused = 0

    def asked(self, connection: Connection, target: bytes, _head: bytes) -> None:
        if target == b"/-/told":
            connection.send(whole(json.dumps(vars_of(self)).encode()))
        elif not self._admits():
            self.refused += 1
            connection.send(whole(b"{}", b"429 Too Many Requests"))
        elif self._options.at_once and self._busy >= self._options.at_once:
            self._waiting.append((connection, target))
        else:
            self._begin(connection, target)

    def _begin(self, connection: Connection, target: bytes) -> None:
        self._busy += 1
        if self._options.latency_ms:
            delay = self._options.latency_ms / 1000
            asyncio.get_running_loop().call_later(delay, self._answer, connection, target)
        else:
            self._answer(connection, target)

    def _answer(self, connection: Connection, target: bytes) -> None:
        self._busy -= 1
        numbers = dict(_NUMBERS.findall(target))
        size = min(int(numbers.get(b"size", 100)), self._options.max_size)
        self.good += 1
        connection.send(
            whole(self._page(size).replace(_MARK, b"%07d" % (1_000_000 + int(numbers[b"page"]))))
        )
        if self._waiting:
            self._begin(*self._waiting.popleft())

    def _page(self, size: int) -> bytes:
        made = self._pages.get(size)
        if made is None:
            rows = [_record(at, self._options.columns) for at in range(size)]
            made = json.dumps({"data": rows, "total": _TOTAL}).encode()
            self._pages[size] = made
        return made

    def _admits(self) -> bool:
        rate, now = self._options.per_second, time.monotonic()
        if not rate:
            return True
        self._tokens = min(rate, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def vars_of(server: _Server) -> dict[str, int]:
    return {"good": server.good, "refused": server.refused}


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.servers.paced_api", description=__doc__)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--at-once", type=int, default=0)
    parser.add_argument("--per-second", type=float, default=0.0)
    parser.add_argument("--max-size", type=int, default=1000)
    parser.add_argument("--columns", type=int, default=5)
    asyncio.run(serve_connections(_Server(parser.parse_args()).asked))


if __name__ == "__main__":
    main()
