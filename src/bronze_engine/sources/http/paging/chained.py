"""Pagers whose next page only the one before can name: by a cursor, by a link."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Final, final
from urllib.parse import urljoin

import httpx

from bronze_engine.config.paginator import (
    CursorPaginator,
    NextUrlPaginator,
)
from bronze_engine.errors import PageError
from bronze_engine.sources.http.paging.pager import Answered, Ask
from bronze_engine.sources.http.paging.progress import Progress, Sized
from bronze_engine.sources.http.shown import shown
from bronze_engine.sources.http.url import origin_of
from bronze_engine.telemetry.redact import redact_url

__all__ = ["MAX_EMPTY", "CursorPager", "LinkHeaderPager", "NextUrlPager", "next_link"]

MAX_EMPTY: Final = 1000
"""Pages in a row without records before a chain counts as endless: a megabyte scanned each,
that is a gigabyte in which a filter found nothing."""


class _Chained:
    """What the pagers share whose next page only the one before can name."""

    ahead = 1
    ends_at_404 = False

    def __init__(self, config: Sized, warn: Callable[[str], None]) -> None:
        self._config = config
        self._progress = Progress(config, warn, is_chain=True)
        self._warn = warn
        self._seen: set[bytes] = set()
        self._empty = 0
        """How many pages in a row had no records."""

    @property
    def total(self) -> int | None:
        return self._progress.total

    def guess(self, ask: Ask, /) -> Iterator[Ask]:
        yield ask

    def mismatch(self) -> str | None:
        return self._progress.mismatch()

    def _goes_on(self, page: Answered, what: str, token: str, shown: str) -> bool:
        """Whether the next page that this one names is another one; False is the end.

        Raises PageError where the pages go round, or empty ones never end.
        """
        self._empty = 0 if page.records else self._empty + 1
        if self._empty >= MAX_EMPTY:
            raise PageError(
                f"{self._empty:,} pages in a row are empty, and each names another: "
                "set has_more_path or max_pages, for this API names no last page"
            )
        # Digests: a million cursors of a kilobyte each must not become a gigabyte.
        digest = hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if digest in self._seen:
            if page.records == 0:
                return False  # an empty page that repeats its own cursor: nothing new came
            raise PageError(
                f"page {self._progress.pages} names {what} {shown} again: "
                "the pages go round in a circle; nothing more is read"
            )
        self._seen.add(digest)
        return True

    def _judge_missing(self, page: Answered, where: str, path: str | None = None) -> None:
        """At a page without a successor: that must not contradict `has_more`.

        A first page without the path at all may as well be a path misspelt, unless it has
        fewer records than were asked for.
        """
        size = self._config.page_size
        if (
            path is not None
            and path not in page.fields
            and self._progress.pages == 1
            and page.records >= (size or 1)
        ):
            self._warn(
                f"{where} is not in the first page, which is taken for the only one: "
                "if there are more, mend the path"
            )
        more = self._progress.more_path
        if more is not None and page.fields.get(more):
            raise PageError(
                f'page {self._progress.pages}: "{more}" says that there is more, '
                f"and {where} names no next page"
            )


@final
class CursorPager(_Chained):
    """Each body carries the token of the next page; texts and integers are tokens."""

    def __init__(self, config: CursorPaginator, warn: Callable[[str], None]) -> None:
        super().__init__(config, warn)
        self._path = config.cursor_path
        self._param = config.cursor_param

    @property
    def fields(self) -> tuple[str, ...]:
        return (*self._progress.fields, self._path)

    @property
    def params(self) -> frozenset[str]:
        return frozenset({self._param, *self._progress.names})

    def first(self) -> Ask:
        return Ask(number=1, params=self._progress.size_params)

    def accept(self, page: Answered, /) -> Ask | None:
        if self._progress.is_last(page):
            return None
        path = self._path
        value = page.fields.get(path)
        if value is None or value is False or value == "":
            self._judge_missing(page, f'cursor_path "{path}"', path)
            return None
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise PageError(
                f'cursor_path "{path}" holds {shown(value)} on page {self._progress.pages}; '
                "a cursor is a text or an integer"
            )
        token = str(value)
        if not self._goes_on(page, "the cursor", token, shown(token)):
            return None
        params = {self._param: token, **self._progress.size_params}
        return Ask(number=self._progress.pages + 1, params=params)


class _Linked(_Chained):
    """What the pagers share that follow URLs of the server."""

    def __init__(
        self, config: Sized, warn: Callable[[str], None], is_allowed: Callable[[str], bool]
    ) -> None:
        super().__init__(config, warn)
        self._is_allowed = is_allowed

    @property
    def params(self) -> frozenset[str]:
        return frozenset(self._progress.names)

    def first(self) -> Ask:
        return Ask(number=1, params=self._progress.size_params)

    def _follow(self, page: Answered, link: str) -> Ask | None:
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
        if not self._goes_on(page, "the link", url, redact_url(url)):
            return None
        return Ask(number=number + 1, url=url)


@final
class NextUrlPager(_Linked):
    """Each body carries the next page's URL."""

    def __init__(
        self,
        config: NextUrlPaginator,
        warn: Callable[[str], None],
        is_allowed: Callable[[str], bool],
    ) -> None:
        super().__init__(config, warn, is_allowed)
        self._path = config.next_path

    @property
    def fields(self) -> tuple[str, ...]:
        return (*self._progress.fields, self._path)

    def accept(self, page: Answered, /) -> Ask | None:
        if self._progress.is_last(page):
            return None
        match page.fields.get(self._path):
            case None | False | "":
                self._judge_missing(page, f'next_path "{self._path}"', self._path)
                return None
            case str(link):
                return self._follow(page, link)
            case other:
                raise PageError(
                    f'next_path "{self._path}" holds {shown(other)} on page '
                    f"{self._progress.pages}, not a URL"
                )


@final
class LinkHeaderPager(_Linked):
    """The `Link` header carries it (RFC 8288)."""

    @property
    def fields(self) -> tuple[str, ...]:
        return self._progress.fields

    def accept(self, page: Answered, /) -> Ask | None:
        if self._progress.is_last(page):
            return None
        link = next_link(page.link or "")
        if link is None:
            self._judge_missing(page, "the Link header")
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
