"""Pagers that follow URLs of the server: in the body, in the Link header."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, final
from urllib.parse import urljoin

import httpx

from bronze_engine.config.http.paginator import NextUrlPaginator
from bronze_engine.errors import PageError
from bronze_engine.sources.http.paging.chained import Chained
from bronze_engine.sources.http.paging.pager import Answered, Ask
from bronze_engine.sources.http.paging.progress import Sized
from bronze_engine.sources.http.shown import shown
from bronze_engine.sources.http.url import origin_of
from bronze_engine.telemetry.redact import redact_url

__all__ = ["LinkHeaderPager", "NextUrlPager", "link_of", "next_link"]


class _Linked(Chained):
    """What the pagers share that follow URLs of the server."""

    def __init__(
        self, config: Sized, warn: Callable[[str], None], is_allowed: Callable[[str], bool]
    ) -> None:
        super().__init__(config, warn)
        self._is_allowed = is_allowed

    def _follow(self, page: Answered, link: str) -> Ask | None:
        number = self._progress.pages
        try:
            target = httpx.URL(urljoin(page.url, link.strip()))
        except (httpx.InvalidURL, ValueError):
            target = httpx.URL("")
        if target.scheme not in ("http", "https") or not target.host or target.userinfo:
            raise PageError(f"the next link of page {number} is no URL that can be followed")
        origin = origin_of(target)
        secured = _secured(target, page.url)
        if not self._is_allowed(origin):
            how = "" if secured is None else "; it is then asked for by https, as the page was"
            raise PageError(
                f"the next link of page {number} points to another origin, {origin}; nothing "
                f"was sent there. If it belongs to this API, add it to allowed_origins{how}"
            )
        url = str((secured or target).copy_with(fragment=None))
        if not self.goes_on(page, "the link", url, redact_url(url)):
            return None
        return Ask(number=number + 1, url=url)


def _secured(target: httpx.URL, page: str) -> httpx.URL | None:
    """The same by https, where the page came by https and the link says http of the same host:
    so write servers that do not know that TLS ends at a proxy before them. None for others."""
    here = httpx.URL(page)
    if (here.scheme, target.scheme) != ("https", "http") or here.raw_host != target.raw_host:
        return None
    if target.port not in (None, here.port):
        return None
    return target.copy_with(scheme="https", port=here.port)


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
        value = page.fields.get(self._path)
        link = link_of(value)
        if link is None:
            raise PageError(
                f'next_path "{self._path}" holds {shown(value)} on page '
                f"{self._progress.pages}, not a URL and no link that has one"
            )
        if not link:
            is_there = self._path in page.fields
            self.judge_missing(page, f'next_path "{self._path}"', is_there=is_there)
            return None
        return self._follow(page, link)


def link_of(value: object) -> str | None:
    """The URL that a value names for the next page; "" for the end, None where it is no link.

    A URL; an object that holds it as `href`, `url` or `uri` (JSON:API, HAL); or a list of
    such objects, of which one has `rel` or `relation` "next" (FHIR, PayPal, NetSuite).
    """
    match value:
        case None | False | "":
            return ""
        case str():
            return value
        case {"href": url} | {"url": url} | {"uri": url} if url is None or isinstance(url, str):
            return url or ""
        case list() if all(isinstance(link, dict) and _relations(link) for link in value):
            found = (link for link in value if "next" in _relations(link))
            return link_of(next(found, None))
        case _:
            return None


def _relations(link: dict[str, object]) -> Sequence[str]:
    match link.get("rel", link.get("relation")):
        case str(text):
            return text.lower().split()
        case list(texts):
            return [text.lower() for text in texts if isinstance(text, str)]
        case _:
            return ()


@final
class LinkHeaderPager(_Linked):
    """The `Link` header carries it (RFC 8288)."""

    def accept(self, page: Answered, /) -> Ask | None:
        if self._progress.is_last(page):
            return None
        link = next_link(page.headers.get("link", ""))
        if link is None:
            # Many APIs send none with an only page: that is odd where it is a full one.
            is_there = "link" in page.headers or self._config.page_size is None
            self.judge_missing(page, "the Link header", is_there=is_there)
            return None
        return self._follow(page, link)


_VALUE: Final = r"\"((?:[^\"\\]|\\.)*)\"|'([^',;]*)'|([^\s,;\"]*)"
_PARAM: Final = rf";\s*(?:([^\s,;=]+)\s*(?:=\s*(?:{_VALUE}))?)?\s*"
_LINK: Final = re.compile(rf"<([^>]*)>\s*((?:{_PARAM})*)")
_EACH_PARAM: Final = re.compile(_PARAM)


def next_link(header: str) -> str | None:
    """The target of the first link with the relation `next`, or None.

    RFC 8288: parameters may be empty, and of several `rel` of one link the first
    counts. Single quotes, which it does not know, are taken for quotes, as browsers
    and other clients do: a link that is not seen would end the reading as if whole.
    Sentry names a next page for ever, and says with `results="false"` that it is empty
    (https://docs.sentry.io/api/pagination/).
    """
    for link in _LINK.finditer(header):
        params: dict[str, str] = {}
        for name, quoted, single, bare in _EACH_PARAM.findall(link[2]):
            params.setdefault(name.lower(), (quoted or single or bare).lower())
        if "next" in params.get("rel", "").split():
            return None if params.get("results") == "false" else link[1]
    return None
