"""The children of a parent's records: a chain for each of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import Final, final

import msgspec

from bronze_engine.config.rules.chain import asked
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.config.source import Parent
from bronze_engine.config.template import Values, fields_of
from bronze_engine.contracts import Preview
from bronze_engine.errors import PageError
from bronze_engine.sources.http.body.blocks import Members
from bronze_engine.sources.http.body.raw import kind_of, members_of, named
from bronze_engine.sources.http.body.split import Split
from bronze_engine.sources.http.chains.chain import Chain, Offer, Plan
from bronze_engine.sources.http.chains.convoy import Convoy, only, parallel_of
from bronze_engine.sources.http.fetch import Page
from bronze_engine.sources.http.outlet import Dated
from bronze_engine.sources.http.resource import Resource
from bronze_engine.sources.http.sample import sample
from bronze_engine.sources.http.shifts import Shifts
from bronze_engine.sources.http.shown import shown
from bronze_engine.sources.http.url import build_url
from bronze_engine.telemetry.redact import redact_url

__all__ = ["Children"]

_NO_SEGMENT: Final = frozenset({"", ".", ".."})
"""Texts that as a segment of a path would lead somewhere else."""


@final
class Children:
    """Reads the parent's source, whole and through its own pages, and makes a chain of each
    record. Parents may be children themselves."""

    def __init__(self, resource: Resource, parent: Parent) -> None:
        request = msgspec.structs.replace(
            resource.request,
            incremental=None,
            low=None,
            read_from=None,
            cap=None,
            schema=SchemaConfig(),
        )
        config = resource.config
        self.resource = resource
        source = msgspec.structs.replace(parent.source, capture=None)  # its own pipeline's work
        self.parents = Resource(source, request, resource.resources, resource.client)
        self.above = Children(self.parents, parent.source.parent) if parent.source.parent else None
        self._name = parent.name
        self._in_path = fields_of("parent", config.path)
        self._fields = tuple(sorted(fields_of("parent", asked(config))))
        self._carry = {column: tuple(path.split(".")) for column, path in config.carry.items()}
        self._is_typed = config.json is not None

    def plan(self, dated: Dated, shifts: Shifts, floor_bytes: int) -> Plan:
        """Offers a chain for each parent, in the parents' order, as they are read."""

        async def plan(offer: Offer) -> None:
            family = _Family(self, offer)
            convoy = Convoy(
                self.parents,
                family,
                dated,
                parallel=1 if self.above is None else parallel_of(self.parents.config),
                floor_bytes=floor_bytes,
                on_end=partial(shifts.judge, self.parents),
            )
            if self.above is None:
                await convoy.run(only(self.parents.whole()))
            else:
                await convoy.run(self.above.plan(dated, shifts, floor_bytes))
            family.tell()

        return plan

    def preview(self) -> Preview:
        config = self.resource.config
        url = redact_url(build_url(config.api.base_url, config.path, {}))
        above = self.above.preview() if self.above is not None else None
        whole = self.parents.whole().target if self.above is None else None
        first = above.first if above is not None else ""
        if whole is not None:
            asked = whole.shown(self.parents.pager().first())
            first = f"{self.parents.config.method} {asked}"
        return Preview(
            location=url.partition("?")[0],
            first=first,
            slices=(
                *(above.slices if above is not None else (f"all of {self._name}",)),
                f"of each its children, {parallel_of(config)} side by side",
            ),
        )

    async def first(self) -> Chain | None:
        """The chain of the first parent, None where there is no parent."""
        chain = self.parents.whole() if self.above is None else await self.above.first()
        if chain is None:
            return None
        _, split = await sample(self.parents, chain)
        record = next(_records(split), None)
        return None if record is None else self.chain(record)[0]

    def chain(self, record: bytes) -> tuple[Chain, bytes, bool]:
        """The chain of one parent, what tells it from others, and whether a carried field lacks.

        Raises PageError for a parent without a key that the request needs.
        """
        try:
            members = members_of(record)
        except msgspec.DecodeError:
            members = None
        if members is None:
            raise PageError(f"a record of {self._name} is {kind_of(record)}, not an object")
        values: dict[str, str | msgspec.Raw] = {
            f"parent.{path}": self._value(members, path) for path in self._fields
        }
        found = {column: _at(members, path) for column, path in self._carry.items()}
        carried = Members.of({name: raw for name, raw in found.items() if raw is not None})
        first = self._fields[0]
        chain = Chain(
            target=self.resource.target(self.resource.request, values),
            label=f"{self._name} with {first} = {_told(values[f'parent.{first}'])}",
            carried=carried,
        )
        return chain, self._digest(values, carried), None in found.values()

    def _value(self, members: dict[str, msgspec.Raw], path: str) -> str | msgspec.Raw:
        raw = _at(members, tuple(path.split(".")))
        if raw is None:
            raise PageError(
                f'a record of {self._name} has no "{path}", which the request needs; '
                f"there are {named(members)}"
            )
        kind = kind_of(raw)
        if kind in ("an object", "a list", "null"):
            raise PageError(f'"{path}" of a record of {self._name} is {kind}; name a field of it')
        value = msgspec.json.decode(raw) if kind == "a text" else raw
        if path in self._in_path and isinstance(value, str) and value in _NO_SEGMENT:
            raise PageError(
                f'"{path}" of a record of {self._name} is {value!r}, which is no part of a path'
            )
        found: str | msgspec.Raw = value
        return found

    def _digest(self, values: Values, carried: Members) -> bytes:
        hashed = hashlib.blake2b(carried.text, digest_size=16)
        for value in values.values():
            text = bytes(value) if isinstance(value, msgspec.Raw) else str(value).encode()
            # In a body a number is another value than its text; in a URL it is the same.
            kind = b"n" if self._is_typed and isinstance(value, msgspec.Raw) else b"t"
            hashed.update(b"\0%s%d:%s" % (kind, len(text), text))
        return hashed.digest()


