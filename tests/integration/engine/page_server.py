"""An API in a process of its own: pages of 1,000 records each, and a gzip bomb.

Prints its port, then serves until its input is closed. `/orders?page=N&last=M` is page N of
M, `/small` the same with 10 records each; `/bomb` is a gzip body that would be 1 GiB of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import zlib
from urllib.parse import parse_qs, urlsplit

RECORDS = 1000
FEW = 10
_MARK = b"7777777"
_BOMB_BYTES = 1024**3


def template(records: int = RECORDS) -> bytes:
    """A page whose every id contains the mark; 340 bytes a record."""
    rows = [
        {
            "id": int(_MARK) * RECORDS + at,
            "customer": f"customer {at % 97}",
            "email": f"someone.{at}@mail.example",
            "amount": at / 8,
            "currency": "EUR" if at % 3 else "USD",
            "paid": at % 2 == 0,
            "updated_at": f"2025-01-15T10:{at % 60:02}:00Z",
            "note": "x" * 120,
            "address": {"street": f"Street {at}", "city": "Berlin", "zip": f"{at:05}"},
        }
        for at in range(records)
    ]
    return json.dumps({"items": rows}).encode()


def bomb() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    chunk = b" " * 1024**2
    parts = [packer.compress(b'{"items": [')]
    parts += [packer.compress(chunk) for _ in range(_BOMB_BYTES // len(chunk))]
    return b"".join([*parts, packer.compress(b"]}"), packer.flush()])


def body_of(target: str, page: bytes, few: bytes) -> tuple[bytes, bool]:
    url = urlsplit(target)
    if url.path == "/bomb":
        return bomb(), True
    query = {name: int(values[0]) for name, values in parse_qs(url.query).items()}
    number = query.get("page", 1)
    if number > query["last"]:
        return b'{"items": []}', False
    # The mark times 1,000 plus a number: only its own digits change.
    chosen = few if url.path == "/small" else page
    return chosen.replace(_MARK, b"%07d" % (1_000_000 + number)), False


async def main() -> None:
    page, few = template(), template(FEW)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body, is_gzip = body_of(head.split(b" ", 2)[1].decode(), page, few)
                coding = b"Content-Encoding: gzip\r\n" if is_gzip else b""
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    + coding
                    + b"Content-Length: %d\r\n\r\n" % len(body)
                    + body
                )
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201  # its first line
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
