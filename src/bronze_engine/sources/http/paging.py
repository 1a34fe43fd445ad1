"""How one page leads to the next: pure state machines, one a kind of paginator.

A pager is fed the answers in page order and says what to ask for next, or None at the end.
It does no I/O and knows nothing of records but how many there were.

Reading side by side needs no other machine: `guess` says which asks will follow if every
page is full, and what was fetched on a guess counts only where `accept` then asks for
exactly that. So pages read in parallel are by construction those of a sequential reading.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Final, Protocol, final
from urllib.parse import urljoin

import httpx
import msgspec

from bronze_engine.config.paginator import (
    CursorPaginator,
    LinkHeaderPaginator,
    NextUrlPaginator,
    NoPaginator,
    OffsetPaginator,
    PagePaginator,
    Paginator,
)
from bronze_engine.errors import PageError
from bronze_engine.sources.http.url import origin_of
from bronze_engine.telemetry.redact import redact_url

__all__ = ["AHEAD", "Answered", "Ask", "Pager", "make_pager", "next_link"]

AHEAD: Final = 64
"""Pages asked for ahead where a total is known; the limiter bounds how many are on the wire."""

Params = dict[str, str | int]
Warn = Callable[[str], None]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One page to ask for."""

    number: int
    """From 1, in page order."""
    params: Params = {}
    """Query parameters, over those of the configuration."""
    url: str | None = None
    """Where the server gave the whole URL: asked for as it is."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What a pager needs to know of one answer."""

    records: int
    fields: dict[str, object] = {}
    """Control fields of the body by dotted path; one that is not there has no entry."""
    url: str = ""
    """Where the answer came from: relative links begin here."""
    link: str | None = None
    """The Link header."""
    is_past_end: bool = False
    """The server answered 404 to a page that was only a guess."""


class Pager(Protocol):
    @property
    def fields(self) -> tuple[str, ...]:
        """Dotted paths of the control fields that it reads."""
        ...

    @property
    def params(self) -> frozenset[str]:
        """Names of its query parameters; messages may show their values."""
        ...

    @property
    def total(self) -> int | None:
        """Records in all, as last stated."""
        ...

    @property
    def ahead(self) -> int:
        """Pages to fetch beyond the one being handed on; 1 is one after another."""
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


def make_pager(config: Paginator, *, warn: Warn, is_allowed: Callable[[str], bool]) -> Pager:
    """The pager for a configuration.

    `warn` is told of corrections. `is_allowed` judges the origin (`origin_of`) of a next
    link; one that it refuses is a PageError before anything is sent.
    """
    match config:
        case NoPaginator():
            return SinglePager()
        case PagePaginator():
            return PagePager(config, warn)
        case OffsetPaginator():
            return OffsetPager(config, warn)
        case CursorPaginator():
            return CursorPager(config)
        case NextUrlPaginator():
            return NextUrlPager(config, is_allowed)
        case LinkHeaderPaginator():
            return LinkHeaderPager(config, is_allowed)


Sized = PagePaginator | OffsetPaginator | CursorPaginator | NextUrlPaginator | LinkHeaderPaginator


