"""Columns joined to every record: values from around the record list, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import final

import msgspec

from bronze_engine.config.http.envelope import EnvelopePath, parse_envelope_path
from bronze_engine.errors import PageError
from bronze_engine.sources.http.body.blocks import Members
from bronze_engine.sources.http.body.onepass import Path
from bronze_engine.sources.http.body.raw import Body, find, kind_of, members_of, named

__all__ = ["Envelope", "Own", "first_found", "readings"]

Own = Callable[[msgspec.Raw], msgspec.Raw]


def readings(path: str) -> list[Path]:
    """The members that a dotted path may mean, in the order in which they are looked for."""
    return [(path,), tuple(path.split("."))] if "." in path else [(path,)]


@final
class Envelope:
    """What is joined to the records of one record set.

    `columns` are paths by column; `kind`, where given, is a column and the text that it holds
    in each record of this set. `list_names` are the names down to the set's list where the
    path to it is plain: what stands beside the list is then found from the body's root.
    """

    def __init__(
        self,
        columns: Mapping[str, str],
        kind: tuple[str, str] | None,
        list_names: tuple[str, ...] | None,
    ) -> None:
        self._kind = {} if kind is None else {kind[0]: msgspec.json.encode(kind[1])}
        self._columns = {column: parse_envelope_path(path) for column, path in columns.items()}
        self.fields: dict[str, list[Path]] = {}
        """Paths from the body's root that `members` needs, by a key for each."""
        self._keys: dict[str, str] = {}
        for column, path in self._columns.items():
            places = _places(path)
            if path.is_above and list_names is None:
                continue
            if path.is_above and list_names is not None:
                places = [(*list_names[:-1], *at) for at in places]
            key = json.dumps(places)
            self.fields[key] = places
            self._keys[column] = key

    def members(
        self,
        fields: Mapping[str, msgspec.Raw],
        body: Body,
        above: Body | None,
        own: Own | None = None,
    ) -> Members:
        """The members for the records of one list; `own` gives a found value's true bytes.

        Raises PageError where a path is not there and is not marked as optional.
        """
        found: dict[str, bytes | msgspec.Raw] = dict(self._kind)
        for column, path in self._columns.items():
            key = self._keys.get(column)
            if key is not None:
                raw = fields.get(key)
            else:
                raw = None if above is None else first_found(above, _places(path))
            if raw is not None:
                found[column] = raw if own is None else own(raw)
            elif not path.is_optional:
                raise PageError(_absent(column, path, body if key is not None else above))
        return Members.of(found)


def first_found(body: Body, places: Sequence[Path]) -> msgspec.Raw | None:
    """The value at the first of these paths that is there."""
    for at in places:
        raw = find(body, at)
        if raw is not None:
            return raw
    return None


def _places(path: EnvelopePath) -> list[Path]:
    return [path.names] if path.is_exact else readings(".".join(path.names))


def _absent(column: str, path: EnvelopePath, place: Body | None) -> str:
    name = ".".join(path.names)
    if place is None:
        there = "no object is around the list"
    elif (members := members_of(place)) is not None:
        there = f"there are {named(members)}"
    else:
        there = f"it is {kind_of(place)}"
    where = "the object around the list" if path.is_above else "the body"
    return (
        f'no "{name}" in {where}, where envelope.{column} looks for it; {there}; '
        'end the path with "?" where it may be absent'
    )
