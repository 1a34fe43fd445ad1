"""Connection strings of PostgreSQL, in both of libpq's forms.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

__all__ = ["parse_dsn"]

KNOWN: Final = frozenset(
    {"host", "port", "dbname", "user", "password", "passfile", "sslmode", "sslrootcert"}
    | {"sslcert", "sslkey", "application_name", "connect_timeout", "options"}
    | {"target_session_attrs"}
)

_NO_EFFECT: Final = {
    "gssencmode": ("disable", "prefer"),
    "channel_binding": ("disable", "prefer"),
    "sslsni": ("1",),
    "sslnegotiation": ("postgres",),
    "client_encoding": ("auto", "utf8", "UTF8"),
    "keepalives": ("1",),
}
"""Parameters that vendors print, and their values that say what is done anyway."""

_URI: Final = re.compile(
    r"postgres(?:ql)?://(?:(?P<credentials>[^@/?]*)@)?(?P<hosts>[^/?]*)"
    r"(?:/(?P<database>[^?]*))?(?:\?(?P<parameters>.*))?",
    re.DOTALL,
)
_HOST: Final = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>[^:]*))?")
_PAIR: Final = re.compile(
    r"\s*(?P<key>[^\s=]+)\s*=\s*(?:'(?P<quoted>(?:[^'\\]|\\.)*)'|(?P<plain>(?:[^\s'\\]|\\.)*))(?=\s|$)",
    re.DOTALL,
)


def parse_dsn(text: str) -> dict[str, str]:
    """The parameters of a connection string, by libpq's names.

    `host` and `port` are lists with commas where there are several. Raises ValueError for what
    is no connection string, and for a parameter without effect here; its text repeats neither
    the string nor a value that may be secret.
    """
    is_uri = text.startswith(("postgresql://", "postgres://"))
    found: dict[str, str] = {}
    for key, value in _of_uri(text) if is_uri else _of_pairs(text):
        if (key, value) == ("ssl", "true"):  # JDBC's, which libpq knows too
            key, value = "sslmode", "require"  # noqa: PLW2901
        if key in KNOWN:
            found[key] = value
        elif key not in _NO_EFFECT:
            # Not which: it may be a piece of a password that was not quoted.
            raise ValueError(f"has an unknown parameter; known are {', '.join(sorted(KNOWN))}")
        elif value not in _NO_EFFECT[key]:
            raise ValueError(
                f"asks for {key}={value}, which can't be kept here; leave it out"
                + ("" if key != "channel_binding" else ': sslmode = "verify-full" protects as well')
            )
    return {key: value for key, value in found.items() if value}


def _of_uri(text: str) -> Iterator[tuple[str, str]]:
    match = _URI.fullmatch(text)
    if match is None:
        raise ValueError("is no URL like postgresql://user:password@host:5432/database")
    if "@" in match["hosts"]:
        raise ValueError("has two @: in a user or password write it as %40")
    user, _, password = (match["credentials"] or "").partition(":")
    yield "user", _decoded(user)
    yield "password", _decoded(password)
    hosts, ports = [], []
    for each in match["hosts"].split(","):
        found = _HOST.fullmatch(each)
        if found is None:
            raise ValueError("has a host that is none; an IPv6 address goes into [brackets]")
        hosts.append(_decoded(found["host"]).strip("[]"))
        ports.append(_decoded(found["port"] or ""))
    yield "host", _joined(hosts)
    yield "port", _joined(ports)
    yield "dbname", _decoded(match["database"] or "")
    for parameter in (match["parameters"] or "").split("&"):
        key, equals, value = parameter.partition("=")
        if parameter and not equals:
            raise ValueError("has a parameter without =")
        if parameter:
            yield _decoded(key), _decoded(value)


def _of_pairs(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while text[at:].strip():
        match = _PAIR.match(text, at)
        if match is None:
            raise ValueError(
                "is neither a URL like postgresql://user:password@host:5432/database nor pairs like"
                " host=db.example.com dbname=shop; a value with a space goes into 'quotes'"
            )
        value = match["plain"] if match["quoted"] is None else match["quoted"]
        yield match["key"], re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
        at = match.end()


def _joined(parts: list[str]) -> str:
    """With commas; nothing where every part is empty."""
    return ",".join(parts) if any(parts) else ""


def _decoded(text: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise ValueError("has a % that begins no %XX; write it as %25")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise ValueError("has %XX that are no UTF-8") from None
