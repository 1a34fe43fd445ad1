"""A Redis server by its URL, as [engine] limits names it."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from bronze_engine.config.units import Secret

__all__ = ["UNTOLD_PROCESSES", "RedisAddress", "parse_redis_url"]

UNTOLD_PROCESSES: Final = 10
"""Where nobody has said how many there are: being slow hurts us, being too quick the server."""
_PORT: Final = 6379
_DATABASE = re.compile(r"/?|/[0-9]{1,5}")
_PROCESSES = re.compile(r"[1-9][0-9]{0,5}")


class RedisAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a Redis server is, and how it is met."""

    host: str
    port: int = _PORT
    database: int = 0
    user: str | None = None
    password: Secret | None = None
    is_tls: bool = False
    """Certificates are always verified."""
    processes: int = UNTOLD_PROCESSES
    """How many share the limits, for as long as the server was never reached."""

    def __str__(self) -> str:
        scheme = "rediss" if self.is_tls else "redis"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}/{self.database}"


def parse_redis_url(text: str) -> RedisAddress:
    """The address that a URL means: `redis[s]://[user:password@]host[:port][/database]`.

    Raises ValueError; its text goes on after "limits" and holds nothing of the URL that may be
    secret.
    """
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError("is no URL; in a password write / as %2F, # as %23, ? as %3F") from None
    if url.scheme not in ("redis", "rediss"):
        raise ValueError("has another scheme; write redis://host:6379/0, or rediss:// for TLS")
    if not url.hostname:
        raise ValueError("has no host; write redis://host:6379/0")
    if _DATABASE.fullmatch(url.path) is None:
        raise ValueError("has a path that is no number of a database; write redis://host:6379/0")
    if url.fragment or "@" in url.netloc.rpartition("@")[0]:
        raise ValueError("has a # or a second @; in a password write them as %23 and %40")
    return RedisAddress(
        host=unquote(url.hostname),
        port=port or _PORT,
        database=int(url.path.removeprefix("/") or 0),
        user=unquote(url.username) if url.username else None,
        password=Secret(unquote(url.password)) if url.password else None,
        is_tls=url.scheme == "rediss",
        processes=_processes(url.query),
    )


def _processes(query: str) -> int:
    found = parse_qsl(query, keep_blank_values=True)
    if any(name != "processes" for name, _ in found):
        raise ValueError("has an unknown parameter; known is ?processes=n")
    if len(found) > 1 or (query and not found):
        raise ValueError("has more after the ? than processes=n")
    if found and _PROCESSES.fullmatch(found[0][1]) is None:
        raise ValueError("has processes that are no number from 1 on")
    return int(found[0][1]) if found else UNTOLD_PROCESSES
