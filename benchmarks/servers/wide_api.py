"""An API of wide records, in a process of its own: 200 columns of mixed types, some 4 KB each.

Prints its port, then serves until its input is closed. `/wide?page=N&last=M` is page N of M, of
250 records; beyond the last it is empty.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

__all__ = ["COLUMNS", "RECORDS"]

COLUMNS: Final = 200
RECORDS: Final = 250
_MARK: Final = b"7777777"


def value(column: int, at: int) -> Any:
    """Of one column, by its kind: a fifth each of integers, doubles, texts, instants, truths."""
    match column % 5:
        case 0:
            return at * 1009 + column
        case 1:
            return (at * 7919 + column * 31) / 128
        case 2:
            return f"value {(at * 31 + column) % 997} of a text column"
        case 3:
            return f"2025-01-{1 + (at + column) % 28:02}T10:{at % 60:02}:{column % 60:02}Z"
        case _:
            return (at + column) % 3 == 0


def template() -> bytes:
    """A page whose every id contains the mark."""
    rows = []
    for at in range(RECORDS):
        row: dict[str, Any] = {"id": int(_MARK) * 1000 + at, "country": f"country {at % 25}"}
        row |= {f"c{column:03}": value(column, at) for column in range(COLUMNS - 2)}
        rows.append(row)
    return json.dumps(rows).encode()


async def main() -> None:
    page = template()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                query = parse_qs(urlsplit(head.split(b" ", 2)[1].decode()).query)
                number, last = int(query["page"][0]), int(query["last"][0])
                body = b"[]"
                if number <= last:
                    body = page.replace(_MARK, b"%07d" % (1_000_000 + number))
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n" % len(body) + body
                )
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
