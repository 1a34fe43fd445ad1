"""One page's body: its records, cut apart but not decoded, and its control fields.

Pure and synchronous; runs in a worker. The body is read once: a decoder made for the
paths that the pipeline names cuts the records (1.3 GB/s) and the few control fields out of
it in one pass. Where the body has another shape than that, it is walked again level by
level, to be exact about what is there instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, final

import msgspec
import pyarrow as pa

from bronze_engine.errors import ExtractError, PageError
from bronze_engine.sources.http.body.gunzip import gunzip

__all__ = ["BLOCK_BYTES", "Lines", "Shape", "Split"]

BLOCK_BYTES: Final = 4 * 1024**2
"""About how large a block may be; larger pages are cut at record ends."""

_BOM: Final = b"\xef\xbb\xbf"
_INTEGER: Final = re.compile(rb"-?\d+")
_FIRST: Final = re.compile(rb"[ \t\r\n]*(.?)", re.DOTALL)
_LONGEST_KEY: Final = 60
"""Never cut: half a secret is a text that no redactor knows."""
_BREAKS: Final = bytes.maketrans(b"\r\n", b"  ")
_ODD: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair: one character
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"  # half of one
    rb"|\\.|NaN|Infinity",  # any other escape, so that its backslash begins no other
    re.DOTALL,
)
_SHOWN_KEYS: Final = 12

Body = bytes | bytearray | msgspec.Raw


class Lines(msgspec.Struct, frozen=True):
    """Some records of a page: one a line, each line ended by a newline."""

    data: bytes
    records: int
    offset: int
    """Place of the first of them within the page, from 0."""


class Split(msgspec.Struct, frozen=True):
    """What one page holds."""

    lines: tuple[Lines, ...]
    """Nothing for a page without records."""
    records: int
    fields: dict[str, object]
    """The control fields that are there, by their paths; integers are exact."""

    @property
    def size_bytes(self) -> int:
        return sum(len(lines.data) for lines in self.lines)


@final
class Shape:
    """Where the records and the control fields of a source's pages are.

    Paths are dotted names of object members; a member of the body whose own name is the
    whole path, dots included, goes before (OData's "@odata.nextLink"). `records` None means
    that the body itself is the list. `null_records` says what a null in the list's place
    means.
    """

    def __init__(
        self,
        records: str | None,
        fields: Sequence[str] = (),
        *,
        null_records: Literal["fail", "empty"] = "fail",
    ) -> None:
        self._records = tuple(records.split(".")) if records is not None else ()
        self._fields = {path: _readings(path) for path in fields}
        self._null_records = null_records
        self._lists = _readings(records) if records is not None else [()]
        self._decoder, self._places = _one_pass(
            self._lists,
            [at for readings in self._fields.values() for at in readings],
        )

    def split(self, body: bytes | bytearray) -> Split:
        """Cut a body into its records.

        Records with a lone surrogate, NaN or an infinity are cut out like all others: the
        decoder judges them one by one. Raises ExtractError where the body is otherwise no
        JSON, or nested too deeply, and PageError where the records are not at their path.
        """
        if body.startswith(_BOM):  # noqa: FURB188  # removeprefix copies a bytearray
            body = body[len(_BOM) :]
        raws: Sequence[msgspec.Raw] | None
        try:
            try:
                raws, fields = self._read(body)
                self._refuse_two_lists(body, raws)
            except msgspec.DecodeError:
                masked = _masked(body)
                if masked is None:
                    raise
                raws, fields = self._read_masked(body, masked)
        except RecursionError:
            raise ExtractError(
                "the body is nested too deeply to be read; check `path` and `records`"
            ) from None
        except msgspec.DecodeError as exc:
            raise ExtractError(_no_json(body, exc)) from None
        if raws is None:
            if self._null_records == "fail":
                raise PageError(
                    f"the records ({self._where}) are null; "
                    'set null_records = "empty" if that means none'
                )
            raws = []
        return Split(
            lines=tuple(_lines(raws, body)),
            records=len(raws),
            fields={path: _control(raw) for path, raw in fields.items()},
        )

    def gunzip_and_split(self, chunks: Sequence[bytes], limit_bytes: int) -> Split:
        """`gunzip`, then `split`, in one job."""
        return self.split(gunzip(chunks, limit_bytes))

    def join_and_split(self, chunks: Sequence[bytes]) -> Split:
        """`split` of a body that came in chunks and was not compressed."""
        return self.split(chunks[0] if len(chunks) == 1 else b"".join(chunks))

    @property
    def _where(self) -> str:
        return f'"{".".join(self._records)}"' if self._records else "the body itself"

    def _read(self, body: Body) -> tuple[list[msgspec.Raw] | None, dict[str, msgspec.Raw]]:
        if self._decoder is not None:
            try:
                page = self._decoder.decode(body)
            except msgspec.ValidationError:
                pass
            else:
                raws = self._first(page, self._lists)
                if raws is not msgspec.UNSET:
                    found = ((path, self._first(page, at)) for path, at in self._fields.items())
                    return raws, {path: raw for path, raw in found if raw is not msgspec.UNSET}
        return self._walk(body)

    def _read_masked(
        self, body: bytes | bytearray, masked: bytes
    ) -> tuple[list[msgspec.Raw] | None, dict[str, msgspec.Raw]]:
        """`_read` of a body whose bad tokens are masked, with its own bytes in the result."""
        begin = pa.py_buffer(masked).address
        raws, fields = self._read(masked)
        self._refuse_two_lists(masked, raws)

        def own(raw: msgspec.Raw) -> msgspec.Raw:
            view = pa.py_buffer(raw)
            start = view.address - begin
            return msgspec.Raw(bytes(body[start : start + view.size]))

        own_fields = {path: own(raw) for path, raw in fields.items()}
        return None if raws is None else [own(raw) for raw in raws], own_fields

    def _refuse_two_lists(
        self, body: bytes | bytearray, raws: Sequence[msgspec.Raw] | None
    ) -> None:
        """Refuse an envelope that names the list twice: readers of JSON take one and drop one.

        Only what is left of the body without the records is looked at, so it costs nothing.
        """
        if not self._records:
            return
        if not raws:
            envelope = bytes(body)
        else:
            begin = pa.py_buffer(body).address
            first, last = pa.py_buffer(raws[0]), pa.py_buffer(raws[-1])
            envelope = b"".join(
                (body[: first.address - begin], body[last.address - begin + last.size :])
            )
        names = {".".join(self._records), *self._records}
        if all(envelope.count(b'"%s"' % name.encode()) < 2 for name in names):
            return

        def refuse_twice(pairs: list[tuple[str, object]]) -> None:
            keys = [key for key, _ in pairs]
            twice = next((key for key in keys if key in names and keys.count(key) > 1), None)
            if twice is not None:
                raise PageError(
                    f'"{twice}" stands twice in one object of the body: which of the two holds '
                    "the records is not defined; nothing is read"
                )

        text = envelope.decode(errors="replace")
        # Numbers stay texts: Python's int refuses those of more than 4,300 digits.
        json.loads(text, object_pairs_hook=refuse_twice, parse_int=str, parse_float=str)

    def _first(self, page: Any, readings: Sequence[tuple[str, ...]]) -> Any:
        """What is at the first of these paths that is there; UNSET for nothing."""
        found: Any = msgspec.UNSET
        for at in readings:
            found = _at(page, self._places[at])
            if found is not msgspec.UNSET:
                break
        return found

    def _walk(self, body: Body) -> tuple[list[msgspec.Raw] | None, dict[str, msgspec.Raw]]:
        """The same level by level: slower, and exact about what is missing."""
        value: Body = msgspec.json.decode(body, type=msgspec.Raw)
        whole = _find(value, (".".join(self._records),))
        names = self._records if whole is None else ()
        value = value if whole is None else whole
        for depth, name in enumerate(names):
            members = _members(value)
            above = ".".join(self._records[:depth])
            if members is None:
                place = f'"{above}"' if above else "the body"
                raise PageError(
                    f'the records path "{".".join(self._records)}" leads through {place}, '
                    f"which is {_kind(value)}; set `records` to the path of the list"
                )
            if name not in members:
                place = f'"{above}"' if above else "the body"
                raise PageError(
                    f'no "{name}" in {place}, where `records` looks for it; '
                    f"there are {_names(members)}"
                )
            value = members[name]
        kind = _kind(value)
        if kind not in ("a list", "null"):
            members = _members(value) or {}
            hint = f" with {_names(members)}" if members else ""
            raise PageError(
                f"the records ({self._where}) are {kind}{hint}, not a list; "
                "set `records` to the path of the list"
            )
        raws = msgspec.json.decode(value, type=list[msgspec.Raw]) if kind == "a list" else None
        found = {}
        for path, readings in self._fields.items():
            for at in readings:
                if (raw := _find(body, at)) is not None:
                    found[path] = raw
                    break
        return raws, found


def _readings(path: str) -> list[tuple[str, ...]]:
    """The members that a path may mean, in the order in which they are looked for."""
    return [(path,), tuple(path.split("."))] if "." in path else [(path,)]


def _masked(body: bytes | bytearray) -> bytes | None:
    """The body with harmless tokens of the same length for those that only some readers take.

    None where there are none. A token within a text may be masked too: the result serves
    only to find where records begin and end.
    """
    masked = _ODD.sub(_harmless, body)
    return None if masked == body else masked


def _harmless(token: re.Match[bytes]) -> bytes:
    match token[0]:
        case b"NaN":
            return b"0.0"
        case b"Infinity":
            return b"0.000000"
        case escape if token[1] is not None:
            return b"\\u0020" + escape[6:]
        case escape:
            return escape


def _one_pass(
    records: Sequence[tuple[str, ...]], fields: Sequence[tuple[str, ...]]
) -> tuple[msgspec.json.Decoder[Any] | None, dict[tuple[str, ...], tuple[str, ...]]]:
    """A decoder for exactly these paths, and where in its result each of them is.

    None for the decoder where one path leads through another's end.
    """
    if records == [()]:
        if fields:
            return None, {}
        return msgspec.json.Decoder(list[msgspec.Raw] | None), {(): ()}
    tree: dict[str, Any] = {}
    leaves = [
        *((path, msgspec.Raw) for path in fields),
        *((path, list[msgspec.Raw]) for path in records),
    ]
    for path, leaf in leaves:
        node = tree
        for name in path[:-1]:
            node = node.setdefault(name, {})
            if not isinstance(node, dict):
                return None, {}
        if path[-1] in node and node[path[-1]] is not leaf:
            return None, {}
        node[path[-1]] = leaf
    places: dict[tuple[str, ...], tuple[str, ...]] = {}

    def build(node: dict[str, Any], above: tuple[str, ...], at: tuple[str, ...]) -> Any:
        members: list[tuple[str, Any, Any]] = []
        rename = {}
        for number, (name, below) in enumerate(node.items()):
            field = f"f{number}"
            rename[field] = name
            if isinstance(below, dict):
                kind: Any = build(below, (*above, name), (*at, field)) | None
            else:
                places[(*above, name)] = (*at, field)
                kind = below if below is msgspec.Raw else below | None
            members.append((field, kind | msgspec.UnsetType, msgspec.UNSET))
        return msgspec.defstruct("Page", members, rename=rename)

    return msgspec.json.Decoder(build(tree, (), ())), places


def _at(page: Any, place: tuple[str, ...]) -> Any:
    for name in place:
        page = getattr(page, name, msgspec.UNSET)
        if page is msgspec.UNSET:
            break
    return page


def _find(body: Body, path: tuple[str, ...]) -> msgspec.Raw | None:
    value: Body = body
    for name in path:
        members = _members(value)
        if members is None or name not in members:
            return None
        value = members[name]
    return value if isinstance(value, msgspec.Raw) else None


def _members(value: Body) -> dict[str, msgspec.Raw] | None:
    if _kind(value) != "an object":
        return None
    members: dict[str, msgspec.Raw] = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    return members


def _kind(value: Body) -> str:
    match _FIRST.match(value)[1]:  # type: ignore[index]  # matches any text
        case b"{":
            return "an object"
        case b"[":
            return "a list"
        case b'"':
            return "a text"
        case b"n":
            return "null"
        case b"t" | b"f":
            return "a boolean"
        case _:
            return "a number"


def _names(members: dict[str, msgspec.Raw]) -> str:
    if not members:
        return "no keys at all"
    names = ", ".join(
        f'"{name}"' if len(name) <= _LONGEST_KEY else f"one of {len(name):,} characters"
        for name in list(members)[:_SHOWN_KEYS]
    )
    rest = len(members) - _SHOWN_KEYS
    return f"the keys {names}" + (f" and {rest} more" if rest > 0 else "")


def _control(raw: msgspec.Raw) -> object:
    text = bytes(raw)
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) < 1000 else None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None  # invalid UTF-8: a field that can't be used is one that is not there


def _one_line(raw: msgspec.Raw) -> bytes:
    try:
        return msgspec.json.format(raw, indent=-1)  # digits stay
    except msgspec.DecodeError:  # for the decoder to judge; a line break is between tokens
        return bytes(raw).translate(_BREAKS)


def _lines(raws: Sequence[msgspec.Raw], body: bytes | bytearray) -> Iterator[Lines]:
    # JSON allows line breaks between tokens only, so a body without any needs no second look.
    if body.find(b"\n", 0, -1) >= 0 or body.find(b"\r", 0, -2) >= 0:
        raws = [msgspec.Raw(_one_line(raw)) for raw in raws]
    if len(body) <= BLOCK_BYTES:
        if raws:
            yield Lines(b"\n".join([*raws, b""]), len(raws), 0)
        return
    start = size = 0
    for end, raw in enumerate(raws, 1):
        size += memoryview(raw).nbytes + 1
        if size >= BLOCK_BYTES or end == len(raws):
            yield Lines(b"\n".join([*raws[start:end], b""]), end - start, start)
            start, size = end, 0


def _no_json(body: bytes | bytearray, exc: msgspec.DecodeError) -> str:
    head = bytes(body[:256]).lstrip()
    if not head and not bytes(body).strip():
        return "the body is empty, not JSON; check `path` and the Accept header"
    if head.startswith(b"<"):
        return (
            "the answer is HTML or XML, not JSON: a login or error page, perhaps; "
            "check `base_url` and `path`"
        )
    return f"the body is no valid JSON ({exc})"