@final
class _Family:
    """Where the pages of parents go: each record is offered as a chain, the same once."""

    def __init__(self, children: Children, offer: Offer) -> None:
        self._children = children
        self._offer = offer
        # Digests: a hundred thousand parents must not become a hundred megabytes.
        self._seen: set[bytes] = set()
        self._repeated = 0
        self._lacking = 0

    async def page(self, page: Page, chain: Chain, total: int | None, /) -> None:  # noqa: ARG002
        for record in _records(page.split):
            child, digest, lacks = self._children.chain(record)
            self._lacking += lacks
            if digest in self._seen:
                self._repeated += 1
                continue
            self._seen.add(digest)
            await self._offer(child)

    def tell(self) -> None:
        """Say, at the end, what was odd about the parents."""
        resource = self._children.resource
        if self._repeated:
            resource.warn(
                f"{self._repeated:,} parents ask for the same as one before them: "
                "each request was made once"
            )
        if self._lacking:
            resource.warn(
                f"{self._lacking:,} parents lack a field that carry names: it is null in the "
                "records of their children"
            )


def _records(split: Split) -> Iterator[bytes]:
    for lines in split.lines:
        if lines.bad:
            raise PageError(f"a parent's record can't be read: {lines.bad[0].reason}")
        yield from lines.data.split(b"\n")[:-1]


def _at(members: dict[str, msgspec.Raw], path: tuple[str, ...]) -> msgspec.Raw | None:
    """The value at a path; a member whose own name is the whole path, dots included, first."""
    whole = members.get(".".join(path))
    if whole is not None or len(path) == 1:
        return whole
    below: dict[str, msgspec.Raw] | None = members
    value = None
    for name in path:
        value = None if below is None else below.get(name)
        if value is None:
            return None
        below = members_of(value)
    return value


def _told(value: str | msgspec.Raw) -> str:
    return bytes(value).decode() if isinstance(value, msgspec.Raw) else shown(value)
