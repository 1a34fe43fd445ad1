"""Pagers whose next page can be counted out: by page number, by offset."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import final

from bronze_engine.config.http.paginator import OffsetPaginator, PagePaginator
from bronze_engine.errors import PageError
from bronze_engine.sources.http.paging.pager import Answered, Ask
from bronze_engine.sources.http.paging.progress import Progress, count_in, count_of

__all__ = ["OffsetPager", "PagePager"]

Warn = Callable[[str], None]


class _Counted:
    """What the pagers share that need no page to know where the next one is."""

    key = None

    def __init__(self, config: PagePaginator | OffsetPaginator, warn: Warn) -> None:
        self._max_records = config.max_records
        self._parallel = config.parallel
        self._progress = Progress(config, warn)
        self._warn = warn

    @property
    def sizes(self) -> frozenset[str]:
        return self._progress.sizes

    @property
    def max_records(self) -> int | None:
        return self._max_records

    @property
    def total(self) -> int | None:
        return self._progress.total

    @property
    def is_end_known(self) -> bool:
        """Whether the server has said how far the pages go."""
        return self.total is not None

    @property
    def ahead(self) -> int | None:
        if self._parallel is not None:
            return self._parallel
        return None if self.is_end_known else 1

    @property
    def ends_at_404(self) -> bool:
        return self._parallel is not None and not self.is_end_known


@final
class PagePager(_Counted):
    """Pages by number."""

    def __init__(self, config: PagePaginator, warn: Warn) -> None:
        super().__init__(config, warn)
        self._config = config
        self._size = 0
        self._pages: int | None = None
        """How many the server says there are."""
        self._odd_pages = ""
        """How their number contradicts itself, or the records."""

    @property
    def fields(self) -> tuple[str, ...]:
        path = self._config.total_pages_path
        return (*self._progress.fields, path) if path else self._progress.fields

    @property
    def params(self) -> frozenset[str]:
        return frozenset({self._config.page_param}) | self.sizes

    @property
    def is_end_known(self) -> bool:
        return self.total is not None or self._pages is not None

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
        path, header = self._config.total_pages_path, self._config.total_pages_header
        pages = count_in(page.headers, header) if header is not None else None
        if path is not None and (value := page.fields.get(path)) is not None:
            pages = count_of(path, value)
        if pages is None:
            return
        if pages == 0 and page.records:
            self._odd_pages = f"{page.records:,} records were received and 0 pages stated"
        elif self._pages is not None and pages != self._pages:
            self._odd_pages = (
                f"the stated number of pages changed from {self._pages:,} to {pages:,}"
            )
        self._pages = pages

    def guess(self, ask: Ask, /) -> Iterator[Ask]:
        config, size = self._config, max(1, self._size)
        ends = [self._pages, config.max_pages]
        if self._pages is None and self.total is not None:
            ends.append(-(-self.total // size))
        if config.max_records is not None:
            ends.append(-(-config.max_records // size))
        last = min((end for end in ends if end is not None), default=None)
        number = ask.number
        while last is None or number <= max(last, ask.number):
            yield self._ask(number)
            number += 1

    def mismatch(self) -> str | None:
        return self._odd_pages or self._progress.mismatch()


@final
class OffsetPager(_Counted):
    """Pages by the number of records to skip, which is the number received."""

    def __init__(self, config: OffsetPaginator, warn: Warn) -> None:
        super().__init__(config, warn)
        self._config = config
        self._size_params = self._progress.size_params
        self._step = 0
        self._is_short_told = False

    @property
    def fields(self) -> tuple[str, ...]:
        return self._progress.fields

    @property
    def params(self) -> frozenset[str]:
        return frozenset({self._config.offset_param}) | self.sizes

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
        if self.total is not None and page.records < self._step and not self._is_short_told:
            self._is_short_told = True
            self._warn(
                f"page {done} has {page.records} records where the one before had {self._step}, "
                "and more follow: offsets step by the records received, so an API that leaves "
                "records out of its pages gives some twice; set primary_key and quality.duplicates"
            )
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
        ends = [end for end in (total, self._config.max_records) if end is not None]
        end = min(ends, default=None)
        while True:
            yield self._ask(number, skip)
            number += 1
            skip += step
            if end is not None and skip >= end:
                return
            if self._config.max_pages is not None and number > self._config.max_pages:
                return

    def mismatch(self) -> str | None:
        return self._progress.mismatch()


def _refuse_empty(page: Answered, number: int) -> None:
    if page.records == 0:
        raise PageError(
            f"page {number} is empty and says that there is more; "
            "leave has_more_path or is_last_path out if an empty page is the end"
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
