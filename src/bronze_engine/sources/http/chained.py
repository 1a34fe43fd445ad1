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
    LinkHeaderPaginator,
    NextUrlPaginator,
)
from bronze_engine.errors import PageError
from bronze_engine.sources.http.pager import Answered, Ask
from bronze_engine.sources.http.progress import Progress, Sized
from bronze_engine.sources.http.url import origin_of
from bronze_engine.telemetry.redact import redact_url

__all__ = ["CursorPager", "LinkHeaderPager", "NextUrlPager", "next_link"]


class _Chained:
    """What the pagers share whose next page only the one before can name."""

    ahead = 1
    ends_at_404 = False

    def __init__(self, config: Sized) -> None:
        self._progress = Progress(config)
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
