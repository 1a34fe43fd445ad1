"""How far a reading has come, and whether a page was the last: the same for all pagers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, final

from bronze_engine.config.http.paginator import (
    CursorPaginator,
    HeaderCursorPaginator,
    KeysetPaginator,
    LinkHeaderPaginator,
    NextUrlPaginator,
    OffsetPaginator,
    PagePaginator,
)
from bronze_engine.errors import PageError
from bronze_engine.sources.http.paging.pager import Answered, Params
from bronze_engine.sources.http.shown import shown

__all__ = ["Progress", "Sized", "count_in", "count_of"]

Sized = (
    PagePaginator
    | OffsetPaginator
    | CursorPaginator
    | HeaderCursorPaginator
    | KeysetPaginator
    | NextUrlPaginator
    | LinkHeaderPaginator
)


_USUAL_CAPS: Final = frozenset(
    {10, 20, 25, 30, 40, 50, 60, 75, 100, 120, 150, 200, 250, 300, 400, 500, 1000, 2000, 2500, 5000}
)
"""What servers give at most a page, whatever they are asked for."""


@final
class Progress:
    """Counts the pages and decides whether one was the last: the same for all pagers.

    An empty page ends the reading, a satisfied total, `has_more` false, `max_pages`,
    `max_records`. A short page ends it where configured, or where an earlier page had exactly
    the size asked for and the server states nothing else; no larger page was ever asked for.
    A satisfied total ends nothing while `has_more` is true: one of the two lies, and what
    comes after it shows which.
    Where each page leads to the next (`is_chain`) neither an empty page, nor a short one,
    nor a total outweighs that: a server that filters after it has cut its pages (Microsoft
    Graph, DynamoDB, Google) gives empty ones with more behind them.
    """

    def __init__(
        self, config: Sized, warn: Callable[[str], None], *, is_chain: bool = False
    ) -> None:
        self._config = config
        self._warn = warn
        self._is_chain = is_chain
        self.pages = 0
        self.received = 0
        self.total: int | None = None
        self.more_told = ""
        """By what the last page says that there is more; "" where it does not."""
        self._first_total: int | None = None
        self._changed: int | None = None
        self._was_full = False
        self._was_cut = False

    @property
    def fields(self) -> tuple[str, ...]:
        config = self._config
        paths = (config.total_path, config.has_more_path, config.is_last_path, self._relation_path)
        return tuple(path for path in paths if path)

    @property
    def _relation_path(self) -> str | None:
        """Where Elasticsearch and OpenSearch say whether a total is one."""
        above, _, name = (self._config.total_path or "").rpartition(".")
        return f"{above}.relation" if above and name == "value" else None

    @property
    def size_params(self) -> Params:
        size = self._config.page_size
        return {self._config.size_param: size} if self._config.size_param and size else {}

    @property
    def sizes(self) -> frozenset[str]:
        return frozenset({self._config.size_param} if self._config.size_param else ())

    @property
    def max_records(self) -> int | None:
        return self._config.max_records

    def is_last(self, page: Answered) -> bool:
        self.pages += 1
        self.received += page.records
        self._note_total(page)
        has_more = self._has_more(page)
        if self._is_enough():
            self._was_cut = True
            return True
        if has_more is False:
            return True
        size = self._config.page_size
        is_short = size is not None and page.records < size
        if is_short and self._config.stop_on_short_page:
            if has_more is None and self.pages == 1 and page.records in _USUAL_CAPS:
                self._warn_of_cap(page.records)
            return has_more is None
        if self._is_chain:
            return False
        if page.records == 0 and has_more is None:
            return True
        if self.total is not None and self.received >= self.total:
            return has_more is None
        if is_short and self._was_full and self.total is None and has_more is None:
            return True
        self._was_full = self._was_full or page.records == size
        return False

    def _is_enough(self) -> bool:
        pages, records = self._config.max_pages, self._config.max_records
        return (pages is not None and self.pages >= pages) or (
            records is not None and self.received >= records
        )

    def _note_total(self, page: Answered) -> None:
        path, header = self._config.total_path, self._config.total_header
        if header is not None:
            self._warn_of_absence("total_header", header, header.lower() in page.headers)
            self._state(count_in(page.headers, header))
        if path is None:
            return
        self._warn_of_absence("total_path", path, path in page.fields)
        if (value := page.fields.get(path)) is None:
            return
        if self._relation_path is not None and page.fields.get(self._relation_path) == "gte":
            if self.pages == 1:
                self._warn(
                    f'total_path "{path}" is only a lower bound ("gte"): pages are read one after '
                    "another until one is empty; ask for an exact one (track_total_hits = true)"
                )
            return
        self._state(count_of(path, value))

    def _warn_of_cap(self, records: int) -> None:
        self._warn(
            f"the first page has {records} records of {self._config.page_size} asked for, and "
            "stop_on_short_page takes it for the last one: if the server gives no more than that "
            f"a page, set page_size = {records}"
        )

    def _warn_of_absence(self, key: str, place: str, is_there: bool) -> None:
        if self.pages == 1 and not is_there:
            self._warn(
                f'{key} "{place}" is not in the first page: nothing says how many records there '
                "are, and pages are read one after another; mend it, or leave it out"
            )

    def _state(self, total: int | None) -> None:
        if total is None:
            return
        self.total = total
        if self._first_total is None:
            self._first_total = total
        elif total != self._first_total:
            self._changed = total

    def _has_more(self, page: Answered) -> bool | None:
        key, path = "has_more_path", self._config.has_more_path
        if path is None:
            key, path = "is_last_path", self._config.is_last_path
        if path is None:
            return None
        match page.fields.get(path):
            case True | "true" | 1:
                said = True
            case False | "false" | 0:
                said = False
            case None:
                raise PageError(
                    f'no value at {key} "{path}" on page {self.pages}; '
                    "mend the path, or leave it out"
                )
            case other:
                raise PageError(
                    f'{key} "{path}" holds {shown(other)} on page {self.pages}, not true or false'
                )
        has_more = said == (key == "has_more_path")
        self.more_told = f'"{path}"' if has_more else ""
        return has_more

    def mismatch(self) -> str | None:
        if self._was_cut or self.total is None:
            return None
        if self._changed is not None:
            return f"the stated total changed from {self._first_total:,} to {self._changed:,}"
        if self.received != self.total:
            return f"{self.received:,} records were received and {self.total:,} stated"
        return None


def count_in(headers: Mapping[str, str], name: str) -> int | None:
    """The number in a header, of a Content-Range the last of its three; None for none."""
    text = headers.get(name.lower(), "").rpartition("/")[2].strip()
    return None if text in ("", "*") else count_of(name, text)


def count_of(path: str, value: object) -> int:
    match value:
        case bool():
            pass
        case int() if value >= 0:
            return value
        case float() if value >= 0 and value.is_integer():
            return int(value)
        case str() if value.isascii() and value.isdigit() and len(value) < 20:
            return int(value)
    raise PageError(f'"{path}" holds {shown(value)}, which is no number of records or pages')
