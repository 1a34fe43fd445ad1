"""A JSON body: where its records and its control fields are.

The body is read once: a decoder made for the paths that the pipeline names cuts the records
and the few control fields out of it in one pass. Where the body has another shape than that,
it is walked again level by level, to be exact about what is there instead.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import final

import msgspec
import pyarrow as pa

from bronze_engine.errors import ExtractError, PageError
from bronze_engine.sources.http.body.masked import masked
from bronze_engine.sources.http.body.onepass import OnePass, Path
from bronze_engine.sources.http.body.raw import Body, find, kind_of, members_of, named

__all__ = ["Document"]


@final
class Document:
    """Finds the records and the control fields of JSON bodies.

    Paths are dotted names of object members; a member of the body whose own name is the
    whole path, dots included, goes before (OData's "@odata.nextLink"). `records` None means
    that the body itself is the list.
    """

    def __init__(self, records: str | None, fields: Sequence[str] = ()) -> None:
        self._records = tuple(records.split(".")) if records is not None else ()
        self._fields = {path: _readings(path) for path in fields}
        lists = _readings(records) if records is not None else [()]
        self._one_pass = OnePass(lists, self._fields)

    def find(
        self, body: bytes | bytearray
    ) -> tuple[list[msgspec.Raw] | None, dict[str, msgspec.Raw]]:
        """The records, None where null stands in their place, and the fields that are there.

        Records with a lone surrogate, NaN or an infinity are cut out like all others: the
        decoder judges them one by one. Raises ExtractError where the body is otherwise no
        JSON, or nested too deeply, and PageError where the records are not at their path.
        """
        try:
            try:
                raws, fields = self._read(body)
                self._refuse_two_lists(body, raws)
            except msgspec.DecodeError:
                harmless = masked(body)
                if harmless is None:
                    raise
                raws, fields = self._read_masked(body, harmless)
        except RecursionError:
            raise ExtractError(
                "the body is nested too deeply to be read; check `path` and `records`"
            ) from None
        except msgspec.DecodeError as exc:
            raise ExtractError(_no_json(body, exc)) from None
        return raws, fields

    @property
    def where(self) -> str:
        """The place of the records, for messages."""
        return f'"{".".join(self._records)}"' if self._records else "the body itself"

    def _read(self, body: Body) -> tuple[list[msgspec.Raw] | None, dict[str, msgspec.Raw]]:
        found = self._one_pass.read(body)
        return self._walk(body) if found is None else found

    def _read_masked(
        self, body: bytes | bytearray, harmless: bytes
    ) -> tuple[list[msgspec.Raw] | None, dict[str, msgspec.Raw]]:
        """`_read` of a body whose bad tokens are masked, with its own bytes in the result."""
        begin = pa.py_buffer(harmless).address
        raws, fields = self._read(harmless)
        self._refuse_two_lists(harmless, raws)

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

    def _walk(self, body: Body) -> tuple[list[msgspec.Raw] | None, dict[str, msgspec.Raw]]:
        """The same level by level: slower, and exact about what is missing."""
        value: Body = msgspec.json.decode(body, type=msgspec.Raw)
        whole = find(value, (".".join(self._records),))
        names = self._records if whole is None else ()
        value = value if whole is None else whole
        for depth, name in enumerate(names):
            members = members_of(value)
            above = ".".join(self._records[:depth])
            if members is None:
                place = f'"{above}"' if above else "the body"
                raise PageError(
                    f'the records path "{".".join(self._records)}" leads through {place}, '
                    f"which is {kind_of(value)}; set `records` to the path of the list"
                )
            if name not in members:
                place = f'"{above}"' if above else "the body"
                raise PageError(
                    f'no "{name}" in {place}, where `records` looks for it; '
                    f"there are {named(members)}"
                )
            value = members[name]
        kind = kind_of(value)
        if kind not in ("a list", "null"):
            members = members_of(value) or {}
            hint = f" with {named(members)}" if members else ""
            raise PageError(
                f"the records ({self.where}) are {kind}{hint}, not a list; "
                "set `records` to the path of the list"
            )
        raws = msgspec.json.decode(value, type=list[msgspec.Raw]) if kind == "a list" else None
        found = {}
        for path, readings in self._fields.items():
            for at in readings:
                if (raw := find(body, at)) is not None:
                    found[path] = raw
                    break
        return raws, found


def _readings(path: str) -> list[Path]:
    """The members that a path may mean, in the order in which they are looked for."""
    return [(path,), tuple(path.split("."))] if "." in path else [(path,)]


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