@final
class _Progress:
    """Counts the pages and decides whether one was the last: the same for all pagers.

    An empty page ends the reading, a satisfied total, `has_more` false, `max_pages`. A
    short page ends it where configured, or where an earlier page had exactly the size
    asked for and the server states nothing else; no larger page was ever asked for.
    """

    def __init__(self, config: Sized) -> None:
        self._config = config
        self.pages = 0
        self.received = 0
        self.total: int | None = None
        self._first_total: int | None = None
        self._changed: int | None = None
        self._was_full = False
        self._was_cut = False

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(path for path in (self._config.total_path, self._config.has_more_path) if path)

    @property
    def more_path(self) -> str | None:
        return self._config.has_more_path

    @property
    def size_params(self) -> Params:
        size = self._config.page_size
        return {self._config.size_param: size} if self._config.size_param and size else {}

    @property
    def names(self) -> set[str]:
        return {self._config.size_param} if self._config.size_param else set()

    def is_last(self, page: Answered) -> bool:
        self.pages += 1
        self.received += page.records
        self._note_total(page)
        has_more = self._has_more(page)
        if self._config.max_pages is not None and self.pages >= self._config.max_pages:
            self._was_cut = True
            return True
        if has_more is False or (page.records == 0 and has_more is None):
            return True
        if self.total is not None and self.received >= self.total:
            return True
        size = self._config.page_size
        if size is not None and page.records < size:
            if self._config.stop_on_short_page:
                return has_more is None
            if self._was_full and self.total is None and has_more is None:
                return True
        self._was_full = self._was_full or page.records == size
        return False

    def _note_total(self, page: Answered) -> None:
        path = self._config.total_path
        if path is None or (value := page.fields.get(path)) is None:
            return
        self.total = _count(path, value)
        if self._first_total is None:
            self._first_total = self.total
        elif self.total != self._first_total:
            self._changed = self.total

    def _has_more(self, page: Answered) -> bool | None:
        path = self._config.has_more_path
        if path is None:
            return None
        match page.fields.get(path):
            case True | "true" | 1:
                return True
            case False | "false" | 0:
                return False
            case None:
                raise PageError(
                    f'no value at has_more_path "{path}" on page {self.pages}; '
                    "mend the path, or leave it out"
                )
            case other:
                raise PageError(
                    f'has_more_path "{path}" holds {other!r:.80} on page {self.pages}, '
                    "not true or false"
                )

    def mismatch(self) -> str | None:
        if self._was_cut or self.total is None:
            return None
        if self._changed is not None:
            return f"the stated total changed from {self._first_total:,} to {self._changed:,}"
        if self.received != self.total:
            return f"{self.received:,} records were received and {self.total:,} stated"
        return None


@final
class SinglePager:
    """One answer holds everything."""

    fields: tuple[str, ...] = ()
    params: frozenset[str] = frozenset()
    total: int | None = None
    ahead = 1
    ends_at_404 = False

    def first(self) -> Ask:
        return Ask(number=1)

    def accept(self, page: Answered, /) -> Ask | None:  # noqa: ARG002  # every answer is the last
        return None

    def guess(self, ask: Ask, /) -> Iterator[Ask]:
        yield ask

    def mismatch(self) -> str | None:
        return None


