"""A JSON body: where its records and its control fields are.

The body is read once: a decoder made for the paths that the pipeline names cuts the records
and the few control fields out of it in one pass. Where the body has another shape than that,
or a path has wildcards, it is walked level by level instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, final

import msgspec
import pyarrow as pa

from bronze_engine.errors import ExtractError, PageError
from bronze_engine.sources.http.body.blocks import NO_MEMBERS, Members
from bronze_engine.sources.http.body.envelope import Envelope, Own, first_found, readings
from bronze_engine.sources.http.body.expected import FAULTS, Expected
from bronze_engine.sources.http.body.masked import masked, own_bytes
from bronze_engine.sources.http.body.message import fault_in, fault_of
from bronze_engine.sources.http.body.onepass import OnePass, Path
from bronze_engine.sources.http.body.place import place_of
from bronze_engine.sources.http.body.raw import Body, members_of
from bronze_engine.sources.http.body.sniff import no_json

__all__ = ["Document", "Found", "RecordList"]

_FIRST_IS_ANY: Final = re.compile(r"\$$|\$\[|\$\.[.*]")
"""JSONPaths whose first step is another than a plain name."""
_FIRST_NAME: Final = re.compile(r"[.\[]")

_Read = tuple[int, list[msgspec.Raw] | None, Body | None]
"""A list: the number of its record set, its records (None for a null), the object around it."""


class RecordList(msgspec.Struct, frozen=True):
    """Records that stand in one list, and what is joined to each of them."""

    raws: list[msgspec.Raw]
    members: Members


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a body holds."""

    lists: list[RecordList]
    """In the order of the record sets and of the body."""
    fields: dict[str, msgspec.Raw]
    """The control fields that are there."""
    fault: str = ""
    """What the server says is wrong, beside the records."""


