"""Many small APIs in one process, one port each; the last two may hang, and fail for ever.

    python -m benchmarks.servers.many_apis 50 [hang] [fail]

prints the ports as JSON, then serves until its input is closed. Each request is answered by
the same page of 100 records, without latency.
"""

from __future__ import annotations

import asyncio
import json
import sys

_RECORDS = 100


def page() -> bytes:
    rows = [
        {"id": at, "customer": f"customer {at % 97}", "amount": at / 8, "paid": at % 2 == 0}
        for at in range(_RECORDS)
    ]
    return json.dumps(rows).encode()


def answer_of(status: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


async def serve(answer: bytes | None) -> int:
    """Listen; returns the port. Without an answer a request is read, and that is all."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                if answer is not None:
                    writer.write(answer)
                    await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, backlog=512)
    port: int = server.sockets[0].getsockname()[1]
    return port


async def main(count: int, *troubles: str) -> None:
    good, bad = answer_of(b"200 OK", page()), answer_of(b"500 Internal Server Error", b"")
    ports = [await serve(good) for _ in range(count)]
    ports += [await serve(None if trouble == "hang" else bad) for trouble in troubles]
    print(json.dumps(ports), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
