"""The pager for each paginator of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import final

from bronze_engine.config.http.graphql import as_cursor
from bronze_engine.config.http.paginator import (
    AutoPaginator,
    CursorPaginator,
    GraphqlPaginator,
    HeaderCursorPaginator,
    KeysetPaginator,
    LinkHeaderPaginator,
    NextUrlPaginator,
    NoPaginator,
    OffsetPaginator,
    PagePaginator,
    Paginator,
)
from bronze_engine.sources.http.paging.auto import AutoPager
from bronze_engine.sources.http.paging.chained import CursorPager, HeaderCursorPager, KeysetPager
from bronze_engine.sources.http.paging.counted import OffsetPager, PagePager
from bronze_engine.sources.http.paging.linked import LinkHeaderPager, NextUrlPager
from bronze_engine.sources.http.paging.pager import Answered, Ask, Pager, Params

__all__ = ["SinglePager", "make_pager"]


def make_pager(
    config: Paginator,
    *,
    records: object = None,
    warn: Callable[[str], None],
    is_allowed: Callable[[str], bool],
) -> Pager:
    """The pager for a configuration; `records` is the source's, for pageInfo stands beside them.

    `warn` is told of corrections, and of paths that lead nowhere. `is_allowed` judges the
    origin (`origin_of`) of a next link; one that it refuses is a PageError before anything
    is sent. For `auto` it is one for the first page alone, until it is settled.
    """
    match config:
        case NoPaginator():
            return SinglePager(config.max_records)
        case AutoPaginator(size_param=name, page_size=size):
            params: Params = {name: size} if name is not None and size is not None else {}
            return AutoPager(config, SinglePager(config.max_records, params))
        case PagePaginator():
            return PagePager(config, warn)
        case OffsetPaginator():
            return OffsetPager(config, warn)
        case CursorPaginator():
            return CursorPager(config, warn)
        case GraphqlPaginator():
            return CursorPager(as_cursor(config, records), warn)
        case HeaderCursorPaginator():
            return HeaderCursorPager(config, warn)
        case KeysetPaginator():
            return KeysetPager(config, warn)
        case NextUrlPaginator():
            return NextUrlPager(config, warn, is_allowed)
        case LinkHeaderPaginator():
            return LinkHeaderPager(config, warn, is_allowed)


@final
class SinglePager:
    """One answer holds everything."""

    fields: tuple[str, ...] = ()
    total: int | None = None
    ahead = 1
    ends_at_404 = False
    key: str | None = None

    def __init__(
        self,
        max_records: int | None = None,
        params: Params | None = None,
        url: str | None = None,
    ) -> None:
        self.max_records = max_records
        self._params = params or {}
        self._url = url
        self.params = self.sizes = frozenset(self._params)

    def first(self) -> Ask:
        return Ask(number=1, params=self._params, url=self._url)

    def accept(self, page: Answered, /) -> Ask | None:  # noqa: ARG002  # every answer is the last
        return None

    def guess(self, ask: Ask, /) -> Iterator[Ask]:
        yield ask

    def mismatch(self) -> str | None:
        return None
