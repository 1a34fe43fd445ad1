"""What a pager is: a pure state machine that says how one page leads to the next.

A pager is fed the answers in page order and says what to ask for next, or None at the end.
It does no I/O and knows nothing of records but how many there were.

Reading side by side needs no other machine: `guess` says which asks will follow if every
page is full, and what was fetched on a guess counts only where `accept` then asks for
exactly that. So pages read in parallel are by construction those of a sequential reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import msgspec

__all__ = ["Answered", "Ask", "Pager", "Params", "Token"]

Token = str | int | msgspec.Raw
"""A value of a parameter; JSON that is sent as the server wrote it only within a body."""

Params = dict[str, Token]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One page to ask for."""

    number: int
    """From 1, in page order."""
    params: Params = {}
    """Parameters, over those of the configuration; where they go the paginator says."""
    url: str | None = None
    """Where the server gave the whole URL: asked for as it is."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What a pager needs to know of one answer."""

    records: int
    fields: dict[str, object] = {}
    """Control fields of the body by dotted path; one that is not there has no entry."""
    url: str = ""
    """Where the answer came from: relative links begin here."""
    headers: Mapping[str, str] = {}
    """By lower-case name."""
    last: object = None
    """The last record's value at the pager's `key`, a list as JSON; None where it has none."""
    is_past_end: bool = False
    """The server answered 404 to a page that was only a guess."""


class Pager(Protocol):
    @property
    def fields(self) -> tuple[str, ...]:
        """Dotted paths of the control fields that it reads."""
        ...

    @property
    def params(self) -> frozenset[str]:
        """Names of its parameters; messages may show their values."""
        ...

    @property
    def sizes(self) -> frozenset[str]:
        """Those of them that say how many records to give."""
        ...

    @property
    def key(self) -> str | None:
        """Dotted path, within a record, of what it needs of a page's last one."""
        ...

    @property
    def total(self) -> int | None:
        """Records in all, as last stated."""
        ...

    @property
    def max_records(self) -> int | None:
        """Records to hand on: what the last page has beyond that is left."""
        ...

    @property
    def ahead(self) -> int | None:
        """Pages to fetch beyond the one being handed on: 1 is one after another, None as many
        as the API takes at once."""
        ...

    @property
    def ends_at_404(self) -> bool:
        """Whether 404 past the first page means the end."""
        ...

    def first(self) -> Ask: ...

    def accept(self, page: Answered, /) -> Ask | None:
        """Take the next answer in page order. Raises PageError."""
        ...

    def guess(self, ask: Ask, /) -> Iterator[Ask]:
        """`ask` and what follows it, as far as that can be foreseen."""
        ...

    def mismatch(self) -> str | None:
        """At the end: how the records received differ from what the server stated."""
        ...
