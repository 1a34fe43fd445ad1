"""What a first answer tells about the pages after it, laid out for the detectors."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Any, Final, Literal, final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from bronze_engine.sources.http.paging.record_list import RecordList, find_records

__all__ = ["Candidate", "Clues", "Confidence", "Member", "plain", "size_of", "spelt", "whole"]

Confidence = Literal["certain", "likely", "guess"]

_DEEPEST: Final = 7
_MOST_MEMBERS: Final = 5000
_NOT_PLAIN: Final = re.compile(r"[^a-z0-9]+")

_SIZE_PARAMS: Final = frozenset(
    {"limit", "perpage", "pagesize", "maxresults", "size", "count", "top", "first", "rows"}
    | {"maxrecords", "take", "itemsperpage", "resultsperpage", "pagelimit", "numperpage"}
    | {"sysparmlimit"}
)

_TOTAL_HEADERS: Final = frozenset(
    {"xtotalcount", "xtotal", "xwptotal", "totalcount", "xtotalrecords", "xtotalitems"}
    | {"xpaginationtotalcount", "xpaginationtotal"}
)
_PAGES_HEADERS: Final = frozenset(
    {"xtotalpages", "xwptotalpages", "xpagecount", "xpaginationpagecount", "xpaginationtotalpages"}
)
_LAST: Final = ("endofstream",)
"""Flags of pages that name a next one for ever."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which the pages may follow each other."""

    settings: dict[str, Any]
    """A [….source.paginator], as TOML has it: the type, and what is not its default."""
    confidence: Confidence
    """certain: the server names the next page. likely: the answer has this kind's shape, and
    the name of a parameter is assumed. guess: it fits, and so do others."""
    why: str
    """What was seen, without a value of the answer but small numbers."""


class Member(msgspec.Struct, frozen=True):
    """A member of the body outside of every list."""

    path: tuple[str, ...]
    value: object

    @property
    def dotted(self) -> str:
        return ".".join(self.path)

    @property
    def plain_path(self) -> tuple[str, ...]:
        return tuple(map(plain, self.path))


def plain(name: str) -> str:
    """The name without what only spelling adds: `nextPageToken` is `next_page_token`."""
    return _NOT_PLAIN.sub("", name.lower())


@final
class Clues:
    """One answer and the request it came to.

    `url` is where it came from, query included; `headers` are by lower-case name; `body` is
    the decoded JSON; `json` is the body that was sent, for a POST; `records` are where they
    are known to be, else looked for.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        body: object,
        *,
        json: object = None,
        records: RecordList | None = None,
    ) -> None:
        self.url = url
        self.headers = headers
        self.body = body
        self.json = json
        self.params: dict[str, str] = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
        """What the request was sent with: its query, and the plain members of its body."""
        self.placed: dict[str, str] = {}
        """Where parameters of such a request go, if not into its query."""
        if isinstance(json, dict):
            self.placed = {"param_in": "body"}
            self.params |= {
                name: str(value)
                for name, value in json.items()
                if isinstance(value, str | int) and not isinstance(value, bool)
            }
        self.records = records if records is not None else find_records(body, url)

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """From the outermost inwards, in the order of the body."""
        return tuple(_walk(self.body))

    def named(self, *names: str) -> Iterator[Member]:
        """Members whose plain path ends with one of these (`paging.next.after`), name by name."""
        for name in names:
            tail = tuple(name.split("."))
            for member in self.members:
                if member.plain_path[-len(tail) :] == tail:
                    yield member

    def whole(self, *names: str) -> Member | None:
        """The first of these that holds a whole number of at least 0."""
        return next((each for each in self.named(*names) if whole(each.value) is not None), None)

    def flag(self, *names: str) -> Member | None:
        """The first of these that holds true or false."""
        return next((each for each in self.named(*names) if isinstance(each.value, bool)), None)

    @property
    def count(self) -> int:
        """Records on this page."""
        return 0 if self.records is None else self.records.count

    def sent(self, *names: str) -> str | None:
        """The parameter of the request, as it is spelt, whose plain name is one of these."""
        return next((name for name in self.params if plain(name) in names), None)

    @cached_property
    def size(self) -> dict[str, Any]:
        """`size_param` and `page_size`, where the request asks for a size."""
        return size_of(self.params)

    @property
    def total_header(self) -> str | None:
        """The header that says how many records there are: as many as on this page, or more."""
        return self._counted(_TOTAL_HEADERS, self.count)

    @property
    def pages_header(self) -> str | None:
        """The header that says how many pages there are."""
        return self._counted(_PAGES_HEADERS, 0)

    def _counted(self, names: Collection[str], least: int) -> str | None:
        for name, value in self.headers.items():
            if plain(name) in names and (whole(value.strip()) or -1) >= least:
                return spelt(name)
        return None

    @property
    def last(self) -> dict[str, Any]:
        """`is_last_path`, where a flag says that there is no next page although one is named."""
        member = self.flag(*_LAST)
        return {} if member is None else {"is_last_path": member.dotted}

    @property
    def total(self) -> Member | None:
        """Where the number of records in all is: at least as many as are on this page."""
        names = (
            *("total", "totalcount", "totalresults", "totalrecords", "totalitems"),
            *("totalelements", "totalsize", "totalhits", "numfound", "total.value"),
        )
        for member in self.named(*names):
            number = whole(member.value)
            if number is not None and number >= self.count:
                return member
        for member in self.named("count"):
            number = whole(member.value)  # of this page, where it is no more
            if number is not None and number > self.count:
                return member
        return None


def spelt(header: str) -> str:
    """A header's name as people write it: X-Total-Count."""
    return "-".join(word.capitalize() for word in header.split("-"))


def size_of(params: Mapping[str, str]) -> dict[str, Any]:
    """`size_param` and `page_size` of parameters; nothing where none of them is a size."""
    for name, value in params.items():
        if plain(name) in _SIZE_PARAMS and (number := whole(value)):
            return {"size_param": name, "page_size": number}
    return {}


def whole(value: object) -> int | None:
    """The number, or the number that a text writes; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return None


def _walk(body: object) -> Iterator[Member]:
    level: list[tuple[tuple[str, ...], Any]] = [((), body)]
    left = _MOST_MEMBERS
    for _ in range(_DEEPEST):
        below: list[tuple[tuple[str, ...], Any]] = []
        for path, value in level:
            if not isinstance(value, dict):
                continue
            for name, member in value.items():
                left -= 1
                if left < 0:
                    return
                yield Member((*path, name), member)
                below.append(((*path, name), member))
        level = below
