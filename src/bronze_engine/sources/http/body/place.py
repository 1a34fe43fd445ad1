"""Where one set of records is in a body: a dotted path, or a JSONPath."""

from __future__ import annotations

from typing import Protocol, final

import msgspec

from bronze_engine.config.http.selector import Selector, parse_selector
from bronze_engine.errors import PageError
from bronze_engine.sources.http.body.envelope import readings
from bronze_engine.sources.http.body.evaluate import evaluate, unexpected
from bronze_engine.sources.http.body.expected import ABSENT_MEANS, Expected
from bronze_engine.sources.http.body.onepass import Path
from bronze_engine.sources.http.body.raw import Body, find, kind_of, members_of, named

__all__ = ["Place", "place_of"]

Found = list[tuple[list[msgspec.Raw] | None, Body | None]]
"""Lists of records (None for a null in a list's place), each with the object around it."""


class Place(Protocol):
    @property
    def where(self) -> str:
        """For messages."""
        ...

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of the members down to the one list; None where the path is not so plain."""
        ...

    @property
    def readings(self) -> list[Path] | None:
        """The same as `OnePass` takes it."""
        ...

    def walk(self, body: Body) -> Found:
        """Level by level: slower than one pass, and exact about what is missing.

        Raises PageError where the records are not there.
        """
        ...


def place_of(records: str | None, expected: Expected) -> Place:
    if records is not None and records.startswith("$"):
        return Selected(parse_selector(records), expected)
    return Dotted(records, expected)


@final
class Dotted:
    """Names of object members with dots between them.

    A member of the body whose own name is the whole path, dots included, goes before
    (OData's "@odata.nextLink"). None means that the body itself is the list.
    """

    def __init__(self, records: str | None, expected: Expected) -> None:
        self._expected = expected
        self.names = tuple(records.split(".")) if records is not None else ()
        self.readings: list[Path] | None = [()] if records is None else readings(records)
        if expected.is_single:
            self.readings = None
        self.where = f'"{records}"' if records is not None else "the body itself"

    def walk(self, body: Body) -> Found:
        value: Body = msgspec.json.decode(body, type=msgspec.Raw)
        path = ".".join(self.names)
        whole = find(value, (path,))
        names = self.names if whole is None else ()
        value = value if whole is None else whole
        for depth, name in enumerate(names):
            members = members_of(value)
            if (members is None or name not in members) and self._expected.takes_absence(
                body, value
            ):
                return []
            above = ".".join(names[:depth])
            place = f'"{above}"' if above else "the body"
            if members is None:
                raise PageError(
                    f'the records path "{path}" leads through {place}, '
                    f"which is {kind_of(value)}; set `records` to the path of the list"
                    + (ABSENT_MEANS if kind_of(value) == "null" else "")
                )
            if name not in members:
                raise PageError(
                    f'no "{name}" in {place}, where `records` looks for it; '
                    f"there are {named(members)}{ABSENT_MEANS}"
                )
            value = members[name]
        kind = kind_of(value)
        if kind == "null":
            return [(None, None)]
        if self._expected.is_single:
            if kind == "an object" and isinstance(value, msgspec.Raw):  # a slice of the body
                return [([value], None)]
        elif kind == "a list":
            return [(msgspec.json.decode(value, type=list[msgspec.Raw]), None)]
        raise unexpected(self.where, value, self._expected)


@final
class Selected:
    """A JSONPath; one of names alone is as plain as a dotted path, and exact about its names."""

    def __init__(self, selector: Selector, expected: Expected) -> None:
        self._selector = selector
        self._expected = expected
        self.where = selector.text
        self.names = selector.names
        self.readings = None
        if selector.names is not None and not expected.is_single:
            self.readings = [selector.names]

    def walk(self, body: Body) -> Found:
        found = evaluate(self._selector, body, self._expected)
        return [(raws, above) for raws, above in found]
