"""Newline-delimited JSON: cut at its line ends, not parsed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from bronze_engine.errors import ExtractError
from bronze_engine.sources.http.body.blocks import BLOCK_BYTES
from bronze_engine.sources.http.body.masked import masked

__all__ = ["ndjson_lines"]

_BLANK: Final = b" \t\r"
_OTHER: Final = re.compile(rb"\n[^{]")


def ndjson_lines(body: bytes | bytearray) -> Iterator[tuple[bytes, int]]:
    """The lines of a body in pieces of about BLOCK_BYTES, and how many there are in each.

    JSON allows no bare line break within a value, so every line is one record; blank lines
    are none. What a line holds is the decoder's to judge. Raises ExtractError where the last
    line has no end and is no whole value: a body that was cut off.
    """
    if not body:
        return
    last = body[body.rfind(b"\n") + 1 :]
    if last.strip():
        _refuse_cut(bytes(last))
        body = body + b"\n"
    for piece in _pieces(body):
        data = piece.replace(b"\r\n", b"\n") if b"\r" in piece else piece
        lines = data.count(b"\n")
        # The usual case is told by one search: every line begins an object.
        if not data.startswith(b"{") or _OTHER.search(data) is not None:
            rows = [row for row in data.split(b"\n") if row.strip(_BLANK)]
            data, lines = b"\n".join([*rows, b""]), len(rows)
        if lines:
            yield data, lines


def _pieces(body: bytes | bytearray) -> Iterator[bytes]:
    start = 0
    while start < len(body):
        end = len(body)
        if end - start > BLOCK_BYTES:
            end = body.find(b"\n", start + BLOCK_BYTES - 1) + 1 or end
        yield bytes(body[start:end])
        start = end


def _refuse_cut(last: bytes) -> None:
    try:
        msgspec.json.decode(masked(last) or last, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        raise ExtractError(
            "the last line has no end and is no whole JSON value: the body was cut off"
        ) from None