@final
class Document:
    """Finds the records and the control fields of JSON bodies.

    `records` are the paths of the record sets, as `Place` reads them; None means that the
    body itself is the list. `null_records` says what a null in a list's place means,
    `absent_records` what it means that none is there; with `single_record` an object stands
    there, the one record.
    `envelope` are paths by the column that joins them to each record, `record_set` a column
    that holds the path that a record came from.
    """

    def __init__(
        self,
        records: Sequence[str | None],
        fields: Sequence[str] = (),
        *,
        null_records: Literal["fail", "empty"] = "fail",
        absent_records: Literal["fail", "empty"] = "fail",
        single_record: bool = False,
        envelope: Mapping[str, str] | None = None,
        record_set: str | None = None,
    ) -> None:
        self._expected = Expected(
            is_null_empty=null_records == "empty",
            is_absent_empty=absent_records == "empty",
            is_single=single_record,
        )
        self._places = [place_of(path, self._expected) for path in records]
        self._envelopes = [
            Envelope(
                envelope or {},
                None if record_set is None else (record_set, path or ""),
                place.names,
            )
            for path, place in zip(records, self._places, strict=True)
        ]
        self._has_members = bool(envelope) or record_set is not None
        self._wanted = tuple(fields)
        self._fields = {path: readings(path) for path in fields}
        for joined in self._envelopes:
            self._fields |= joined.fields
        self._judged = _judged(records, self._fields.values())
        lists = [place.readings for place in self._places if place.readings is not None]
        is_plain = len(lists) == len(self._places)
        judged = {name: [(name,)] for name in self._judged}
        self._one_pass = OnePass(lists, {**self._fields, **judged}) if is_plain else None
        self._names = {
            name
            for place in self._places
            if place.names is not None
            for name in (".".join(place.names), *place.names)
        }
        self._keys = [b'"%s"' % name.encode() for name in self._names]

    @property
    def is_one_pass(self) -> bool:
        """Whether the paths are plain names: bodies as they should be are read once."""
        return self._one_pass is not None

    def find(self, body: bytes | bytearray, content_type: str = "") -> Found:
        """The records, the control fields, and what is said to be wrong.

        Records with a lone surrogate, NaN or an infinity are cut out like all others: the
        decoder judges them one by one. Raises ExtractError where the body is otherwise no
        JSON, or nested too deeply, and PageError where the records are not at their path.
        """
        try:
            try:
                return self._find(body, None)
            except msgspec.DecodeError:
                harmless = masked(body)
                if harmless is None:
                    raise
                return self._find(harmless, own_bytes(harmless, body))
        except RecursionError:
            raise ExtractError(
                "the body is nested too deeply to be read; check `path` and `records`"
            ) from None
        except msgspec.DecodeError as exc:
            raise ExtractError(no_json(body, content_type, exc)) from None

    def _find(self, body: bytes | bytearray, own: Own | None) -> Found:
        lists, fields = self._read(body)
        found = []
        for place, raws, above in lists:
            if raws is None and not self._expected.is_null_empty:
                raise PageError(
                    f"the records ({self._places[place].where}) are null; "
                    'set null_records = "empty" if that means none'
                )
            records = raws or []
            if own is not None:
                records = [own(raw) for raw in records]
            members = NO_MEMBERS
            if records and self._has_members:
                members = self._envelopes[place].members(fields, body, above, own)
            found.append(RecordList(records, members))
        wanted = {path: fields[path] for path in self._wanted if path in fields}
        if own is not None:
            wanted = {path: own(raw) for path, raw in wanted.items()}
        return Found(lists=found, fields=wanted, fault=fault_of(fields, self._judged))

    def _read(self, body: bytes | bytearray) -> tuple[list[_Read], dict[str, msgspec.Raw]]:
        page = None if self._one_pass is None else self._one_pass.read(body)
        if page is not None:
            raws, fields = page
            lists: list[_Read] = [(place, each, None) for place, each in enumerate(raws)]
        else:
            lists = self._walk(body)
            found = ((key, first_found(body, at)) for key, at in self._fields.items())
            fields = {key: raw for key, raw in found if raw is not None}
            members = (self._judged and members_of(body)) or {}
            fields |= {name: members[name] for name in self._judged if name in members}
        if self._names:
            self._refuse_two_lists(body, [raws for _, raws, _ in lists if raws])
        return lists, fields

    def _walk(self, body: bytes | bytearray) -> list[_Read]:
        try:
            return [
                (number, raws, above)
                for number, place in enumerate(self._places)
                for raws, above in place.walk(body)
            ]
        except PageError as exc:
            if said := fault_in(body):
                raise PageError(f"{exc.message}; the server says: {said}") from None
            raise

    def _refuse_two_lists(
        self, body: bytes | bytearray, lists: Sequence[list[msgspec.Raw]]
    ) -> None:
        """Refuse an envelope that names a list twice: readers of JSON take one and drop one.

        Only what is left of the body without the records is looked at, so it costs nothing.
        """
        begin = pa.py_buffer(body).address
        pieces: list[bytes | bytearray] = []
        at = 0
        for first, last in sorted(
            (_place(raws[0], begin), _place(raws[-1], begin)) for raws in lists
        ):
            pieces.append(body[at : first[0]])
            at = max(at, last[1])
        pieces.append(body[at:])
        envelope = b"".join(pieces)
        if all(envelope.count(key) < 2 for key in self._keys):
            return
        names = self._names

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


def _judged(records: Sequence[str | None], fields: Iterable[Sequence[Path]]) -> tuple[str, ...]:
    """The members by which a body may say that its records are not all: those that the
    configuration does not read itself. None where the records are all that the body holds."""
    if any(path is None or _FIRST_IS_ANY.match(path) for path in records):
        return ()
    read = {at[0] for places in fields for at in places}
    read |= {_FIRST_NAME.split(path.removeprefix("$."), maxsplit=1)[0] for path in records if path}
    return tuple(name for name in FAULTS if name not in read)


def _place(raw: msgspec.Raw, begin: int) -> tuple[int, int]:
    """Where a value begins and ends within a body that begins at this address."""
    view = pa.py_buffer(raw)
    start = view.address - begin
    return start, start + view.size
