"""Records to lines, lines to blocks, and members spliced into every record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from bronze_engine.errors import PageError
from bronze_engine.sources.http.body.raw import members_of, one_line
from bronze_engine.sources.http.body.split import BadRecord, Lines

__all__ = ["BLOCK_BYTES", "NO_MEMBERS", "Members", "cut_around", "cut_blocks", "gathered", "splice"]

BLOCK_BYTES: Final = 4 * 1024**2
"""About how large a block may be; larger pages are cut at record ends."""


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


def splice(data: bytes, members: Members) -> bytes:
    """Lines of JSON with `members` behind those of each record that is an object.

    Raises PageError where the first record or the last has a key of the same name: two values
    can't share one column. Where another one has, the key then stands twice in it, and the
    decoder rejects it for that. What is no object stays as it is, for the decoder to judge.
    """
    if not members.names or not data:
        return data
    lines = data.split(b"\n")
    del lines[-1]
    for line in (lines[0], lines[-1]):
        _refuse_taken(line, members.names)
    # The usual case: every line is an object that has members.
    if {line[:2] for line in lines} == {b'{"'} and {line[-1:] for line in lines} == {b"}"}:
        end = b"," + members.text + b"}\n"
        return end.join([line[:-1] for line in lines]) + end
    return b"".join([_spliced(line, members.text) + b"\n" for line in lines])


def _spliced(line: bytes, text: bytes) -> bytes:
    record = line.strip()
    if not (record.startswith(b"{") and record.endswith(b"}")):
        return line
    inner = record[1:-1].rstrip()
    return b"{" + inner + b"," + text + b"}" if inner else b"{" + text + b"}"


def _refuse_taken(line: bytes, names: Sequence[str]) -> None:
    try:
        keys = members_of(line) or {}
    except (msgspec.DecodeError, RecursionError):
        return  # for the decoder to refuse
    for name in names:
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


def cut_around(rows: Sequence[bytes | BadRecord]) -> Iterator[Lines]:
    """Lines of about BLOCK_BYTES that end where a record is bad, so that places stay right."""
    held: list[bytes] = []
    bad: list[BadRecord] = []
    size = start = 0
    for place, row in enumerate(rows):
        if isinstance(row, BadRecord):
            bad.append(row)
            continue
        if bad or size >= BLOCK_BYTES:
            yield Lines(b"\n".join([*held, b""]) if held else b"", len(held), start, bad=tuple(bad))
            held, bad, size, start = [], [], 0, place
        held.append(row)
        size += len(row) + 1
    if held or bad:
        yield Lines(b"\n".join([*held, b""]) if held else b"", len(held), start, bad=tuple(bad))


def gathered(pieces: Sequence[Lines]) -> Iterator[Lines]:
    """The lines of several lists in blocks of about BLOCK_BYTES."""
    held: list[Lines] = []
    size = offset = 0
    for number, lines in enumerate(pieces, 1):
        held.append(lines)
        size += len(lines.data)
        if size < BLOCK_BYTES and number < len(pieces) and not lines.bad:
            continue
        records = sum(each.records for each in held)
        originals: list[bytes] | None = None
        if any(each.originals is not None for each in held):
            originals = []
            for each in held:
                originals += each.originals or each.data.split(b"\n")[:-1]
        yield Lines(
            b"".join([each.data for each in held]),
            records,
            offset,
            None if originals is None else tuple(originals),
            lines.bad,
        )
        offset += records + len(lines.bad)
        held, size = [], 0
