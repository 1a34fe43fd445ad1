"""An API in a process of its own that answers windows: ten pages of twenty records each.

Prints its port, then serves until its input is closed. `/orders?since=…&until=…&page=N` is a page
of a window, `/seen` what was asked for since it was asked last: the windows' beginnings and the
pages, in order.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

PAGES = 10
ROWS = 20


def page(since: str, number: int) -> dict[str, object]:
    low = datetime.fromisoformat(since)
    first = (number - 1) * ROWS
    rows = [
        {
            "id": f"{since} {at}",
            "amount": at / 8,
            "updated_at": (low + timedelta(seconds=at + 1)).isoformat(),
        }
        for at in range(first, first + ROWS)
    ]
    return {"items": rows, "total": PAGES * ROWS}


async def serve() -> None:
    seen: list[tuple[str, int]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                url = urlsplit(head.split(b" ", 2)[1].decode())
                query = {name: values[0] for name, values in parse_qs(url.query).items()}
                answer: object
                if url.path == "/seen":
                    answer = list(seen)
                    seen.clear()
                else:
                    number = int(query.get("page", 1))
                    seen.append((query["since"], number))
                    answer = page(query["since"], number)
                body = json.dumps(answer).encode()
                length = str(len(body)).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                    + length
                    + b"\r\n\r\n"
                    + body
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
