"""Records to lines, lines to blocks, and members spliced into every record."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from bronze_engine.errors import PageError
from bronze_engine.sources.http.body.raw import one_line
from bronze_engine.sources.http.body.split import Lines

__all__ = ["BLOCK_BYTES", "NO_MEMBERS", "Members", "cut_blocks", "splice"]

BLOCK_BYTES: Final = 4 * 1024**2
"""About how large a block may be; larger pages are cut at record ends."""

_EMPTY_OBJECT: Final = re.compile(rb"\{[ \t\r]*\}\n")


class Members(msgspec.Struct, frozen=True):
    """Members put into every record of a page or of a chain, their values byte for byte."""

    names: tuple[str, ...] = ()
    text: bytes = b""
    """Between an object's braces: `"a":1,"b":"x"`, on one line."""

    @classmethod
    def of(cls, values: Mapping[str, bytes | msgspec.Raw]) -> Members:
        """Of JSON values by their names."""
        pairs = (msgspec.json.encode(name) + b":" + one_line(v) for name, v in values.items())
        return cls(tuple(values), b",".join(pairs))

    def __add__(self, other: Members) -> Members:
        if not other.names or not self.names:
            return self if self.names else other
        return Members(self.names + other.names, self.text + b"," + other.text)


NO_MEMBERS: Final = Members()


def splice(data: bytes, records: int, members: Members) -> bytes:
    """Lines of JSON with `members` behind those of each record that is an object.

    One pass at the speed of a copy. Raises PageError where a record has a key of the same
    name: two values can't share one column. What is no object stays as it is, for the
    decoder to judge.
    """
    if not members.names:
        return data
    for name in members.names:
        _refuse_taken(data, name)
    if data.count(b"}\n") == records and _EMPTY_OBJECT.search(data) is None:
        return data.replace(b"}\n", b"," + members.text + b"}\n")
    lines = data.split(b"\n")[:-1]
    return b"".join([_spliced(line, members.text) + b"\n" for line in lines])


def _spliced(line: bytes, text: bytes) -> bytes:
    record = line.strip()
    if not (record.startswith(b"{") and record.endswith(b"}")):
        return line
    inner = record[1:-1].rstrip()
    return b"{" + inner + b"," + text + b"}" if inner else b"{" + text + b"}"


def _refuse_taken(data: bytes, name: str) -> None:
    key = msgspec.json.encode(name)
    if key not in data:  # one written with escapes is the decoder's to refuse: a key twice
        return
    for line in data.split(b"\n"):
        if key not in line:
            continue
        try:
            keys = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        except msgspec.DecodeError:
            continue  # no object, or for the decoder to refuse
        if name in keys:
            raise PageError(
                f'the records have a key "{name}" of their own, and a column of that name is '
                "to be joined to them; give the joined column another name"
            )


def cut_blocks(raws: Sequence[msgspec.Raw | bytes], size_bytes: int) -> Iterator[Lines]:
    """Records that hold no line break, `size_bytes` in all or less, as lines of BLOCK_BYTES."""
    if not raws:
        return
    if size_bytes <= BLOCK_BYTES:
        yield Lines(b"\n".join([*raws, b""]), len(raws), 0)
        return
    start = size = 0
    for end, raw in enumerate(raws, 1):
        size += memoryview(raw).nbytes + 1
        if size >= BLOCK_BYTES or end == len(raws):
            yield Lines(b"\n".join([*raws[start:end], b""]), end - start, start)
            start, size = end, 0