@final
class PagePager:
    """Pages by number."""

    def __init__(self, config: PagePaginator, warn: Warn) -> None:
        self._config = config
        self._progress = _Progress(config)
        self._warn = warn
        self._size = 0
        self._pages: int | None = None
        """How many the server says there are."""
        self._pages_changed = ""

    @property
    def fields(self) -> tuple[str, ...]:
        path = self._config.total_pages_path
        return (*self._progress.fields, path) if path else self._progress.fields

    @property
    def params(self) -> frozenset[str]:
        return frozenset({self._config.page_param, *self._progress.names})

    @property
    def total(self) -> int | None:
        return self._progress.total

    @property
    def ahead(self) -> int:
        if self._config.parallel is not None:
            return self._config.parallel
        return AHEAD if self._is_end_known else 1

    @property
    def ends_at_404(self) -> bool:
        return self._config.parallel is not None and not self._is_end_known

    @property
    def _is_end_known(self) -> bool:
        return self._progress.total is not None or self._pages is not None

    def first(self) -> Ask:
        return self._ask(1)

    def _ask(self, number: int) -> Ask:
        page = self._config.start + number - 1
        params = {self._config.page_param: page, **self._progress.size_params}
        return Ask(number=number, params=params)

    def accept(self, page: Answered, /) -> Ask | None:
        if page.is_past_end:
            return None
        is_last = self._progress.is_last(page)
        done = self._progress.pages
        self._note_pages(page)
        if is_last or (self._pages is not None and done >= self._pages):
            return None
        _refuse_empty(page, done)
        if done == 1:
            # The parameter stays as it was: a page number means what it means at that size.
            self._size = page.records
            _warn_of_size(self._config.page_size, page.records, self.total, self._warn)
        return self._ask(done + 1)

    def _note_pages(self, page: Answered) -> None:
        path = self._config.total_pages_path
        if path is None or (value := page.fields.get(path)) is None:
            return
        pages = _count(path, value)
        if self._pages is not None and pages != self._pages:
            self._pages_changed = (
                f"the stated number of pages changed from {self._pages:,} to {pages:,}"
            )
        self._pages = pages

    def guess(self, ask: Ask, /) -> Iterator[Ask]:
        last = self._pages
        if last is None and self.total is not None:
            last = -(-self.total // max(1, self._size))
        if self._config.max_pages is not None:
            last = min(last or self._config.max_pages, self._config.max_pages)
        number = ask.number
        while last is None or number <= max(last, ask.number):
            yield self._ask(number)
            number += 1

    def mismatch(self) -> str | None:
        return self._pages_changed or self._progress.mismatch()


@final
class OffsetPager:
    """Pages by the number of records to skip, which is the number received."""

    def __init__(self, config: OffsetPaginator, warn: Warn) -> None:
        self._config = config
        self._progress = _Progress(config)
        self._warn = warn
        self._size_params = self._progress.size_params
        self._step = 0

    @property
    def fields(self) -> tuple[str, ...]:
        return self._progress.fields

    @property
    def params(self) -> frozenset[str]:
        return frozenset({self._config.offset_param, *self._progress.names})

    @property
    def total(self) -> int | None:
        return self._progress.total

    @property
    def ahead(self) -> int:
        if self._config.parallel is not None:
            return self._config.parallel
        return AHEAD if self.total is not None else 1

    @property
    def ends_at_404(self) -> bool:
        return self._config.parallel is not None and self.total is None

    def first(self) -> Ask:
        return self._ask(1, 0)

    def _ask(self, number: int, skip: int) -> Ask:
        params = {self._config.offset_param: self._config.start + skip, **self._size_params}
        return Ask(number=number, params=params)

    def accept(self, page: Answered, /) -> Ask | None:
        if page.is_past_end or self._progress.is_last(page):
            return None
        done = self._progress.pages
        _refuse_empty(page, done)
        self._step = page.records
        if done == 1 and _warn_of_size(
            self._config.page_size, page.records, self.total, self._warn
        ):
            # From here on windows of the old size would overlap.
            self._size_params = dict.fromkeys(self._size_params, page.records)
        return self._ask(done + 1, self._progress.received)

    def guess(self, ask: Ask, /) -> Iterator[Ask]:
        number, skip = ask.number, self._progress.received
        step, total = self._step, self.total  # as they are now: the plan must not depend on timing
        while True:
            yield self._ask(number, skip)
            number += 1
            skip += step
            if total is not None and skip >= total:
                return
            if self._config.max_pages is not None and number > self._config.max_pages:
                return

    def mismatch(self) -> str | None:
        return self._progress.mismatch()


class _Chained:
    """What the pagers share whose next page only the one before can name."""

    ahead = 1
    ends_at_404 = False

    def __init__(self, config: Sized) -> None:
        self._progress = _Progress(config)
        self._seen: set[bytes] = set()

    @property
    def total(self) -> int | None:
        return self._progress.total

    def guess(self, ask: Ask, /) -> Iterator[Ask]:
        yield ask

    def mismatch(self) -> str | None:
        return self._progress.mismatch()

    def _refuse_repeated(self, what: str, token: str, shown: str) -> None:
        # Digests: a million cursors of a kilobyte each must not become a gigabyte.
        digest = hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if digest in self._seen:
            raise PageError(
                f"page {self._progress.pages} names {what} {shown} again: "
                "the pages go round in a circle; nothing more is read"
            )
        self._seen.add(digest)

    def _refuse_missing(self, page: Answered, where: str) -> None:
        """At a page without a successor: that must not contradict `has_more`."""
        path = self._progress.more_path
        if path is not None and page.fields.get(path):
            raise PageError(
                f'page {self._progress.pages}: "{path}" says that there is more, '
                f"and {where} names no next page"
            )


@final
class CursorPager(_Chained):
    """Each body carries the token of the next page; texts and integers are tokens."""

    def __init__(self, config: CursorPaginator) -> None:
        super().__init__(config)
        self._config = config

    @property
    def fields(self) -> tuple[str, ...]:
        return (*self._progress.fields, self._config.cursor_path)

    @property
    def params(self) -> frozenset[str]:
        return frozenset({self._config.cursor_param, *self._progress.names})

    def first(self) -> Ask:
        return Ask(number=1, params=self._progress.size_params)

    def accept(self, page: Answered, /) -> Ask | None:
        if self._progress.is_last(page):
            return None
        path = self._config.cursor_path
        value = page.fields.get(path)
        if value is None or value is False or value == "":
            self._refuse_missing(page, f'cursor_path "{path}"')
            return None
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise PageError(
                f'cursor_path "{path}" holds {value!r:.80} on page {self._progress.pages}; '
                "a cursor is a text or an integer"
            )
        token = str(value)
        self._refuse_repeated("the cursor", token, f"{token!r:.80}")
        params = {self._config.cursor_param: token, **self._progress.size_params}
        return Ask(number=self._progress.pages + 1, params=params)


class _Linked(_Chained):
    """What the pagers share that follow URLs of the server."""

    def __init__(self, config: Sized, is_allowed: Callable[[str], bool]) -> None:
        super().__init__(config)
        self._is_allowed = is_allowed

    @property
    def params(self) -> frozenset[str]:
        return frozenset(self._progress.names)

    def first(self) -> Ask:
        return Ask(number=1, params=self._progress.size_params)

    def _follow(self, page: Answered, link: str) -> Ask:
        number = self._progress.pages
        try:
            target = httpx.URL(urljoin(page.url, link.strip()))
        except (httpx.InvalidURL, ValueError):
            target = httpx.URL("")
        if target.scheme not in ("http", "https") or not target.host or target.userinfo:
            raise PageError(f"the next link of page {number} is no URL that can be followed")
        origin = origin_of(target)
        if not self._is_allowed(origin):
            raise PageError(
                f"the next link of page {number} points to another origin, {origin}; nothing "
                "was sent there. If it belongs to this API, add it to allowed_origins"
            )
        url = str(target.copy_with(fragment=None))
        self._refuse_repeated("the link", url, redact_url(url))
        return Ask(number=number + 1, url=url)


@final
class NextUrlPager(_Linked):
    """Each body carries the next page's URL."""

    def __init__(self, config: NextUrlPaginator, is_allowed: Callable[[str], bool]) -> None:
        super().__init__(config, is_allowed)
        self._path = config.next_path

    @property
    def fields(self) -> tuple[str, ...]:
        return (*self._progress.fields, self._path)

    def accept(self, page: Answered, /) -> Ask | None:
        if self._progress.is_last(page):
            return None
        match page.fields.get(self._path):
            case None | False | "":
                self._refuse_missing(page, f'next_path "{self._path}"')
                return None
            case str(link):
                return self._follow(page, link)
            case other:
                raise PageError(
                    f'next_path "{self._path}" holds {other!r:.80} on page '
                    f"{self._progress.pages}, not a URL"
                )


@final
class LinkHeaderPager(_Linked):
    """The `Link` header carries it (RFC 8288)."""

    def __init__(self, config: LinkHeaderPaginator, is_allowed: Callable[[str], bool]) -> None:
        super().__init__(config, is_allowed)

    @property
    def fields(self) -> tuple[str, ...]:
        return self._progress.fields

    def accept(self, page: Answered, /) -> Ask | None:
        if self._progress.is_last(page):
            return None
        link = next_link(page.link or "")
        if link is None:
            self._refuse_missing(page, "the Link header")
            return None
        return self._follow(page, link)


_PARAM: Final = r";\s*([^\s,;=]+)\s*(?:=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s,;\"]*)))?\s*"
_LINK: Final = re.compile(rf"<([^>]*)>\s*((?:{_PARAM})*)")
_EACH_PARAM: Final = re.compile(_PARAM)


def next_link(header: str) -> str | None:
    """The target of the first link with the relation `next` (RFC 8288), or None."""
    for link in _LINK.finditer(header):
        for name, quoted, bare in _EACH_PARAM.findall(link[2]):
            if name.lower() == "rel" and "next" in (quoted or bare).lower().split():
                return link[1]
    return None


def _count(path: str, value: object) -> int:
    match value:
        case bool():
            pass
        case int() if value >= 0:
            return value
        case float() if value >= 0 and value.is_integer():
            return int(value)
        case str() if value.isascii() and value.isdigit() and len(value) < 20:
            return int(value)
    raise PageError(f'"{path}" holds {value!r:.80}, which is no number of records or pages')


def _refuse_empty(page: Answered, number: int) -> None:
    if page.records == 0:
        raise PageError(
            f"page {number} is empty and says that there is more; "
            "leave has_more_path out if an empty page is the end"
        )


def _warn_of_size(asked: int | None, got: int, total: int | None, warn: Warn) -> bool:
    """Whether the first page shows that the server's page size is not the one asked for."""
    if asked is None or total is None or got >= asked:
        return False
    warn(
        f"asked for {asked} records a page, the first page has {got} of {total} in all: "
        f"reading on with pages of {got}; set page_size = {got}"
    )
    return True
