"""Pagers whose next page only the one before can tell: by a cursor, by its last record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Final, final

import msgspec

from bronze_engine.config.http.paginator import (
    CursorPaginator,
    HeaderCursorPaginator,
    KeysetPaginator,
)
from bronze_engine.errors import PageError
from bronze_engine.sources.http.paging.pager import Answered, Ask, Token
from bronze_engine.sources.http.paging.progress import Progress, Sized
from bronze_engine.sources.http.shown import shown

__all__ = ["MAX_EMPTY", "Chained", "CursorPager", "HeaderCursorPager", "KeysetPager"]

MAX_EMPTY: Final = 1000
"""Pages in a row without records before a chain counts as endless: a megabyte scanned each,
that is a gigabyte in which a filter found nothing."""


class Chained:
    """What the pagers share whose next page only the one before can tell."""

    ahead = 1
    ends_at_404 = False
    key: str | None = None

    def __init__(self, config: Sized, warn: Callable[[str], None]) -> None:
        self._config = config
        self._progress = Progress(config, warn, is_chain=True)
        self._warn = warn
        self._seen: set[bytes] = set()
        self._empty = 0
        """How many pages in a row had no records."""

    @property
    def fields(self) -> tuple[str, ...]:
        return self._progress.fields

    @property
    def params(self) -> frozenset[str]:
        return self.sizes

    @property
    def sizes(self) -> frozenset[str]:
        return self._progress.sizes

    @property
    def max_records(self) -> int | None:
        return self._config.max_records

    @property
    def total(self) -> int | None:
        return self._progress.total

    def first(self) -> Ask:
        return Ask(number=1, params=self._progress.size_params)

    def guess(self, ask: Ask, /) -> Iterator[Ask]:
        yield ask

    def mismatch(self) -> str | None:
        return self._progress.mismatch()

    def goes_on(self, page: Answered, what: str, token: str, shown: str) -> bool:
        """Whether the next page that this one names is another one; False is the end.

        Raises PageError where the pages go round, or empty ones never end.
        """
        self._empty = 0 if page.records else self._empty + 1
        if self._empty >= MAX_EMPTY:
            raise PageError(
                f"{self._empty:,} pages in a row are empty, and each names another: "
                "this API names no last page: set has_more_path or is_last_path, or page_size "
                "and stop_on_short_page, by which the first of them ends the reading"
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

    def judge_missing(self, page: Answered, where: str, *, is_there: bool = True) -> None:
        """At a page without a successor: that must not contradict `has_more`.

        A first page without that place at all may as well be a misspelt one, unless it has
        fewer records than were asked for.
        """
        size = self._config.page_size
        if not is_there and self._progress.pages == 1 and page.records >= (size or 1):
            self._warn(
                f"{where} is not in the first page, which is taken for the only one: "
                "if there are more, mend the path or the name"
            )
        if self._progress.more_told:
            raise PageError(
                f"page {self._progress.pages}: {self._progress.more_told} says that there is more, "
                f"and {where} names no next page"
            )


class _Keyed(Chained):
    """What the pagers share that send a token of the page before as one parameter."""

    def __init__(self, config: Sized, param: str, warn: Callable[[str], None]) -> None:
        super().__init__(config, warn)
        self._param = param

    @property
    def params(self) -> frozenset[str]:
        return self.sizes | {self._param}

    def _after(self, page: Answered, what: str, token: Token) -> Ask | None:
        written = _written(token)
        if not self.goes_on(page, what, str(written), shown(written)):
            return None
        params = {self._param: token, **self._progress.size_params}
        return Ask(number=self._progress.pages + 1, params=params)


@final
class CursorPager(_Keyed):
    """Each body carries the token of the next page; texts and integers are tokens."""

    def __init__(self, config: CursorPaginator, warn: Callable[[str], None]) -> None:
        super().__init__(config, config.cursor_param, warn)
        self._path = config.cursor_path

    @property
    def fields(self) -> tuple[str, ...]:
        return (*self._progress.fields, self._path)

    def accept(self, page: Answered, /) -> Ask | None:
        if self._progress.is_last(page):
            return None
        path = self._path
        value = page.fields.get(path)
        if value is None or value is False or value == "":
            self.judge_missing(page, f'cursor_path "{path}"', is_there=path in page.fields)
            return None
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise PageError(
                f'cursor_path "{path}" holds {shown(value)} on page {self._progress.pages}; '
                "a cursor is a text or an integer"
            )
        return self._after(page, "the cursor", value)


@final
class HeaderCursorPager(_Keyed):
    """A header of each answer carries the token of the next page."""

    def __init__(self, config: HeaderCursorPaginator, warn: Callable[[str], None]) -> None:
        super().__init__(config, config.cursor_param, warn)
        self._header = config.cursor_header

    def accept(self, page: Answered, /) -> Ask | None:
        if self._progress.is_last(page):
            return None
        name = self._header.lower()
        token = page.headers.get(name, "").strip()
        if token in ("", "null"):  # Salesforce ends with "Sforce-Locator: null"
            self.judge_missing(page, f"the header {self._header}", is_there=name in page.headers)
            return None
        return self._after(page, "the cursor", token)


@final
class KeysetPager(_Keyed):
    """The key of each page's last record asks for the page after it.

    No page is asked for after an empty one: there is no key to ask after. A total ends
    nothing: behind such a filter many servers count only what is left.
    """

    def __init__(self, config: KeysetPaginator, warn: Callable[[str], None]) -> None:
        super().__init__(config, config.param, warn)
        self.key: str | None = config.key
        self._may_be_list = config.param_in in ("body", "template")

    def accept(self, page: Answered, /) -> Ask | None:
        if self._progress.is_last(page):
            return None
        if page.records == 0:
            self.judge_missing(page, "an empty page")
            return None
        number = self._progress.pages
        match page.last:
            case bool() | None:
                raise PageError(
                    f'the last record of page {number} has no value at "{self.key}"; set '
                    "paginator.key to the path of what the pages are ordered by"
                )
            case str(key) | int(key) if key != "":
                return self._after(page, "the key", key)
            case msgspec.Raw() as key if self._may_be_list:
                return self._after(page, "the key", key)
            case other:
                raise PageError(
                    f"the last record of page {number} has {shown(_written(other))} at "
                    f'"{self.key}"; a key is a text or a whole number, or in a body a list'
                )


def _written(value: object) -> object:
    """JSON as its text, other values as they are."""
    return bytes(value).decode("utf-8", "replace") if isinstance(value, msgspec.Raw) else value
